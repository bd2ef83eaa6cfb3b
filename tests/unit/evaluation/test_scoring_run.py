"""Whole data sets: sources, the store that survives a kill, reading ahead."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from facewitness.datasets.prepared import (
    INDEX_FILE,
    SETTINGS_FILE,
    Missing,
    PreparedFrame,
    PreparedVideo,
    fingerprint_of,
    open_prepared,
    save_prepared,
)
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError, UnknownNameError
from facewitness.evaluation.score_store import RECORDS_FILE, ScoreStore
from facewitness.evaluation.scoring import FaceScorer, ScoringRule
from facewitness.evaluation.scoring_run import ReadAhead, score_sources, scoring_settings
from facewitness.evaluation.sources import list_hash, open_source, plain_source, told_apart
from facewitness.records import Label
from unit.house.house_paths import ROOT
from unit.pipeline.pipeline_fakes import BrightnessDetector, SquareFinder, save_picture


@pytest.fixture
def folders(tmp_path):
    """Forty dark reals and forty bright fakes, a cut-off file and one without a face among them."""
    for name, grey in (("real", 20), ("fake", 180)):
        (tmp_path / "data" / name / "swap").mkdir(parents=True)
        for i in range(38):
            save_picture(tmp_path / "data" / name / "swap" / f"{i:02}.png", (60, 40, 80, grey + i))
        save_picture(tmp_path / "data" / name / "swap" / "nobody.png")
        (tmp_path / "data" / name / "swap" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    return tmp_path / "data"


def sources_in(folder, limit=None):
    made = []
    for label in Label:
        place = folder / label.name.lower()
        made.append(plain_source(place, sorted(f for f in place.rglob("*.png")), label, limit=limit))
    return told_apart(made)


def scorer(detector=None):
    return FaceScorer(detector or BrightnessDetector(), SquareFinder(), keep_evidence=True)


def store_in(folder, sources, **changed):
    return ScoreStore(folder, {**scoring_settings(BrightnessDetector(), ScoringRule(), sources), **changed})


def test_a_set_becomes_one_table(folders):
    seen = []
    data = score_sources(sources_in(folders), scorer(), on_record=lambda record: seen.append(record.video_id))
    assert len(data.table) == len(seen) == len(set(seen)) == 80
    assert data.table.scored.sum() == 76
    assert len(data.features) == 76
    assert set(data.table.manipulation[data.table.label == 1].tolist()) == {"swap"}
    reasons = sorted(data.table.not_scored[~data.table.scored].tolist())
    assert [reason.split(":")[0] for reason in reasons] == ["cannot be read"] * 2 + ["no face"] * 2


KILLED = """
import os, sys
from pathlib import Path
from unit.evaluation.test_scoring_run import scorer, sources_in, store_in
from unit.pipeline.pipeline_fakes import BrightnessDetector

class Killed(BrightnessDetector):
    def score(self, crops):
        if len(self.batches) == 1:
            os._exit(9)
        return super().score(crops)

from facewitness.evaluation.scoring_run import score_sources
sources = sources_in(Path(sys.argv[1]))
score_sources(sources, scorer(Killed()), store=store_in(Path(sys.argv[2]), sources))
"""


def test_a_killed_run_goes_on_and_gives_the_same_table(folders, tmp_path):
    out = tmp_path / "scores"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folders), str(out)], env={"PYTHONPATH": str(ROOT / "tests")}, check=False
    )
    assert done.returncode == 9
    kept = (out / RECORDS_FILE).read_text().splitlines()
    assert 30 <= len(kept) < 80
    with (out / RECORDS_FILE).open("a") as stream:  # what a kill in the middle of a line leaves
        stream.write(kept[-1][: len(kept[-1]) // 2])
    sources, detector = sources_in(folders), BrightnessDetector()
    again = score_sources(sources, scorer(detector), store=store_in(out, sources))
    assert again.taken_over == len(kept)
    assert sum(detector.batches) < 76
    straight = score_sources(sources, scorer())
    assert repr(again.table.rows()) == repr(straight.table.rows())
    assert again.features == straight.features
    third = score_sources(sources, scorer(detector), store=store_in(out, sources))
    assert third.taken_over == 80


def test_a_file_that_changed_is_scored_again(folders, tmp_path):
    sources = sources_in(folders)
    score_sources(sources, scorer(), store=store_in(tmp_path / "s", sources))
    save_picture(folders / "real" / "swap" / "nobody.png", (60, 40, 80, 33))
    again = score_sources(sources, scorer(), store=store_in(tmp_path / "s", sources))
    assert again.taken_over == 79
    assert round(float(again.table.score[again.table.path == "swap/nobody.png"][0]) * 255) == 33


@pytest.mark.parametrize("changed", [{"frames": 8}, {"weights_sha256": "1" * 64}, {"data": ["other"]}])
def test_other_settings_are_refused(folders, tmp_path, changed):
    sources = sources_in(folders, limit=2)
    store_in(tmp_path, sources)
    with pytest.raises(ConfigError, match=f"holds scores with {next(iter(changed))} = .*give another --out"):
        store_in(tmp_path, sources, **changed)
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        store_in(tmp_path, sources)


def test_lines_that_are_no_records_are_dropped(folders, tmp_path):
    sources = sources_in(folders, limit=3)
    score_sources(sources, scorer(), store=store_in(tmp_path, sources))
    file = tmp_path / RECORDS_FILE
    lines = file.read_text().splitlines()
    broken = ["{}", '{"key": "a", "rows": [[1]], "features": null}', "\x00\x00", *lines[1:]]
    file.write_text("\n".join(broken) + "\n")
    assert len(store_in(tmp_path, sources)) == 5
    assert len(file.read_text().splitlines()) == 5


def test_limit_is_spread_evenly_and_a_larger_one_goes_on(folders, tmp_path):
    few = sources_in(folders, limit=4)
    assert [[r.path for r in s.records] for s in few] == [[f"swap/{i:02}.png" for i in (5, 15, 25, 35)]] * 2
    score_sources(few, scorer(), store=store_in(tmp_path, few))
    more = sources_in(folders, limit=40)
    assert score_sources(more, scorer(), store=store_in(tmp_path, more)).taken_over == 8


def test_list_hash_does_not_depend_on_order_but_on_labels(folders):
    (real, fake) = sources_in(folders)
    turned = replace(real, records=real.records[::-1])
    assert real.list_sha256 == turned.list_sha256 != fake.list_sha256
    assert list_hash([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_data_set_specs(folders):
    source = open_source(f"folder:{folders}")
    assert (len(source.records), source.fingerprint) == (80, "")
    with pytest.raises(UnknownNameError, match="no data set is called"):
        open_source("nothing:here")
    with pytest.raises(ConfigError, match="no pictures or videos"):
        plain_source(folders, [], Label.REAL)


def test_same_set_twice_is_told_apart(folders, tmp_path):
    for name in ("real", "fake"):
        (tmp_path / "more" / name).mkdir(parents=True)
        save_picture(tmp_path / "more" / name / "x.png", (60, 40, 80, 20))
    one, two = open_source(f"folder:{folders}"), open_source(f"folder:{tmp_path / 'more'}")
    assert {r.dataset for s in told_apart([one, two]) for r in s.records} == {"folder"}  # no id is shared
    save_picture(tmp_path / "more" / "real" / "x.png")
    save_picture(folders / "real" / "x.png")
    one, two = open_source(f"folder:{folders}"), open_source(f"folder:{tmp_path / 'more'}")
    titles = [{r.dataset for r in s.records} for s in told_apart([one, two])]
    assert titles[0] != titles[1]
    assert score_sources(told_apart([one, two]), scorer()).table.dataset[0] == next(iter(titles[0]))
    with pytest.raises(ConfigError, match="given twice"):
        told_apart([one, one])


def test_prepared_data(tmp_path):
    save_picture(tmp_path / "crop.png", (10, 10, 60, 90))
    frame = PreparedFrame(4, 0.2, (10.0, 10.0, 69.0, 69.0), (0, 0, 320, 240), crop="crop.png")
    videos = [
        PreparedVideo(Record(f"{i}.mp4", f"v{i}", Label(i % 2), "made", split=split), (frame,))
        for i, split in enumerate(("train", "test", "test"))
    ]
    settings = {"steps": ["crops"]}
    head = {"format": 1, "fingerprint": fingerprint_of(settings), "settings": settings, "dataset": "made"}
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(head))
    (tmp_path / INDEX_FILE).write_text("".join(v.to_json() + "\n" for v in videos))
    source = open_source(f"prepared:{tmp_path}:test")
    assert [r.video_id for r in source.records] == ["v1", "v2"]
    assert source.fingerprint == fingerprint_of(settings)
    assert source.missing == Missing()  # an older folder, which does not say
    save_prepared(replace(open_prepared(tmp_path), missing={"test": Missing.of(["x.mp4"] * 12), "val": Missing(1)}))
    counts = [open_source(f"prepared:{tmp_path}{split}").missing.count for split in ("", ":test", ":train")]
    assert counts == [13, 12, 0]
    assert open_source(f"prepared:{tmp_path}:test").missing.first == ("x.mp4",) * 10
    assert scoring_settings(BrightnessDetector(), ScoringRule(), [source])["prepared"] == [source.fingerprint]
    data = score_sources([source], scorer())
    assert data.table.scored.all()
    assert data.table.frame_index.tolist() == [4, 4]
    assert all(f.file is None for f in data.features.values())


def test_read_ahead_ends_for_good_and_passes_errors_on():
    ahead = ReadAhead(iter([(0, None), (1, None)]))
    assert list(ahead) == [(0, None), (1, None)]
    assert next(ahead, "end") == "end"
    ahead.close()

    def failing():
        yield 0, None
        msg = "no h5py"
        raise ConfigError(msg)

    ahead = ReadAhead(failing())
    assert next(ahead) == (0, None)
    with pytest.raises(ConfigError, match="no h5py"):
        next(ahead)
    assert next(ahead, "end") == "end"
    ahead.close()


def test_read_ahead_stops_its_thread_when_nobody_wants_more():
    before = threading.active_count()
    ahead = ReadAhead(((i, None) for i in iter(int, 1)), depth=2)
    assert next(ahead) == (0, None)
    ahead.close()
    assert threading.active_count() == before


def test_scores_do_not_depend_on_what_else_is_scored(folders):
    sources = sources_in(folders)
    whole = score_sources(sources, scorer()).table
    alone = score_sources([replace(sources[0], records=sources[0].records[3:4])], scorer()).table
    assert np.array_equal(whole.score[whole.video_id == alone.video_id[0]], alone.score)
