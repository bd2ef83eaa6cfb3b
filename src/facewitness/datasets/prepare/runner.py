"""All records on all cores, resumable after a kill at any point; the index comes last."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facewitness.datasets.prepare.arrays import write_arrays
from facewitness.datasets.prepare.neighbours import write_neighbours
from facewitness.datasets.prepare.one_video import PICTURE_STEPS, Job, prepare_video, read_done, read_state
from facewitness.datasets.prepare.places import STATE, SpaceGuard, base_of, check_out, only_run, state_file
from facewitness.datasets.prepare.pool import pooled
from facewitness.datasets.prepare.settings import PrepareSettings, complete_steps
from facewitness.datasets.prepared import (
    INDEX_FILE,
    NEIGHBOURS_FILE,
    SETTINGS_FILE,
    Missing,
    PreparedVideo,
    fingerprint_of,
    missing_in,
    write_file,
    write_head,
)
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError
from facewitness.runtime import default_threads

WITHOUT_FACES: Final = "without_faces.csv"
_LEAST_PER_PIXEL: Final = {"png": 0.4, "jpeg": 0.04}
_MOST_FRAMES_GUESSED: Final = 32


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        fingerprint: Of the settings.
        steps: What the folder holds.
        videos: Records in the index.
        reused: Of these, done by an earlier run.
        frames: Frames with a face (whole frames where no face was looked for).
        frames_without_face: Sampled frames without one.
        videos_without_face: Records with pictures of which no frame shows a face.
        problems: Record path and what is wrong with it.
        notes: Record path and what is odd about it.
    """

    fingerprint: str
    steps: tuple[str, ...]
    videos: int
    reused: int
    frames: int
    frames_without_face: int
    videos_without_face: int
    problems: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]


def prepare(
    records: Sequence[Record],
    root: Path,
    out: Path,
    settings: PrepareSettings,
    steps: Sequence[str],
    *,
    split: str | None = None,
    missing: Sequence[str] = (),
    workers: int = 0,
    on_video: Callable[[Record], None] = lambda _: None,
) -> Summary:
    """Prepare a data set, or go on where an earlier run stopped.

    Each record's files are written before the one that says it is done, so that a run can be killed at any point.
    Other settings need another folder. Asking for more steps than a folder has makes ``records`` anew with all of them.
    Records of other splits that the folder holds with these steps stay in the index when ``split`` names one.

    Args:
        records: What to prepare.
        root: The set's root; only read.
        out: Prepared folder; made when missing.
        settings: How.
        steps: What (`STEPS`); those that they rest on are added.
        split: The split that ``records`` are; None when they are all there is.
        missing: What the set's list names besides and its folder lacks; kept with the prepared data.
        workers: Processes; 0 takes one per core, 1 none but this one.
        on_video: Called after each record.

    Returns:
        What was done. Read the data with `facewitness.datasets.prepared.open_prepared`.

    Raises:
        ConfigError: If the folder was prepared in another way or from another set, lies in the source, is in use by
            another run, or the disk has too little room.
    """
    dataset, asked = _check_records(records), complete_steps(tuple(steps))
    check_out(root, out)
    with only_run(out):
        wanted, lacking = _take_over(out, dataset, settings, asked)
        lacking = {**(lacking if split else {}), split or "": Missing.of(missing)}
        job = Job(base_of(root), out, settings, wanted)
        pending = []
        for record in records:
            if read_done(record, job) is None:
                pending.append(record)
            else:
                on_video(record)
        if pending:
            (out / INDEX_FILE).unlink(missing_ok=True)
            _run(pending, job, workers or default_threads(), on_video)
        return _finish(records, job, dataset, split, lacking, reused=len(records) - len(pending))


def _check_records(records: Sequence[Record]) -> str:
    """The set's title.

    Raises:
        ConfigError: If there is no record, two have the same id, or they are of several sets.
    """
    if not records:
        msg = "the data set lists nothing to prepare; check its root, split and options"
        raise ConfigError(msg)
    seen: dict[str, Record] = {}
    for record in records:
        twin = seen.setdefault(record.video_id, record)
        if twin is not record:
            msg = f"video id {record.video_id!r} occurs twice: {twin.path} and {record.path}; ids must be unique"
            raise ConfigError(msg)
    titles = sorted({record.dataset for record in records})
    return " + ".join(titles)


def _take_over(
    out: Path, dataset: str, settings: PrepareSettings, steps: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, Missing]]:
    """Compare with what the folder holds, and write its settings.

    Returns:
        Its steps with the new ones, and what earlier runs did not find.
    """
    before: tuple[str, ...] = ()
    lacking: dict[str, Missing] = {}
    if (out / SETTINGS_FILE).exists():
        before, lacking = _same_settings(out, dataset, settings)
    elif any(not entry.name.startswith(".") for entry in out.iterdir()):
        msg = f"{out} is not empty and holds no prepared data; choose a new folder for --out"
        raise ConfigError(msg)
    wanted = complete_steps((*before, *steps))
    if wanted != before:
        (out / INDEX_FILE).unlink(missing_ok=True)
        write_head(out, dataset, {**settings.to_dict(), "steps": list(wanted)}, lacking)
    return wanted, lacking


def _same_settings(out: Path, dataset: str, settings: PrepareSettings) -> tuple[tuple[str, ...], dict[str, Missing]]:
    """The steps that a folder was prepared with, and what its runs did not find.

    Raises:
        ConfigError: If it was prepared in another way, holds another set, or is damaged.
    """
    path = out / SETTINGS_FILE
    try:
        head = json.loads(path.read_bytes())
        stored, title, old = str(head["fingerprint"]), str(head["dataset"]), dict(head["settings"])
        steps, lacking = tuple(old.pop("steps")), missing_in(head)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is damaged ({error}); delete {out} and prepare again"
        raise ConfigError(msg) from error
    if stored != settings.fingerprint:
        new = settings.to_dict()
        changed = [f"{k} {old.get(k)} there, {new.get(k)} here" for k in {**new, **old} if old.get(k) != new.get(k)]
        msg = f"{out} was prepared with other settings: fingerprint {stored} there, {settings.fingerprint} here "
        raise ConfigError(msg + f"({'; '.join(changed)}); choose another --out")
    if title != dataset:
        msg = f"{out} holds {title}, not {dataset}; choose another --out"
        raise ConfigError(msg)
    return steps, lacking


def _least_bytes(records: Sequence[Record], job: Job) -> int:
    if not PICTURE_STEPS - {"frames"} & set(job.steps):
        return 0
    settings = job.settings
    frames = min(settings.frames or _MOST_FRAMES_GUESSED, _MOST_FRAMES_GUESSED)
    per_frame = settings.size**2 * _LEAST_PER_PIXEL[settings.picture]
    videos = sum(record.kind in ("video", "frames", "hdf5") for record in records)
    pictures = sum(record.kind == "image" for record in records)
    return int(per_frame * (pictures + 0.25 * frames * videos))  # a quarter: videos may be short or without faces


def _run(records: Sequence[Record], job: Job, workers: int, on_video: Callable[[Record], None]) -> None:
    guard = SpaceGuard(job.out, len(records), _least_bytes(records, job))
    done = _here(records, job) if workers == 1 or len(records) == 1 else pooled(records, job, workers)
    for record, written in done:
        guard.add(written)
        on_video(record)


def _here(records: Sequence[Record], job: Job) -> Iterator[tuple[Record, int]]:
    finder = job.finder()
    for record in records:
        yield record, prepare_video(record, job, finder)[1]


def _finish(
    records: Sequence[Record],
    job: Job,
    dataset: str,
    split: str | None,
    lacking: Mapping[str, Missing],
    *,
    reused: int,
) -> Summary:
    """The index from the records' own files, sorted by video id, and what is made of all videos together."""
    videos = [read_state(state_file(job.out, record.video_id)).video for record in records]
    if split is not None:
        videos += _of_other_splits(job, split)
    videos.sort(key=lambda video: video.record.video_id)
    if "hdf5" in job.steps:
        write_arrays(job.out, videos, fingerprint_of(job.settings.to_dict()))
    if "neighbours" in job.steps:
        write_neighbours(job.out / NEIGHBOURS_FILE, videos, job.settings.neighbours)
    write_file(job.out / WITHOUT_FACES, _faceless_table(videos).encode())
    index = "".join(video.to_json() + "\n" for video in videos)
    write_head(job.out, dataset, {**job.settings.to_dict(), "steps": list(job.steps)}, lacking)
    write_file(job.out / INDEX_FILE, index.encode())
    return Summary(
        fingerprint=job.settings.fingerprint,
        steps=job.steps,
        videos=len(videos),
        reused=reused,
        frames=sum(len(video.frames) for video in videos),
        frames_without_face=sum(len(video.without_face) for video in videos),
        videos_without_face=sum(bool(video.without_face) and not video.frames for video in videos),
        problems=tuple((video.record.path, video.problem) for video in videos if video.problem),
        notes=tuple((video.record.path, note) for video in videos for note in video.notes),
    )


def _of_other_splits(job: Job, split: str) -> list[PreparedVideo]:
    states = [read_state(file) for file in sorted((job.out / STATE).glob("*/*.json"))]
    return [s.video for s in states if s.video.record.split != split and set(job.steps) <= set(s.steps)]


def _faceless_table(videos: Sequence[PreparedVideo]) -> str:
    """CSV of the videos with frames without a face."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["video_id", "path", "frames_with_face", "frames_without_face", "without_face"])
    for video in videos:
        if video.without_face:
            counts = (len(video.frames), len(video.without_face))
            places = " ".join(str(index) for index in video.without_face)
            table.writerow([video.record.video_id, video.record.path, *counts, places])
    return text.getvalue()
