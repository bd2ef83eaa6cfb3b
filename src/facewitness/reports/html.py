"""Reports as one HTML page that needs nothing else: pictures, styles and script are inside it."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from facewitness import __version__, wording
from facewitness.records import FaceTrack, Protocol, Report, VerdictLabel
from facewitness.reports import words
from facewitness.reports.files import write_atomically
from facewitness.reports.labels import HEADLINES, SYMBOLS, score_text
from facewitness.reports.overlay import VERDICT_COLOURS
from facewitness.reports.pictures import NAMES_LETTER, FilePictures, PictureSizes, file_pictures, heat_legend
from facewitness.reports.plots import PLOT_HEIGHT, TimelinePlot, score_scale, timeline_plot

Pictures = Mapping[tuple[int, int], np.typing.NDArray[np.uint8]]

MOST_DETAILED_FACES = 6
"""Faces of one file that are shown in full, the highest-scoring; the others get a line each."""

_FEW_FILES = PictureSizes(frame=1200, face=480)
_SOME_FILES = PictureSizes(frame=900, face=420)
_MANY_FILES = PictureSizes(frame=640, face=340)


@dataclass(frozen=True)
class _FileView:
    """What the page says of one file.

    Attributes:
        number: Counted from 1.
        report: The report.
        faces: Faces shown in full, in the order of their numbers.
        others: Faces that get a line.
        pictures: Encoded pictures.
        plot: Scores over time; None for pictures.
        method: Number of the method among the page's; None when the file was not opened.
    """

    number: int
    report: Report
    faces: tuple[FaceTrack, ...]
    others: tuple[FaceTrack, ...]
    pictures: FilePictures
    plot: TimelinePlot | None
    method: int | None


def write_html(reports: Sequence[Report], path: Path, pictures: Pictures) -> None:
    """Write reports as one self-contained page.

    The page is written piece by piece, so that one file's pictures are in memory at a time, and appears at
    ``path`` when it is whole. Text from files (names, reasons) is escaped, and a content policy in the page
    forbids all scripts but its own and every request.

    Args:
        reports: One per file, in the order of the page.
        path: Where the page goes; replaced when it exists.
        pictures: ``(report index, frame index)`` to ``(H, W, 3)`` uint8 RGB; what is missing is left out.

    Raises:
        ConfigError: If the file cannot be written.
    """
    environment = page_environment()
    script = environment.get_template("page.js").render()
    methods, method_of = _methods(reports)
    page = environment.get_template("page.html").generate(
        reports=reports,
        counts=Counter(report.verdict.label for report in reports),
        files=_files(reports, pictures, method_of),
        methods=methods,
        script_hash=b64encode(sha256(script.encode()).digest()).decode("ascii"),
        written=datetime.now(UTC),
        version=__version__,
    )
    write_atomically(path, page)


def write_plain_page(path: Path, template: str, **values: Any) -> None:
    """Write a page of results without pictures and scripts.

    Args:
        path: Where the page goes; replaced when it exists.
        template: File name of the template.
        values: What the template shows.

    Raises:
        ConfigError: If the file cannot be written.
    """
    page = page_environment().get_template(template)
    write_atomically(path, page.generate(**values, written=datetime.now(UTC), version=__version__))


def page_environment() -> Environment:
    """Templates with the filters and colours of all pages; every text on its way in is made safe to show."""
    environment = Environment(
        loader=PackageLoader("facewitness.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        score=score_text,
        sentence=wording.sentence,
        file_name=words.file_name,
        size=words.size_words,
        time=words.time_words,
        line=wording.line_words,
        point=words.point_words,
        expert=words.expert_words,
        check=words.check_words,
        region=words.region_words,
        kind=words.kind_words,
        percent=words.percent,
        symbol=SYMBOLS.__getitem__,
        headline=HEADLINES.__getitem__,
    )
    environment.globals.update(
        labels=tuple(VerdictLabel),
        colours={label: f"rgb{colour}" for label, colour in VERDICT_COLOURS.items()},
        score_scale=score_scale,
        plot_height=PLOT_HEIGHT,
        heat_legend=heat_legend(),
        names_letter=NAMES_LETTER,
        region_strength=wording.REGION_STRENGTH,
        derived=wording.DERIVED,
    )
    return environment


def _shown(value: Any) -> Any:
    """Every text on its way into the page; what is markup already is a subclass of str and stays."""
    return words.shown_text(value) if type(value) is str else value


def _files(reports: Sequence[Report], pictures: Pictures, method_of: Sequence[int | None]) -> Iterator[_FileView]:
    """The files one by one, each encoded when the page has come to it."""
    sizes = _FEW_FILES if len(reports) <= 4 else _SOME_FILES if len(reports) <= 12 else _MANY_FILES
    kept: dict[int, list[int]] = {}
    for report_index, frame_index in pictures:
        kept.setdefault(report_index, []).append(frame_index)
    for i, report in enumerate(reports):
        ranked = sorted(report.faces, key=lambda face: -(face.verdict.score or 0.0))
        detailed = {id(face) for face in ranked[:MOST_DETAILED_FACES]}
        faces = tuple(face for face in report.faces if id(face) in detailed)
        others = tuple(face for face in report.faces if id(face) not in detailed)
        frames = _Frames(i, sorted(kept.get(i, [])), pictures)
        yield _FileView(
            i + 1,
            report,
            faces,
            others,
            file_pictures(report, faces, frames, sizes),
            timeline_plot(faces, report.verdict.operating_point),
            method_of[i],
        )


class _Frames(Mapping[int, np.typing.NDArray[np.uint8]]):
    """The pictures of one report by frame index, fetched when asked for."""

    def __init__(self, report_index: int, frame_indices: list[int], pictures: Pictures) -> None:
        self._report_index = report_index
        self._frame_indices = frame_indices
        self._pictures = pictures

    def __getitem__(self, frame_index: int) -> np.typing.NDArray[np.uint8]:
        return self._pictures[self._report_index, frame_index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._frame_indices)

    def __len__(self) -> int:
        return len(self._frame_indices)


def _methods(reports: Sequence[Report]) -> tuple[list[Protocol], list[int | None]]:
    """Protocols that differ in more than the frames of a file, and the number of each report's (from 1)."""
    methods: list[Protocol] = []
    numbers: list[int | None] = []
    for report in reports:
        if report.protocol is None:
            numbers.append(None)
            continue
        method = replace(report.protocol, frames=0, sampling="")
        if method not in methods:
            methods.append(method)
        numbers.append(methods.index(method) + 1)
    return methods, numbers
