"""`analyze` on a 10 s 720p clip, 32 frames: a fresh process, and a loaded `Analyzer`.

Run: python benchmarks/clip.py [--image FILE] [--repeats N]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from facewitness.pipeline import Analyzer
from make_clip import make_clip
from measure import example_portrait, facewitness, print_table, repeat, spread


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=None, help="portrait to make the clip from; default: examples/")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        clip = make_clip(arguments.image or example_portrait(), Path(folder) / "clip.mp4")
        cold = [facewitness("analyze", str(clip), "--frames", "32") for _ in range(max(3, arguments.repeats // 2))]
        analyzer = Analyzer()
        report = analyzer.analyze(clip)
        warm = repeat(lambda: analyzer.analyze(clip), arguments.repeats)
        parts = ", ".join(f"{name} {value:.2f}" for name, value in analyzer.analyze(clip).timings_s.items())
    scored = sum(seen.score is not None for face in report.faces for seen in face.observations)
    print_table(
        f"analyze, 10 s 720p clip, 32 frames ({scored} faces scored in {len(report.faces)} track)",
        [
            ("cold: process start to exit", spread([c.wall_s for c in cold]), "< 3 s"),
            ("warm: loaded Analyzer", spread(warm), "< 3 s"),
            ("of which (one run, s)", parts, ""),
            ("peak resident memory", f"{max(c.peak_mb for c in cold):.0f} MB", "< 700 MB"),
        ],
    )


if __name__ == "__main__":
    main()
