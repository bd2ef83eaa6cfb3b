"""Running `facewitness analyze` over files: progress, printing, and the files that it writes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from facewitness.cli.analyze import Request
from facewitness.cli.progress import FileProgress
from facewitness.cli.report_text import print_report, print_summary
from facewitness.errors import ConfigError
from facewitness.jpeg import decode_jpeg, encode_jpeg
from facewitness.records import Report, VerdictLabel
from facewitness.reports.files import require_writable
from facewitness.reports.jsonl import JsonLinesWriter, read_json_lines
from facewitness.weights import sha256_of
from facewitness.whole_files import write_whole

if TYPE_CHECKING:
    from facewitness.narration import Narrator
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
    try:
        write_whole(path, encode_jpeg(picture, _JPEG_QUALITY))
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
            require_writable(request.html)
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
        files: list[Path] = []
        for path in self.request.files:
            content = _content_of(path) if done else ""
            if done[content] > 0:
                done[content] -= 1
            else:
                files.append(path)
        return files

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
            save_jpeg(folder / f"{_shortened(Path(media.path).stem)}-{media.sha256[:8]}{part}.jpg", drawn)

    def finish(self) -> None:
        """Put finished files in their final place."""
        if self.writer is not None and self.request.output is not None:
            self.writer.close()
            _part(self.request.output).replace(self.request.output)
        if self.request.html is not None and self.pictures is not None:
            from facewitness.reports.html import write_html

            write_html(self.reports, self.request.html, self.pictures)


def run(analyzer: Analyzer, request: Request, narrator: Narrator | None = None) -> bool:
    """Analyse every file of the request.

    Args:
        analyzer: Loaded models.
        request: What to do.
        narrator: Has the deciding face of each file put into words by a language model.

    Returns:
        Whether at least one file got a score, or there was nothing left to do.

    Raises:
        ConfigError: If an output cannot be written.
    """
    with ExitStack() as stack:
        stack.enter_context(_cleaned_up_when_terminated())
        work = Run(analyzer, request, stack)
        files = work.left_to_do()
        skipped = len(request.files) - len(files)
        if skipped:
            sys.stderr.write(f"facewitness: {skipped} of {len(request.files)} files are in the output already\n")
        progress = stack.enter_context(FileProgress(len(files)))
        console = Console(highlight=False)
        try:
            for path in files:
                progress.start(path)
                result = next(analyzer.examine_many([path]))
                result = result if narrator is None else narrator.tell(result)
                work.take(result)
                show(result.report, None if request.as_json else console, brief=len(request.files) > 1)
                progress.advance()
        except KeyboardInterrupt:
            progress.stop()
            sys.stderr.write(_interrupted(sum(work.counts.values()), len(files), request.output))
            raise
        progress.stop()
        work.finish()
        if len(files) > 1 and not request.as_json:
            print_summary(work.counts, console)
    return not files or any(label != VerdictLabel.NOT_SCORED for label in work.counts)


def show(report: Report, console: Console | None, *, brief: bool) -> None:
    """Print a report as text, or as a line of JSON where no console is given."""
    if console is not None:
        print_report(report, console, brief=brief)
        return
    # undecodable bytes of a file name are lone surrogates, which no stream takes
    line = report.to_json().encode("utf-8", "replace").decode("utf-8")
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _interrupted(done: int, wanted: int, output: Path | None) -> str:
    advice = "" if output is None else f"; the same command with --resume goes on from {_part(output)}"
    return f"facewitness: interrupted after {done} of {wanted} files{advice}\n"


@contextmanager
def _cleaned_up_when_terminated() -> Iterator[None]:
    """A request to end takes the same way out as an error, so that no picture stays behind in a temporary folder."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if current_thread() is not main_thread():  # where Python lets nobody set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _part(output: Path) -> Path:
    """Where the lines go until the run is over; it survives an interruption."""
    return output.with_name(f"{output.name}.part")


def _prepare_resume(output: Path, *, resume: bool) -> None:
    require_writable(output)
    if resume and output.exists() and not _part(output).exists():
        shutil.copyfile(output, _part(output))


def _finished(lines: Path, analyzer: Analyzer) -> Counter[str]:
    """How many reports of each content, by hash, were made with the settings of this run."""
    found: Counter[str] = Counter()
    for record in read_json_lines(lines):
        media = record.get("media")
        if isinstance(media, dict) and media.get("sha256") and _made_alike(record, analyzer):
            found[str(media["sha256"])] += 1
    return found


def _made_alike(record: Mapping[str, Any], analyzer: Analyzer) -> bool:
    protocol, verdict = record.get("protocol"), record.get("verdict")
    if not isinstance(protocol, dict) or not isinstance(verdict, dict):
        return True  # could not be opened: no setting changes that
    detector = analyzer.detector
    made = tuple(protocol.get(name) for name in ("detector", "weights_sha256", "precision", "stability"))
    if made != (detector.name, detector.weights_sha256, detector.precision, analyzer.options.stability_rule):
        return False
    if protocol.get("sampling") not in ("single picture", analyzer.options.sampling):
        return False
    point = verdict.get("operating_point")
    threshold = point.get("threshold") if isinstance(point, dict) else None
    wanted = None if analyzer.point is None else round(analyzer.point.threshold, 6)  # as JSON holds it
    return threshold == wanted or verdict.get("label") == VerdictLabel.NOT_SCORED


def _content_of(path: Path) -> str:
    """Hash of a file; empty when it cannot be read, which its report will say."""
    try:
        return sha256_of(path) if path.is_file() else ""
    except OSError:
        return ""


def _shortened(stem: str) -> str:
    """The beginning of a file's name, short enough to be part of another one."""
    return os.fsencode(stem)[:120].decode("utf-8", "ignore")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the folder {folder}: {error.strerror or error}"
        raise ConfigError(msg) from error
    require_writable(folder / "picture.jpg")
