"""One thread, a tiny data root, and its face cache."""

from __future__ import annotations

import cv2
import pytest

from facewitness.training.face_cache import build_cache, read_manifest
from unit.training.training_data import TINY, make_root


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Read-only: tests that change files make their own."""
    return make_root(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def caches(root, tmp_path_factory):
    """Folder of the caches; ``faces`` lies in it. Read-only."""
    folder = tmp_path_factory.mktemp("caches")
    build_cache(root / "faces", read_manifest(root / "faces", split="train"), folder / "faces")
    return folder


@pytest.fixture(scope="session")
def store(caches):
    pair_data = pytest.importorskip("facewitness.training.pair_data")
    return pair_data.FaceStore([caches / "faces"], TINY)
