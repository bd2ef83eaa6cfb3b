"""`facewitness data` and `facewitness demo-data`."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from facewitness.cli.main import main
from facewitness.datasets import DATASETS, ffpp
from facewitness.datasets.demo_media import EmptyMaker


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "set"
    assert main(["demo-data", "ow_ffa_bench", str(out)]) == 0
    return out


def run_json(capsys, *arguments):
    capsys.readouterr()
    code = main(list(arguments))
    return code, json.loads(capsys.readouterr().out)


def test_list_and_show(capsys):
    code, rows = run_json(capsys, "data", "list", "--json")
    assert code == 0
    assert [row["name"] for row in rows] == DATASETS.names()
    assert main(["data", "list"]) == 0
    assert "ravdess" in capsys.readouterr().out
    for name in DATASETS.names():
        code, about = run_json(capsys, "data", "show", name, "--json")
        assert code == 0
        assert all(about[key] for key in ("title", "paper", "licence", "apply_at", "tree", "notes")), name
        assert main(["data", "show", name]) == 0
        shown = capsys.readouterr().out
        assert about["tree"].splitlines()[0] in shown
        assert max(map(len, shown.splitlines())) < 160, name
    assert main(["data", "show", "ravdes"]) == 1
    assert "Did you mean 'ravdess'?" in capsys.readouterr().err


def test_demo_says_that_it_is_synthetic_and_overwrites_nothing(demo, capsys):
    readme = (demo / "README_SYNTHETIC.txt").read_text(encoding="utf-8")
    assert readme.startswith("This is no data set.")
    assert "ow_ffa_bench --seed 0" in readme
    assert main(["demo-data", "ow_ffa_bench", str(demo)]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err


def test_another_seed_draws_others_in_the_same_layout(demo, tmp_path):
    def digests(folder):
        files = sorted(folder.rglob("*.png"))
        return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    assert main(["demo-data", "ow_ffa_bench", str(tmp_path / "b"), "--seed", "5"]) == 0
    first, other = digests(demo), digests(tmp_path / "b")
    assert first.keys() == other.keys()
    assert not set(first.values()) & set(other.values())


def test_check_of_a_sound_set(demo, capsys):
    code, said = run_json(capsys, "data", "check", f"ow_ffa_bench:{demo}", "--json")
    assert code == 0
    assert said == {
        "ok": True,
        "sets": [
            {
                "spec": f"ow_ffa_bench:{demo}",
                "records": 24,
                "real": 12,
                "fake": 12,
                "splits": {"test": 24},
                "missing": 0,
            }
        ],
        "findings": [],
    }


def test_check_names_what_is_wrong(demo, tmp_path, capsys):
    root = shutil.copytree(demo, tmp_path / "set")
    (root / "dfd" / "imgs" / "0.png").unlink()
    shutil.copy(root / "dpf" / "imgs" / "0.png", root / "dpf" / "imgs" / "1.png")
    (root / "pgc" / "imgs" / "3.png").write_bytes(b"broken")
    code, said = run_json(capsys, "data", "check", str(root), "--json")
    assert code == 1
    assert not said["ok"]
    found = {f["kind"]: f["paths"] for f in said["findings"]}
    assert found == {
        "missing": [str(root / "dfd/imgs/0.png")],
        "mislabelled": [str(root / "dpf/imgs/0.png"), str(root / "dpf/imgs/1.png")],
        "unreadable": [str(root / "pgc/imgs/3.png")],
    }
    assert main(["data", "check", str(root)]) == 1
    out, err = capsys.readouterr()
    assert f"taken as ow_ffa_bench:{root}" in err
    assert f"missing: {root / 'dfd/imgs/0.png'}" in out
    assert out.splitlines()[-1] == "3 findings"
    ignored = [part for kind in found for part in ("--ignore", kind)]
    assert main(["data", "check", str(root), *ignored]) == 0
    assert main(["data", "check", str(root), "--ignore", "odd"]) == 1
    assert "got odd" in capsys.readouterr().err


def test_sets_are_checked_against_each_other(demo, tmp_path, capsys):
    twin = shutil.copytree(demo, tmp_path / "twin")
    code, said = run_json(capsys, "data", "check", str(demo), str(twin), "--json")
    assert code == 1
    assert {f["kind"] for f in said["findings"]} == {"duplicate"}
    assert len(said["findings"]) == 24


def test_long_lists_are_cut_short(demo, tmp_path, capsys):
    twin = shutil.copytree(demo, tmp_path / "twin")
    assert main(["data", "check", str(demo), str(twin)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["duplicate: 4 more; --json names all", "24 findings"]


def test_index(demo, capsys):
    assert main(["data", "index", f"ow_ffa_bench:{demo}:test?parts=dfd", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["label"] for r in records] == [0, 1, 0, 1]
    assert main(["data", "index", f"ow_ffa_bench:{demo}"]) == 0
    shown = capsys.readouterr().out
    assert "24 records" in shown
    assert "12  test real" in shown
    assert main(["data", "index", f"ow_ffa_bench:{demo}?part=dfd"]) == 1
    assert "no option 'part'" in capsys.readouterr().err


def test_index_names_what_is_missing(tmp_path, capsys):
    ffpp.make_demo(tmp_path, EmptyMaker())
    (tmp_path / "original_sequences/youtube/c23/videos/953.mp4").unlink()
    for options in ([], ["--json"]):
        assert main(["data", "index", f"ffpp:{tmp_path}:test?compression=c23,raw", *options]) == 0
        shown, errors = capsys.readouterr()
        assert "its list names 6 files or folders that are not there" in errors
        assert "first original_sequences/youtube/raw/videos/" in errors
        assert "raw" not in "\n".join(shown.splitlines()[1:])
