"""Files that are either wholly written or not touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """A hidden path beside a file, to be written to; it takes the file's place when the block ends well.

    When the block fails, what was written is removed and the file stays as it was. A process that is killed leaves
    ``.NAME.part`` at most, which the next one writes over.

    Args:
        path: The file; its folder must be there.
        shared: Whether several processes may write the file at once; each then has a name of its own.

    Raises:
        OSError: If the file cannot be put in its place.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder, "a.txt")) as part:
        ...         _ = part.write_text("new")
        ...     [(file.name, file.read_text()) for file in Path(folder).iterdir()]
        [('a.txt', 'new')]
    """
    # Cut, so that a long name with what is added stays within the file system's limit.
    name = f".{path.name[:40]}.{uuid4().hex}.part" if shared else f".{path.name}.part"
    part = path.with_name(name)
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):  # in its place already, or never made
            part.unlink()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text as UTF-8, or bytes, so that a reader sees the old file or the new one, never a part.

    Raises:
        OSError: If the folder is missing or cannot be written to.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as part:
        part.write_bytes(data)
