"""Where things go below the prepared folder, room on the disk, and one run at a time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from facewitness.errors import ConfigError

STATE: Final = "state"
_SAFE: Final = re.compile(r"[\w+=@,()-][\w.+=@,() -]*")
_LONGEST: Final = 120
_GIB: Final = 1 << 30


def safe_name(video_id: str) -> str:
    """A video id as a path below a folder: its parts stay where a file system takes them.

    Example:
        >>> safe_name("Deepfakes/c23/000_003")
        'Deepfakes/c23/000_003'
        >>> safe_name("../a:b") == safe_name("__/a_b")
        False
    """
    parts = video_id.split("/")
    if all(len(part) <= _LONGEST and _SAFE.fullmatch(part) and part[-1] not in " ." for part in parts):
        return video_id
    cleaned = [re.sub(r"[^\w+=@,()-]", "_", part)[:_LONGEST] or "_" for part in parts]
    return "/".join(cleaned) + "-" + hashlib.sha256(video_id.encode()).hexdigest()[:8]


def state_file(out: Path, video_id: str) -> Path:
    """The file whose presence says that a video is done."""
    digest = hashlib.sha256(video_id.encode()).hexdigest()[:24]
    return out / STATE / digest[:2] / f"{digest}.json"


def base_of(root: Path) -> Path:
    """The folder that a set's record paths lie below: its root, or the folder of the file that the set is."""
    return root.parent if root.is_file() else root


def check_out(root: Path, out: Path) -> None:
    """Refuse an output folder that would mix with the source.

    Raises:
        ConfigError: If ``out`` is the source's folder, lies in it, or is no folder.
    """
    target = out.resolve()
    source = root.resolve()
    if target == base_of(source) or (source.is_dir() and source in target.parents):
        msg = f"--out {out} lies in the data set's folder {base_of(root)}, which is never written to; choose another"
        raise ConfigError(msg)
    if out.exists() and not out.is_dir():
        msg = f"--out {out} is a file; give a folder, which is made when it does not exist"
        raise ConfigError(msg)


@contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Keep a second run out of the same folder; the lock goes with the process, however it ends.

    Raises:
        ConfigError: If another run is at work there.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"another run is preparing into {out}; wait for it, or choose another --out"
            raise ConfigError(msg) from error
        except OSError:  # a file system without locks
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        yield
    finally:
        os.close(descriptor)


class SpaceGuard:
    """Stops before the disk is full, on what the first videos took.

    Args:
        out: Where is written.
        total: Videos to come.
        least_bytes: What they will take at the very least, checked at once.

    Raises:
        ConfigError: If there is too little room from the start.
    """

    _RESERVE = _GIB // 2  # never to be used
    _SURE_AFTER = 16
    _DOUBT = 0.8  # the first videos may be longer than the others

    def __init__(self, out: Path, total: int, least_bytes: int) -> None:
        self._out = out
        self._left = total
        self._written = self._done = self._largest = 0
        self._require(least_bytes, "at the very least")

    def add(self, written: int) -> None:
        """Count a video that is done, and look at the disk.

        Raises:
            ConfigError: If what is left to do will not fit, or the reserve is reached.
        """
        self._left -= 1
        self._done += 1
        self._written += written
        self._largest = max(self._largest, written)
        self._require(4 * self._largest if self._left else 0, "for the videos in work")
        if self._done >= self._SURE_AFTER:
            expected = self._written / self._done * self._left
            self._require(int(self._DOUBT * expected), f"for the {self._left} videos left, going by the first ones")

    def _require(self, needed: int, what: str) -> None:
        free = shutil.disk_usage(self._out).free
        if free - self._RESERVE < needed:
            asked = f"{_amount(needed)} needed {what} and " if needed else ""
            msg = (
                f"{self._out}: the disk has {_amount(free)} free, expected {asked}{_amount(self._RESERVE)} that stay "
                "unused; make room and run the same command again, it goes on where it stopped; or take fewer "
                "--frames, a smaller --size or --picture jpeg"
            )
            raise ConfigError(msg)


def _amount(count: int) -> str:
    """Bytes in a unit that leaves something to read."""
    return f"{count / _GIB:.2f} GiB" if count >= _GIB else f"{1024 * count / _GIB:.1f} MiB"
