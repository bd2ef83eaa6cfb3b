"""The stored outputs of the authors' code, reproduced; and proof that the comparison can fail."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "laa_net"
if str(ROOT / "tools") not in sys.path:
    sys.path.insert(0, str(ROOT / "tools"))

import parity
from parity_cases import laa_net_functions, laa_net_nets, recipes
from parity_cases.comparing import ArrayResult, Tolerance, compare, read_case, read_cases

NETWORKS = [name for name in read_cases(GOLDEN) if name != "pure"]


@pytest.fixture(scope="module")
def gain_case():
    return read_case(GOLDEN, "efn4_fpn_sbi_adv_gain")


@pytest.mark.parametrize("name", NETWORKS)
def test_network_matches_the_authors(name):
    results = parity.run("laa_net", GOLDEN, name)
    assert {r.name for r in results} == set(read_case(GOLDEN, name).arrays)
    assert [r for r in results if not r.passed] == []


def test_pure_functions_match_the_authors():
    case = read_case(GOLDEN, "pure")
    results = parity.run("laa_net", GOLDEN, "pure")
    assert [r for r in results if not r.passed] == []
    assert {r.name for r in results} == set(case.arrays)
    assert len(results) == 108


@pytest.mark.parametrize("group", sorted(laa_net_functions.GROUPS))
def test_group_matches_the_authors(group):
    case = read_case(GOLDEN, "pure")
    found = laa_net_functions.GROUPS[group](case, 0)
    exact = Tolerance()
    results = [
        compare(name, value, case.arrays[name], laa_net_functions.TOLERANCES.get(name, exact))
        for name, value in found.items()
    ]
    assert [r for r in results if not r.passed] == []


def test_perturbed_weight_fails(gain_case):
    model, _ = laa_net_nets.build(gain_case.meta)
    with torch.no_grad():
        model.backbone.stem_conv.weight[0, 0, 0, 0] += 0.05
    x = laa_net_nets.recipe_input(gain_case.meta["input"])
    heatmap = laa_net_nets.network_outputs(model, x, set())["hm"].numpy()
    assert not compare("hm", heatmap, gain_case.arrays["hm"], laa_net_nets.NETWORK).passed


def test_padding_for_the_real_size_fails(gain_case):
    """The authors' network pads for 380 px; with the paddings of 384 px the heatmap is another."""
    model, _ = laa_net_nets.build(gain_case.meta)
    other = type(model)(dataclasses.replace(model.config, nominal_size=None)).eval()
    other.load_state_dict(model.state_dict())
    x = laa_net_nets.recipe_input(gain_case.meta["input"])[:1]
    heatmap = laa_net_nets.network_outputs(other, x, set())["hm"].numpy()
    reference = gain_case.arrays["hm"][:1]
    result = compare("hm", heatmap, reference, laa_net_nets.NETWORK)
    assert not result.passed
    assert result.relative > 0.1


def test_array_that_nobody_computes_fails(tmp_path):
    meta = json.loads((GOLDEN / "pure.json").read_text(encoding="utf-8"))
    with np.load(GOLDEN / "pure.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    (tmp_path / "pure.json").write_text(json.dumps(meta), encoding="utf-8")
    np.savez(tmp_path / "pure.npz", **arrays, never_heard_of=np.zeros(3))
    results = {r.name: r for r in parity.run("laa_net", tmp_path, "pure")}
    assert results["never_heard_of"] == ArrayResult("never_heard_of", passed=False, note="not reproduced")


def test_program_prints_a_line_per_case_and_its_exit_code(tmp_path, capsys):
    for suffix in (".json", ".npz"):
        (tmp_path / f"xception_sbi{suffix}").write_bytes((GOLDEN / f"xception_sbi{suffix}").read_bytes())
    assert parity.main(["laa_net", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PASS  xception_sbi")
    assert "1 of 1 cases pass" in out
    with np.load(GOLDEN / "xception_sbi.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["hm"] = arrays["hm"] * 1.001
    np.savez(tmp_path / "xception_sbi.npz", **arrays)
    assert parity.main(["laa_net", str(tmp_path)]) == 1
    assert "FAIL hm" in capsys.readouterr().out


def test_broken_case_is_a_fail_and_not_a_crash(tmp_path, capsys):
    (tmp_path / "broken.json").write_text('{"state_dict": {}, "input": "nothing"}', encoding="utf-8")
    np.savez(tmp_path / "broken.npz", hm=np.zeros(2))
    assert parity.main(["laa_net", str(tmp_path)]) == 1
    assert "input recipe not understood" in capsys.readouterr().out


def test_other_seeds_and_overrides_are_read_from_the_words():
    x = laa_net_nets.recipe_input("x = numpy.random.default_rng(17).standard_normal((1, 3, 8, 6)).astype(float32)")
    np.testing.assert_array_equal(x, recipes.normal_input(17, (1, 3, 8, 6)))
    values = {"use_c2": False, "heads": {"hm": 1, "cls": 1}, "MODEL": {"EXTRA": {"a": 1, "b": 2}}}
    merged = laa_net_nets.merged(values, {"use_c2": True, "heads.cstency": 64, "MODEL": {"EXTRA": {"a": 3}}})
    assert merged == {
        "use_c2": True,
        "heads": {"hm": 1, "cls": 1, "cstency": 64},
        "MODEL": {"EXTRA": {"a": 3, "b": 2}},
    }


@pytest.mark.parametrize(
    ("difference", "passed"), [(0.0, True), (1e-3, False), (np.nan, False)], ids=["same", "far", "nan"]
)
def test_compare(difference, passed):
    reference = np.ones((4, 4))
    found = reference.copy()
    found[1, 2] += difference
    assert compare("x", found, reference, Tolerance(relative=1e-4)).passed is passed


def test_compare_refuses_other_shapes():
    assert not compare("x", np.zeros(3), np.zeros(4), Tolerance(absolute=1)).passed
