"""Celeb-DF-v1: 408 real and 795 forged videos of celebrities, the smaller first version.

Citation: Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020.
Licence: on request, non-commercial research.
"""

from __future__ import annotations

from pathlib import Path

from facewitness.datasets.celeb_df import NOTES, SPLITS, TREE, demo_celeb_df, list_celeb_df, looks_like_celeb_df
from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import Listing, index_of
from facewitness.datasets.records import DatasetInfo

INFO = DatasetInfo(
    title="Celeb-DF-v1",
    paper="Li et al., Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR 2020",
    licence="Celeb-DF terms of use: non-commercial research, no redistribution",
    apply_at="https://github.com/yuezunli/celeb-deepfakeforensics (form)",
    tree=TREE,
    splits=SPLITS,
    notes="408 real and 795 forged videos. " + NOTES,
)


def listing(root: Path, split: str | None = None, *, media: str = "") -> Listing:
    """List the videos of the test list as test, all others as train.

    Args:
        root: Folder with ``Celeb-real``, ``YouTube-real``, ``Celeb-synthesis`` and the test list.
        split: ``train``, ``test``; None takes both.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If the list is missing or damaged, or nothing of it is there.
    """
    return list_celeb_df(root, split, media, INFO.title)


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether the test list and the folder of fakes are there; v1 and v2 look the same."""
    return looks_like_celeb_df(root)


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy."""
    demo_celeb_df(root, maker)
