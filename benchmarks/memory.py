"""Peak resident memory of `facewitness` at different work, each in a fresh process.

Run: python benchmarks/memory.py [--image FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from facewitness.jpeg import encode_jpeg
from facewitness.media.images import read_image
from make_clip import make_clip
from measure import example_portrait, facewitness, print_table


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=None, help="portrait; default: examples/")
    image = parser.parse_args().image or example_portrait()
    with TemporaryDirectory() as name:
        folder = Path(name)
        clip = str(make_clip(image, folder / "clip.mp4"))
        large = cv2.resize(read_image(image).pixels, (4000, 3000), interpolation=cv2.INTER_CUBIC)
        big = folder / "twelve_megapixels.jpg"
        big.write_bytes(encode_jpeg(large, 90))
        page = str(folder / "report.html")
        many = [str(image), str(big)]
        runs = {
            "--help": ("--help",),
            "one picture": ("analyze", str(image)),
            "one picture of 12 megapixels": ("analyze", str(big)),
            "clip, 32 frames": ("analyze", clip),
            "clip, every frame (300)": ("analyze", clip, "--frames", "300"),
            "pictures and clip with --html": ("analyze", *many, clip, "--html", page),
        }
        rows = [(what, f"{facewitness(*run).peak_mb:.0f} MB", "< 700 MB") for what, run in runs.items()]
    print_table("peak resident memory", rows)


if __name__ == "__main__":
    main()
