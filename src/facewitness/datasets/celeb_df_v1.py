"""Celeb-DF-v1: 408 real and 795 forged videos of celebrities, the smaller first version.

Citation: Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020.
Licence: on request, non-commercial research. Lists, labels and folder tree are in `celeb_df`.
"""

from __future__ import annotations

from facewitness.datasets.celeb_df import info_of, lister, looks_like, make_demo
from facewitness.datasets.listing import index_of

__all__ = ["INFO", "index", "listing", "looks_like", "make_demo"]

INFO = info_of("v1", "408 real and 795 forged videos")
listing = lister(INFO.title)
index = index_of(listing)
