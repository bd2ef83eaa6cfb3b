"""Pictures and videos per second of `facewitness evaluate`, from file to result, and where the time goes.

python benchmarks/evaluate.py [FOLDER ...]      (folders of pictures or videos; copies of the examples without any)
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facewitness.cli.media_paths import expand
from facewitness.detectors import DEFAULT_DETECTOR, DETECTORS
from facewitness.evaluation.control_features import control_features
from facewitness.evaluation.record_frames import read_frames
from facewitness.evaluation.score_store import ScoreStore
from facewitness.evaluation.scoring import FaceScorer, ScoringRule
from facewitness.evaluation.scoring_run import score_sources, scoring_settings
from facewitness.evaluation.sources import DataSource, plain_source
from facewitness.faces.finder import FaceFinder
from facewitness.records import Label
from measure import ROOT, machine


class Clocked:
    """Hands calls on and adds up their seconds."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner = inner
        self._name = name
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._timed(found) if name == self._name else found

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.perf_counter() - start

        return run


def example_sources(folder: Path, pictures: int, videos: int) -> list[DataSource]:
    """Copies of the examples, pictures and videos apart."""
    made = []
    for name, pattern, count in (("pictures", "*.jpg", pictures), ("videos", "*.mp4", videos)):
        (folder / name).mkdir()
        files = sorted((ROOT / "examples").glob(pattern))
        for i in range(count):
            source = files[i % len(files)]
            shutil.copy(source, folder / name / f"{i:04}{source.suffix}")
        made.append(plain_source(folder / name, sorted((folder / name).iterdir()), Label.REAL))
    return made


def row(source: DataSource, rule: ScoringRule, work: Path) -> str:
    """One line of the table: a run with a store, decoding alone, and a run that finds everything there."""
    detector = Clocked(DETECTORS.load(DEFAULT_DETECTOR)(), "score")
    finder = Clocked(FaceFinder(), "find")
    scorer = FaceScorer(detector, finder, rule, keep_evidence=True)  # type: ignore[arg-type]
    warm = DataSource(source.spec, source.root, source.records[:2])
    score_sources([warm], scorer)
    detector.seconds = finder.seconds = 0.0
    settings = scoring_settings(detector, rule, [source])  # type: ignore[arg-type]
    start = time.perf_counter()
    data = score_sources([source], scorer, store=ScoreStore(work, settings))
    whole = time.perf_counter() - start
    start = time.perf_counter()
    again = score_sources([source], scorer, store=ScoreStore(work, settings))
    resumed = time.perf_counter() - start
    start = time.perf_counter()
    for record in source.records:
        list(read_frames(source.root, record, frames=rule.frames))
    decoding = time.perf_counter() - start
    count = len(source.records)
    if again.taken_over != count:
        msg = f"{again.taken_over} of {count} records were found again"
        raise RuntimeError(msg)
    shares = [
        f"{1000 * part / count:.1f} ms" for part in (decoding, finder.seconds, detector.seconds, _features(source))
    ]
    frames = len(set(zip(data.table.video_id.tolist(), data.table.frame_index.tolist(), strict=True)))
    cells = [source.root.name, str(count), str(frames), f"{count / whole:.1f}", f"{frames / whole:.1f}", *shares]
    return "| " + " | ".join([*cells, f"{1000 * resumed / count:.2f} ms"]) + " |"


def _features(source: DataSource) -> float:
    """Seconds of the controls' features of as many crops as there are records."""
    record = source.records[0]
    scorer = FaceScorer(DETECTORS.load(DEFAULT_DETECTOR)(), FaceFinder(), ScoringRule(frames=1), keep_evidence=True)
    evidence = scorer.score_record(record, read_frames(source.root, record, frames=1)).evidence
    if evidence is None:
        return 0.0
    start = time.perf_counter()
    for _ in range(20):
        control_features(evidence)
    return (time.perf_counter() - start) / 20 * len(source.records)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--limit", type=int, default=200, help="most files of a folder")
    parser.add_argument("--frames", type=int, default=32, help="most frames of a video")
    asked = parser.parse_args()
    print(f"### facewitness evaluate, {DEFAULT_DETECTOR}, up to {asked.frames} frames\n\n{machine()}\n")
    heads = ["data", "files", "frames", "files/s", "frames/s", "decode", "find faces", "score", "controls", "resume"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sources = [
            plain_source(place, expand([str(place)])[0], Label.REAL, limit=asked.limit) for place in asked.folders
        ] or example_sources(folder, 60, 6)
        for i, source in enumerate(sources):
            print(row(source, ScoringRule(frames=asked.frames), folder / f"scores{i}"), flush=True)
    print("\nPer file: decode, find faces, score, controls, and taking over what an earlier run scored.")


if __name__ == "__main__":
    main()
