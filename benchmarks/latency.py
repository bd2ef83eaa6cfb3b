"""Latency of `analyze` on one picture: a fresh process, and a loaded `Analyzer`.

Run: python benchmarks/latency.py [--image FILE] [--repeats N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from facewitness.pipeline import AnalyzeOptions, Analyzer
from measure import example_portrait, facewitness, print_table, repeat, spread


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=None, help="picture with one face; default: examples/")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    image = arguments.image or example_portrait()

    facewitness("analyze", str(image))  # fills the file cache
    cold = [facewitness("analyze", str(image)) for _ in range(max(3, arguments.repeats // 4))]
    rows = [
        (
            "cold: `facewitness analyze` on one picture, process start to exit",
            spread([c.wall_s for c in cold]),
            "< 2 s",
        ),
        ("peak resident memory of that process", f"{max(c.peak_mb for c in cold):.0f} MB", "< 700 MB"),
    ]
    for title, explain in (("with stability check and explanation", True), ("--no-explain", False)):
        analyzer = Analyzer(options=AnalyzeOptions(explain=explain))
        report = analyzer.analyze(image)
        faces = max(1, len(report.faces))
        seconds = repeat(lambda a=analyzer: a.analyze(image), arguments.repeats, warm_up=3)
        rows.append((f"warm, per face, {title}", spread([s / faces for s in seconds], 1e3, "ms"), "< 60 ms"))
        parts = ", ".join(f"{name} {value * 1e3:.1f}" for name, value in analyzer.analyze(image).timings_s.items())
        rows.append((f"of which (one run, ms), {title}", parts, ""))
    size = f"{report.media.width}x{report.media.height}"
    print_table(f"analyze, one picture ({size}, {len(report.faces)} face)", rows)


if __name__ == "__main__":
    main()
