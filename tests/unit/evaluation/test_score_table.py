"""Score tables: types, checks, and files that come back as they were."""

import builtins

import numpy as np
import pytest

from facewitness.errors import ConfigError, MissingExtraError
from facewitness.evaluation.score_table import COLUMNS, ScoreTable

NAN = float("nan")
ROWS = [
    {"video_id": "r/0", "label": 0, "score": 0.1, "logit": -2.2, "path": "a/b/000/0001.png", "frame_index": 3},
    {"video_id": "f/0", "label": 1, "score": None, "not_scored": "no face", "path": "a/b/000_003.mp4"},
    {"video_id": 'f/1, "x"\nü', "label": 1, "score": 0.1 + 0.2, "score_flipped": 0.25, "path": "s.h5#grp/001"},
]


def same(one, other):
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype.kind == getattr(other, name).dtype.kind


def test_rows_and_columns():
    table = ScoreTable.from_rows(ROWS)
    assert len(table) == 3
    assert table.scored.tolist() == [True, False, True]
    assert table.folder.tolist() == ["000", "000_003", "001"]
    assert table.frame_index.tolist() == [3, 0, 0]
    same(ScoreTable.from_rows(table.rows()), table)
    same(table.select(np.array([True, False, True])), table.select(np.array([0, 2])))
    same(ScoreTable.concat([table.select(np.array([0])), table.select(np.array([1, 2]))]), table)
    with pytest.raises(ValueError, match="read-only"):
        table.score[0] = 1.0


def test_the_callers_array_stays_writable():
    scores = np.array([0.1, 0.9])
    ScoreTable.from_columns({"video_id": ["a", "b"], "label": [0, 1], "score": scores})
    scores[0] = 0.5


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("which", [[0, 1, 2], []], ids=["rows", "empty"])
def test_files_come_back(tmp_path, suffix, which):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    table = ScoreTable.from_rows(ROWS).select(np.array(which, dtype=int))
    path = tmp_path / "new" / f"scores{suffix}"
    table.write(path)
    same(ScoreTable.read(path), table)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_foreign_csv_with_three_columns(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("label,score,video_id\n1,0.5,a\n0,,b\n")
    with pytest.raises(ConfigError, match="reason"):
        ScoreTable.read(path)
    path.write_text("label,score,video_id\n1,0.5,a\n0,0.25,b\n")
    assert ScoreTable.read(path).score.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"label": 2}, "label"),
        ({"label": 0.5}, "whole"),
        ({"label": None}, "label"),
        ({"score": float("inf")}, "infinite"),
        ({"score": "high"}, "score"),
        ({"score": NAN}, "reason"),
        ({"not_scored": "no face"}, "reason"),
        ({"video_id": ""}, "video_id"),
        ({"videoid": "x"}, "unknown"),
    ],
)
def test_bad_rows_are_refused(change, word):
    with pytest.raises(ConfigError, match=word):
        ScoreTable.from_rows([ROWS[0] | change])


def test_bad_columns_and_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="one length"):
        ScoreTable.from_columns({"video_id": ["a"], "label": [0, 1], "score": [0.1, 0.2]})
    with pytest.raises(ConfigError, match="missing"):
        ScoreTable.from_columns({"video_id": ["a"]})
    with pytest.raises(ConfigError, match="no score table"):
        ScoreTable.concat([])
    with pytest.raises(ConfigError, match="xlsx"):
        ScoreTable.read(tmp_path / "scores.xlsx")
    with pytest.raises(ConfigError, match="no score table"):
        ScoreTable.read(tmp_path / "missing.csv")
    pytest.importorskip("pyarrow")
    (tmp_path / "bad.parquet").write_text("text")
    with pytest.raises(ConfigError, match="no score table"):
        ScoreTable.read(tmp_path / "bad.parquet")


def test_without_pyarrow_the_command_is_named(tmp_path, monkeypatch):
    real_import = builtins.__import__

    def no_arrow(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_arrow)
    table = ScoreTable.from_rows(ROWS)
    with pytest.raises(MissingExtraError, match=r"pip install 'facewitness\[eval\]'"):
        table.write(tmp_path / "s.parquet")
    table.write(tmp_path / "s.csv")
