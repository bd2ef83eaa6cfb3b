"""The stored outputs of the authors' code, reproduced; and proof that the comparison can fail."""

import json
import re
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "m2f2_det"
if str(ROOT / "tools") not in sys.path:
    sys.path.insert(0, str(ROOT / "tools"))

import parity
from parity_cases import m2f2_det, m2f2_det_parts
from parity_cases.comparing import Case, read_case, read_cases


@pytest.mark.parametrize("name", ["stage1_reduced", "llava_detector_reduced", "parts"])
def test_outputs_match_the_authors(name):
    results = parity.run("m2f2_det", GOLDEN, name)
    assert {r.name for r in results} == set(read_case(GOLDEN, name).arrays)
    assert [r for r in results if not r.passed] == []


def test_another_input_fails():
    case = read_case(GOLDEN, "parts")
    name = "gaussian_c3_k3_s2"
    module = case.meta["modules"][name]
    moved = {**module, "inputs": [{**module["inputs"][0], "seed": 99}]}
    meta = {**case.meta, "modules": {**case.meta["modules"], name: moved}}
    (found,) = m2f2_det_parts.run_case(Case("parts", meta, {name: case.arrays[name]}))
    assert not found.passed


def test_every_kind_of_case_has_a_runner():
    for name in ("stage1_full", "llava_detector_reduced", "parts", "llava_tiny", "llava_7b_manifest", "metrics"):
        assert any(re.fullmatch(pattern, name) for pattern, _ in m2f2_det.RUNNERS)
    with pytest.raises(LookupError, match="'other'"):
        m2f2_det.run_case(Case("other", {}, {}))


def test_cases_come_from_a_table_by_name(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"b": {}, "a": {"dir": "a"}}))
    (tmp_path / "a").mkdir()
    (tmp_path / "b.json").write_text("{}")
    assert read_cases(tmp_path) == ["b", "a"]
    assert read_case(tmp_path, "a").path == tmp_path / "a"
    assert not read_case(tmp_path, "b").arrays
