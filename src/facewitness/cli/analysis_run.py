"""Running `facewitness analyze` over files: progress, printing, and the files that it writes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from facewitness.cli.analyze import Request
from facewitness.cli.progress import FileProgress
from facewitness.cli.report_text import print_report, print_summary
from facewitness.errors import ConfigError
from facewitness.jpeg import decode_jpeg, encode_jpeg
from facewitness.records import Report, VerdictLabel
from facewitness.reports.jsonl import JsonLinesWriter, read_json_lines
from facewitness.weights import sha256_of

if TYPE_CHECKING:
    from facewitness.pipeline import AnalysisResult, Analyzer

_JPEG_QUALITY = 92


class PictureStore(Mapping[tuple[int, int], NDArray[np.uint8]]):
    """Pictures by ``(report index, frame index)``, kept as JPEG files so that memory stays small.

    Args:
        folder: Where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[tuple[int, int], Path] = {}

    def put(self, report_index: int, frame_index: int, picture: NDArray[np.uint8]) -> None:
        """Keep one ``(H, W, 3)`` uint8 RGB picture."""
        path = self._folder / f"{report_index}-{frame_index}.jpg"
        save_jpeg(path, picture)
        self._keys[report_index, frame_index] = path

    def __getitem__(self, key: tuple[int, int]) -> NDArray[np.uint8]:
        return decode_jpeg(self._keys[key].read_bytes())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def save_jpeg(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as JPEG, whole or not at all.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(encode_jpeg(picture, _JPEG_QUALITY))
        temporary.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise ConfigError(msg) from error


class Run:
    """One run of `facewitness analyze`.

    Args:
        analyzer: Loaded models.
        request: What to do.
        stack: Keeps temporary things until the run is over.
    """

    def __init__(self, analyzer: Analyzer, request: Request, stack: ExitStack) -> None:
        self.analyzer = analyzer
        self.request = request
        self.reports: list[Report] = []
        self.counts: dict[str, int] = {}
        self.pictures: PictureStore | None = None
        self.writer: JsonLinesWriter | None = None
        if request.html is not None:
            self.pictures = PictureStore(Path(stack.enter_context(TemporaryDirectory(prefix="facewitness-"))))
            _require_folder_of(request.html)
        if request.overlay is not None:
            _make_folder(request.overlay)
        if request.output is not None:
            _prepare_resume(request.output, resume=request.resume)
            self.writer = stack.enter_context(JsonLinesWriter(_part(request.output), resume=request.resume))

    def left_to_do(self) -> list[Path]:
        """Files that the output does not hold yet, found by the hash of their content."""
        if not self.request.resume or self.request.output is None:
            return self.request.files
        done = _finished(_part(self.request.output), self.analyzer)
        return [path for path in self.request.files if not (path.is_file() and sha256_of(path) in done)]

    def take(self, result: AnalysisResult) -> None:
        """Write what one file gave."""
        report = result.report
        self.counts[report.verdict.label.value] = self.counts.get(report.verdict.label.value, 0) + 1
        if self.writer is not None:
            self.writer.write(report)
        if self.request.overlay is not None:
            self._draw(result, self.request.overlay)
        if self.pictures is not None:
            for frame_index, picture in result.pictures.items():
                self.pictures.put(len(self.reports), frame_index, picture)
            self.reports.append(report)

    def _draw(self, result: AnalysisResult, folder: Path) -> None:
        from facewitness.reports.overlay import overlay_picture

        media = result.report.media
        for frame_index, picture in result.pictures.items():
            drawn = overlay_picture(picture, result.report.faces, frame_index=frame_index)
            part = f"-{frame_index}" if media.kind == "video" else ""
            # the hash keeps files of the same name from different folders apart
            save_jpeg(folder / f"{Path(media.path).stem}-{media.sha256[:8]}{part}.jpg", drawn)

    def finish(self) -> None:
        """Put finished files in their final place."""
        if self.writer is not None and self.request.output is not None:
            self.writer.close()
            _part(self.request.output).replace(self.request.output)
        if self.request.html is not None and self.pictures is not None:
            from facewitness.reports.html import write_html

            write_html(self.reports, self.request.html, self.pictures)


def run(analyzer: Analyzer, request: Request) -> bool:
    """Analyse every file of the request.

    Returns:
        Whether at least one file got a score, or there was nothing left to do.

    Raises:
        ConfigError: If an output cannot be written.
    """
    with ExitStack() as stack:
        work = Run(analyzer, request, stack)
        files = work.left_to_do()
        skipped = len(request.files) - len(files)
        if skipped:
            sys.stderr.write(f"facewitness: {skipped} of {len(request.files)} files are in the output already\n")
        progress = stack.enter_context(FileProgress(len(files)))
        console = Console(highlight=False)
        for path in files:
            progress.start(path)
            result = next(analyzer.examine_many([path]))
            work.take(result)
            if request.as_json:
                # undecodable bytes of a file name are lone surrogates, which no stream takes
                line = result.report.to_json().encode("utf-8", "replace").decode("utf-8")
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            else:
                print_report(result.report, console)
            progress.advance()
        progress.stop()
        work.finish()
        if len(files) > 1 and not request.as_json:
            print_summary(work.counts, console)
    return not files or any(label != VerdictLabel.NOT_SCORED for label in work.counts)


def _part(output: Path) -> Path:
    """Where the lines go until the run is over; it survives an interruption."""
    return output.with_name(f"{output.name}.part")


def _prepare_resume(output: Path, *, resume: bool) -> None:
    _require_folder_of(output)
    if resume and output.exists() and not _part(output).exists():
        shutil.copyfile(output, _part(output))


def _finished(lines: Path, analyzer: Analyzer) -> set[str]:
    """Hashes of the files whose report was made with the same weights and sampling."""
    wanted = (analyzer.detector.name, analyzer.detector.weights_sha256)
    found: set[str] = set()
    for record in read_json_lines(lines):
        media, protocol = record.get("media"), record.get("protocol")
        if not isinstance(media, dict) or not media.get("sha256"):
            continue
        if not isinstance(protocol, dict):
            found.add(media["sha256"])  # could not be opened: no setting changes that
        elif (protocol.get("detector"), protocol.get("weights_sha256")) == wanted:
            same = protocol.get("sampling") in ("single picture", analyzer.options.sampling)
            found |= {media["sha256"]} if same else set()
    return found


def _require_folder_of(path: Path) -> None:
    if not path.parent.is_dir():
        msg = f"cannot write {path}: the folder {path.parent} does not exist; make it first"
        raise ConfigError(msg)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the folder {folder}: {error.strerror or error}"
        raise ConfigError(msg) from error
