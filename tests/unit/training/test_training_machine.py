"""Where training computes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from facewitness.training.machine import widest_float


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float64"), ("cuda:0", "float64"), ("mps", "float32")])
def test_sums_are_kept_in_the_widest_type_that_a_device_has(device, dtype):
    assert widest_float(torch.device(device)) is getattr(torch, dtype)
