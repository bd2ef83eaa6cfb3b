"""One thread, a small network, and its file."""

from __future__ import annotations

import cv2
import pytest

from unit.lite.lite_networks import SMALL, made


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture
def model():
    """In evaluation mode; a test may break it."""
    return made()


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The small network as ONNX, 64 px. Read-only."""
    packing = pytest.importorskip("facewitness.detectors.laa_net.lite.packing")
    path = tmp_path_factory.mktemp("networks") / "small.onnx"
    packing.export_lite(made(), path, SMALL.image_size)
    return path
