"""Robustness: changes come before face detection, nothing is done twice, and the numbers are those counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facewitness.datasets.records import Record
from facewitness.errors import ConfigError
from facewitness.evaluation.robustness import CLEAN, Condition, RobustnessRun, conditions
from facewitness.evaluation.robustness_results import robustness_result
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.scoring import ScoringRule
from facewitness.evaluation.sources import DataSource
from facewitness.media.perturbations import PERTURBATIONS, perturbations
from facewitness.records import Label, OperatingPoint
from unit.pipeline.pipeline_fakes import BrightnessDetector, SquareFinder, save_clip, save_picture, scene

POINT = OperatingPoint(0.8, 0.05, "squares", 0.3)


@pytest.fixture
def source(tmp_path):
    """A real and a fake picture, a fake video, and a file that is none."""
    folder = tmp_path / "data"
    folder.mkdir()
    save_picture(folder / "real.png", (60, 40, 120, 40))
    save_picture(folder / "fake.png", (60, 40, 120, 235))
    save_clip(folder / "fake.mp4", [scene((60 + i, 40, 120, 235)) for i in range(6)])
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    files = {"real.png": Label.REAL, "fake.png": Label.FAKE, "fake.mp4": Label.FAKE, "bad.png": Label.REAL}
    records = tuple(Record(name, name, label, "squares", "image") for name, label in files.items())
    return DataSource("squares", folder, records)


def run_of(source, folder, *names, detector=None, finder=None, **more):
    return RobustnessRun(
        detector or BrightnessDetector(), finder or SquareFinder(), perturbations(names), [source],
        rule=ScoringRule(frames=3), folder=folder, **more,
    )  # fmt: skip


def test_every_record_under_every_condition(source, tmp_path):
    steps = []
    work = run_of(source, tmp_path / "out", "contrast", "h264", "saturation")
    tables = work.run(steps.append)
    assert list(tables) == conditions(["contrast", "h264", "saturation"])
    assert sum(steps) == work.steps == 4 * 16
    for table in tables.values():
        assert table.video_id.tolist() == ["real.png", "fake.png", "fake.mp4", "fake.mp4", "fake.mp4", "bad.png"]
        assert table.not_scored[-1].startswith("cannot be read")
        assert table.scored.sum() == 5
    score = {c: tables[c].score[:2] for c in tables}
    # contrast pulls towards the mean of the frame before the crop is cut: 0.35 of the distance is left
    mean = np.array([scene((60, 40, 120, grey)).mean() for grey in (40, 235)])
    np.testing.assert_allclose(score[Condition("contrast", 5)] * 255, mean + 0.35 * ([40, 235] - mean), atol=1)
    np.testing.assert_allclose(score[CLEAN] * 255, [40, 235])


def test_a_finder_that_is_blinded_loses_the_face(source, tmp_path):
    """The square is 28 grey levels from the background; what is nearer than 15 the finder does not see."""
    faint = DataSource("faint", source.root, (Record("faint.png", "faint.png", Label.REAL, "squares", "image"),))
    save_picture(source.root / "faint.png", (60, 40, 120, 100))
    tables = run_of(faint, tmp_path / "out", "contrast").run()
    assert [bool(t.scored.any()) for t in tables.values()] == [True, True, True, True, True, False]
    result = robustness_result(tables, PERTURBATIONS, POINT, rng=np.random.default_rng(0))
    assert [row.faces_lost for row in result.conditions] == [0, 0, 0, 0, 0, 1]
    assert result.summaries[0].mean_faces_lost == pytest.approx(0.2)
    assert math.isnan(result.conditions[0].auc)  # reals only


def test_crop_changes_look_for_faces_once(source, tmp_path):
    seen = {"sizes": []}

    class Watching(BrightnessDetector):
        def score(self, crops):
            seen["sizes"] += [float((np.abs(crop.astype(int) - 128) > 15).mean()) for crop in crops]
            return super().score(crops)

    finder = SquareFinder()
    one = DataSource("one", source.root, source.records[1:2])
    run_of(one, tmp_path / "out", "crop_wide", detector=Watching(), finder=finder).run()
    assert finder.looked_at == 2  # once for the clean frames, once for all crops
    clean, *wider = seen["sizes"]
    assert clean == 1.0  # the crop of 0.8 lies inside the square
    assert wider == sorted(wider, reverse=True)
    assert wider[-1] == pytest.approx(1 / (0.8 * 1.8) ** 2, abs=0.02)


def test_goes_on_where_it_stopped(source, tmp_path):
    class Dying(BrightnessDetector):
        left = 3

        def score(self, crops):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().score(crops)

    names, folder = ("blur", "crop_tight"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_of(source, folder, *names, detector=Dying()).run()
    done = sum(len(file.read_text().splitlines()) for file in folder.rglob("records.jsonl"))
    assert 0 < done < 44
    counted = BrightnessDetector()
    resumed = run_of(source, folder, *names, detector=counted).run()
    fresh = BrightnessDetector()
    whole = run_of(source, tmp_path / "other", *names, detector=fresh).run()
    assert sum(counted.batches) < sum(fresh.batches)
    for condition, table in whole.items():
        np.testing.assert_array_equal(table.score, resumed[condition].score)
        assert table.path.tolist() == resumed[condition].path.tolist()
    again = BrightnessDetector()
    run_of(source, folder, *names, detector=again).run()
    assert again.batches == []
    with pytest.raises(ConfigError, match="seed = 0, now it is 1"):
        run_of(source, folder, *names, seed=1)


def test_noise_depends_on_seed_and_record_alone(source, tmp_path):
    part = DataSource("part", source.root, source.records[1:2])

    def scores(of, seed, folder):
        table = run_of(of, tmp_path / folder, "noise", levels=(1,), seed=seed).run()[Condition("noise", 1)]
        return table.score[table.video_id == "fake.png"].tolist()

    assert scores(source, 0, "a") == scores(part, 0, "b") != scores(source, 1, "c")


def test_what_cannot_be_changed_is_said_and_passed_over(source, tmp_path, monkeypatch):
    def refuse(frames, *, crf):
        if len(frames) > 1:
            msg = "odd size"
            raise ValueError(msg)
        return list(frames)

    monkeypatch.setattr("facewitness.media.perturbations.h264_again", refuse)
    table = run_of(source, tmp_path / "out", "h264", levels=(1,)).run()[Condition("h264", 1)]
    reasons = dict(zip(table.video_id.tolist(), table.not_scored.tolist(), strict=True))
    assert reasons["real.png"] == ""
    assert reasons["fake.mp4"] == "cannot be read: h264-1 failed: ValueError: odd size"


def table_of(scores):
    """Videos r0, r1.. (real) and f0, f1.. (fake) with these scores; None was not scored."""
    return ScoreTable.from_rows(
        {
            "video_id": name, "label": int(name[0] == "f"), "score": math.nan if score is None else score,
            "not_scored": "no face" if score is None else "",
        }
        for name, score in scores.items()
    )  # fmt: skip


def test_numbers_by_hand():
    tables = {
        CLEAN: table_of({"r0": 0.1, "r1": 0.2, "r2": 0.5, "f0": 0.9, "f1": 0.85, "f2": 0.6}),
        Condition("jpeg", 1): table_of({"r0": 0.9, "r1": 0.5, "r2": None, "f0": 0.95, "f1": 0.2, "f2": 0.6}),
    }
    result = robustness_result(tables, PERTURBATIONS, POINT, rng=np.random.default_rng(0), resamples=50)
    clean, row = result.conditions
    assert (clean.auc, clean.drop, clean.flip_rate, clean.faces_lost) == (1.0, 0.0, 0.0, 0.0)
    assert (row.n_real, row.n_fake, row.words) == (2, 3, "saved again as JPEG at quality 90")
    assert row.auc == pytest.approx(3 / 6)  # f0 beats both, f2 beats r1, f1 beats none
    assert row.drop == pytest.approx(1.0 - 3 / 6)
    assert row.flip_rate == pytest.approx(2 / 5)  # r0 to FAKE, f1 to REAL
    assert row.change_rate == pytest.approx(3 / 5)  # and r1 to UNCERTAIN
    assert row.faces_lost == pytest.approx(1 / 6)
    assert (row.fpr_on_real, row.found_fakes) == (pytest.approx(1 / 2), pytest.approx(1 / 3))
    assert row.auc_low <= row.auc <= row.auc_high
    (summary,) = result.summaries
    assert (summary.name, summary.mean_drop, result.mean_flip_rate) == ("jpeg", row.drop, row.flip_rate)
    with pytest.raises(ConfigError, match="clean frames"):
        robustness_result({}, PERTURBATIONS, POINT, rng=np.random.default_rng(0))
