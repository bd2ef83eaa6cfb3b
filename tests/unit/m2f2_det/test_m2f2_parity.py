"""The stored outputs of the authors' code, reproduced; and proof that the comparison can fail."""

import json
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
from parity_cases import m2f2_det, m2f2_det_nets
from parity_cases.comparing import Case, read_case, read_cases


@pytest.mark.parametrize("name", ["stage1_reduced", "llava_detector_reduced", "parts"])
def test_outputs_match_the_authors(name):
    results = parity.run("m2f2_det", GOLDEN, name)
    assert {r.name for r in results} == set(read_case(GOLDEN, name).arrays)
    assert [r for r in results if not r.passed] == []


def test_a_wrong_weight_fails():
    case = read_case(GOLDEN, "llava_detector_reduced")
    state = dict(case.meta["state_dict"])
    renamed = "clip_text_encoder.prompt_tokens"
    meta = {**case.meta, "inputs": {"x": {**case.meta["inputs"]["x"], "seed": 99}}}
    assert renamed in state
    assert not all(r.passed for r in m2f2_det_nets.run_case(Case(case.name, meta, case.arrays)))


def test_every_kind_of_case_has_a_runner():
    for name in ("stage1_full", "llava_detector_reduced", "parts", "llava_tiny", "llava_7b_manifest", "metrics"):
        assert any(__import__("re").fullmatch(pattern, name) for pattern, _ in m2f2_det.RUNNERS)
    with pytest.raises(LookupError, match="'other'"):
        m2f2_det.run_case(Case("other", {}, {}))


def test_cases_come_from_a_table_by_name(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"b": {}, "a": {"dir": "a"}}))
    (tmp_path / "a").mkdir()
    (tmp_path / "b.json").write_text("{}")
    assert read_cases(tmp_path) == ["b", "a"]
    assert read_case(tmp_path, "a").path == tmp_path / "a"
    assert not read_case(tmp_path, "b").arrays
