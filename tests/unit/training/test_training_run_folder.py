"""What the folder of a run remembers, and how a full disk is said."""

from __future__ import annotations

import pytest
from safetensors import SafetensorError

from facewitness.errors import ConfigError
from facewitness.training.run_folder import keep_settings, writing


def test_a_run_that_came_to_nothing_may_be_begun_anew(tmp_path):
    keep_settings(tmp_path, "run.json", {"rate": 1})
    (tmp_path / "curves").mkdir()
    keep_settings(tmp_path, "run.json", {"rate": 2})
    assert '"rate": 2' in (tmp_path / "run.json").read_text()
    (tmp_path / "curve.jsonl").write_text("{}\n")
    keep_settings(tmp_path, "run.json", {"rate": 2})
    with pytest.raises(ConfigError, match="another recipe"):
        keep_settings(tmp_path, "run.json", {"rate": 3})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        keep_settings(tmp_path, "run.json", {"rate": 3})


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
    ],
)
def test_full_disk_is_one_named_error(tmp_path, error):
    with pytest.raises(ConfigError, match="make room and run the same command again"), writing(tmp_path / "a"):
        raise error


def test_other_errors_stay_what_they_are(tmp_path):
    error = RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="shapes"), writing(tmp_path / "a"):
        raise error
