"""Files of results: JSON Lines that can be broken off and taken up again; pages that are whole or not there."""

from __future__ import annotations

import json

import pytest

from facewitness.errors import ConfigError
from facewitness.reports.files import write_atomically
from facewitness.reports.jsonl import JsonLinesWriter, read_json_lines
from made_reports import made_report


def write_lines(path, *names, resume=False):
    with JsonLinesWriter(path, resume=resume) as writer:
        for name in names:
            writer.write(made_report(path=name))


def names_in(path):
    return [record["media"]["path"] for record in read_json_lines(path)]


def test_lines_are_the_reports(tmp_path):
    path = tmp_path / "r.jsonl"
    write_lines(path, "a.jpg", "Ö\u2028b.jpg")
    assert list(read_json_lines(path)) == [made_report(path=n).to_dict() for n in ("a.jpg", "Ö\u2028b.jpg")]


@pytest.mark.parametrize("cut", [1, 5, 400])
def test_resume_after_a_torn_line(tmp_path, cut):
    path = tmp_path / "r.jsonl"
    write_lines(path, "a.jpg", "b.jpg", "c.jpg")
    path.write_bytes(path.read_bytes()[:-cut])
    assert names_in(path) == ["a.jpg", "b.jpg"]
    write_lines(path, "d.jpg", resume=True)
    assert names_in(path) == ["a.jpg", "b.jpg", "d.jpg"]
    assert path.read_bytes().count(b"\n") == 3


def test_resume_when_the_only_line_is_torn_and_long(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"{" + b" " * (3 << 20))
    write_lines(path, "a.jpg", resume=True)
    assert names_in(path) == ["a.jpg"]


def test_without_resume_the_file_starts_empty(tmp_path):
    path = tmp_path / "r.jsonl"
    write_lines(path, "a.jpg")
    write_lines(path, "b.jpg")
    assert names_in(path) == ["b.jpg"]
    write_lines(tmp_path / "new.jsonl", "c.jpg", resume=True)
    assert names_in(tmp_path / "new.jsonl") == ["c.jpg"]


def test_each_line_is_there_when_write_returns(tmp_path):
    path = tmp_path / "r.jsonl"
    with JsonLinesWriter(path, sync=False) as writer:
        writer.write(made_report())
        assert path.read_bytes().endswith(b"}\n")
        writer.close()
        writer.close()


def test_undecodable_names_survive(tmp_path):
    path = tmp_path / "r.jsonl"
    write_lines(path, "bad\udcff.jpg")
    assert names_in(path) == ["bad\udcff.jpg"]


@pytest.mark.parametrize(
    ("line", "words"), [(b"{broken\n", "line 2: not JSON"), (b"[1]\n", "line 2: expected a JSON object")]
)
def test_damaged_lines_are_named(tmp_path, line, words):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"{}\n" + line + b"{}\n")
    with pytest.raises(ConfigError, match=words):
        list(read_json_lines(path))


def test_unusable_places_are_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        JsonLinesWriter(tmp_path / "none" / "r.jsonl")
    with pytest.raises(ConfigError, match="cannot read"):
        list(read_json_lines(tmp_path / "none.jsonl"))
    file = tmp_path / "file"
    file.write_text("")
    for path in (tmp_path / "none" / "p.html", file / "p.html"):
        with pytest.raises(ConfigError, match="cannot write"):
            write_atomically(path, ["text"])


def test_a_page_replaces_the_old_one_when_it_is_whole(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def pieces():
        yield "new "
        assert path.read_text() == "old"
        yield "page \udcff ü\n"

    write_atomically(path, pieces())
    assert path.read_bytes() == "new page ? ü\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_failure_half_way_leaves_the_old_page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def pieces():
        yield "half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, pieces())
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_long_names_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 120 + ".html")
    write_atomically(path, ["x"])
    assert path.read_text() == "x"


def test_json_of_a_gap_is_null(tmp_path):
    from made_reports import made_face

    path = tmp_path / "r.jsonl"
    with JsonLinesWriter(path) as writer:
        writer.write(made_report(faces=[made_face(frames=4, gap=(1,))], kind="video"))
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["faces"][0]["findings"][0]["timeline"]["scores"][1] is None
