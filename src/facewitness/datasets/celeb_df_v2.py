"""Celeb-DF-v2: 590 videos of celebrities, 300 of other people and 5,639 face swaps.

Citation: Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020.
Licence: on request, non-commercial research. Lists, labels and folder tree are in `celeb_df`.
"""

from __future__ import annotations

from facewitness.datasets.celeb_df import info_of, lister, looks_like, make_demo
from facewitness.datasets.listing import index_of

__all__ = ["INFO", "index", "listing", "looks_like", "make_demo"]

INFO = info_of("v2", "590 celebrity and 300 other real videos, 5,639 forged ones; 518 are for testing")
listing = lister(INFO.title)
index = index_of(listing)
