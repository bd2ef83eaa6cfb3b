"""What LAA-Net is trained and validated on: splits, draws per epoch, workers, processes, bad pictures, partners."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from facewitness.datasets.prepared import NEIGHBOURS_FILE, open_prepared
from facewitness.errors import ConfigError, FaceError
from facewitness.training import laa_faces
from facewitness.training.laa_data import ATTEMPTS, ItemRequest, LaaData, RunBatches, TrainingItems
from facewitness.training.laa_faces import draw_epoch, partners_of, split_videos, spread_frames
from facewitness.training.machine import TrainingMachine
from unit.training.laa_prepared import FRAMES, make_prepared, mini

NO_WORKER = TrainingMachine(device="cpu", workers=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Read-only."""
    return make_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def videos(folder):
    return split_videos(open_prepared(folder), mini())


def names(videos):
    return [video.video_id for video in videos]


def test_splits_of_the_data(videos):
    assert names(videos.train) == ["train0", "train1", "train2", "train3"]
    assert (names(videos.val_real), names(videos.val_fake)) == (["val4", "val5"], ["fake6", "fake7"])
    assert not videos.held_out
    assert all(len(video.faces) == FRAMES for video in videos.train)
    assert [face.position for face in videos.val_real[0].faces] == [16, 17, 18, 19]


def test_sources_are_held_out_when_there_is_no_split(tmp_path):
    prepared = open_prepared(make_prepared(tmp_path, with_splits=False))
    found = split_videos(prepared, mini("validation_share=0.4"))
    assert found.held_out
    assert (len(found.train), len(found.val_real)) == (4, 2)
    assert not set(names(found.train)) & set(names(found.val_real))
    assert found.val_fake == ()  # their sources are none of those held out
    assert split_videos(prepared, mini("validation_share=0.4")) is not found
    assert names(split_videos(prepared, mini("validation_share=0.4")).val_real) == names(found.val_real)


def test_aligned_faces_are_preferred(tmp_path):
    make_prepared(tmp_path, with_aligned=True)
    index = (tmp_path / "index.jsonl").read_text(encoding="utf-8").replace('"crop":"crops', '"crop":"gone')
    (tmp_path / "index.jsonl").write_text(index, encoding="utf-8")
    found = split_videos(open_prepared(tmp_path), mini())
    assert found.train[0].faces[0].path.is_file()


def test_data_that_do_not_serve_are_named(tmp_path):
    make_prepared(tmp_path, train=0)
    with pytest.raises(ConfigError, match="0 real videos to train on"):
        split_videos(open_prepared(tmp_path), mini())
    lines = (tmp_path / "index.jsonl").read_text(encoding="utf-8")
    (tmp_path / "index.jsonl").write_text(lines + lines, encoding="utf-8")
    with pytest.raises(ConfigError, match="must be unique"):
        split_videos(open_prepared(tmp_path), mini())


def test_frames_are_drawn_anew_in_every_epoch():
    recipe = mini("frames_per_video=3")
    one, again, other = (draw_epoch([9, 9, 2], recipe, epoch) for epoch in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(np.sort(one, axis=0), np.sort(other, axis=0))
    assert np.bincount(one[:, 0]).tolist() == [3, 3, 2]  # without replacement, as many as there are
    assert len(np.unique(one, axis=0)) == len(one)
    drawn = draw_epoch([2], mini("frames_per_video=40", "with_replacement=true"), 0)
    assert len(drawn) == 40
    assert set(drawn[:, 1].tolist()) == {0, 1}
    other_seed = draw_epoch([9, 9, 2], mini("frames_per_video=3", "seed=1"), 0)
    assert not np.array_equal(one, other_seed)


def test_batches_of_two_processes_are_those_of_one():
    recipe = mini("batch_items=2", "epochs=2")
    pair = [RunBatches([4] * 6, recipe, processes=2, rank=rank) for rank in (0, 1)]
    alone = RunBatches([4] * 6, mini("batch_items=4", "epochs=2"))
    assert len(pair[0]) == len(alone) == 6
    for first, second, whole in zip(*pair, alone, strict=True):
        assert sorted([*first, *second]) == sorted(whole)
        assert not set(first) & set(second)


def test_batches_go_on_where_they_stopped():
    recipe = mini("batch_items=4")
    whole = list(RunBatches([4] * 6, recipe))
    for first in (0, 2, 3, 7, len(whole)):
        rest = RunBatches([4] * 6, recipe, first=first)
        assert list(rest) == whole[first:]
        assert len(rest) == len(whole)
    assert {request.epoch for batch in whole for request in batch} == {0, 1, 2}


def test_steps_are_whole_and_small_data_fill_a_batch():
    accumulated = RunBatches([4] * 6, mini("batch_items=5"), accumulate=2)
    assert accumulated.batches_per_epoch == 2  # 12 items; 10 fill the batches of one step
    (batch,) = RunBatches([1], mini("batch_items=4", "epochs=1"))
    assert [request.place for request in batch] == [0, 1, 2, 3]
    assert {request.frame for request in batch} == {0}


def epochs_of(videos, workers):
    machine = TrainingMachine(device="cpu", workers=workers)
    return list(LaaData(videos, mini("epochs=2"), machine).train_dataloader())


def test_batches_do_not_depend_on_workers_and_differ_between_epochs(videos):
    alone, helped = epochs_of(videos, 0), epochs_of(videos, 2)
    assert len(alone) == 8
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.heatmaps, other.heatmaps)
        assert one.labels.sum() == 2
    assert not any(torch.equal(alone[i].images, alone[j].images) for i in range(8) for j in range(i))


def test_validation_is_the_same_every_time(videos):
    first, second = ([list(loader) for loader in LaaData(videos, mini(), NO_WORKER).val_dataloader()] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a.images, b.images)
    pseudo, plain = first
    assert torch.cat([batch.index for batch in pseudo]).tolist() == [0, 1, 2, 3]
    assert torch.cat([batch.labels for batch in pseudo]).flatten().tolist() == [1, 0] * 4
    assert torch.cat([batch.index for batch in plain]).tolist() == list(range(8))


def test_validation_frames_are_spread():
    assert spread_frames(10, 4) == [0, 3, 6, 9]
    assert spread_frames(3, 8) == [0, 1, 2]
    assert spread_frames(1, 8) == [0]


@pytest.fixture
def broken(tmp_path):
    """Every picture of the first training video is damaged."""
    folder = make_prepared(tmp_path)
    for path in (folder / "crops" / "train0").iterdir():
        path.write_bytes(b"no picture")
    return folder


def test_bad_pictures_are_replaced_and_named(broken):
    items = TrainingItems(split_videos(open_prepared(broken), mini()).train, mini())
    item, request, problems = items[ItemRequest(0, 0, 0, 1)]
    assert item.labels.tolist() == [[1.0], [0.0]]
    assert request.video == 0
    assert "train0/001.png" in problems[0]
    again = items[ItemRequest(0, 0, 0, 1)]
    assert np.array_equal(item.images, again[0].images)


def test_only_bad_pictures_stop_the_run(broken):
    for path in (broken / "crops").rglob("*.png"):
        path.write_bytes(b"")
    items = TrainingItems(split_videos(open_prepared(broken), mini()).train, mini())
    with pytest.raises(FaceError, match=f"{ATTEMPTS} pictures in a row") as caught:
        items[ItemRequest(0, 0, 0, 0)]
    assert str(caught.value).count(".png") >= ATTEMPTS


def test_replaced_pictures_are_counted_in_the_run(broken, tmp_path, caplog):
    from facewitness.training.laa_run import LaaRun, train_laa

    machine = TrainingMachine("cpu", "f32", 1, 0, progress=False)
    run = tmp_path / "run"
    with caplog.at_level(logging.WARNING):
        train_laa(LaaRun(broken, run, mini("epochs=1"), machine=machine))
    (row,) = [json.loads(line) for line in (run / "validation.jsonl").read_text(encoding="utf-8").splitlines()]
    assert row["replaced"] >= 2
    assert "another picture was taken instead of" in caplog.text


def test_partners_are_of_other_videos_and_kept(folder, videos, monkeypatch):
    prepared = open_prepared(folder)
    found = partners_of(videos.train, prepared)
    owner = np.repeat(np.arange(4), FRAMES)
    assert [len(row) for row in found] == [12] * 16
    assert all((owner[row] != owner[i]).all() for i, row in enumerate(found))
    assert len(list(folder.glob("partners-*.npy"))) == 1
    assert not list(folder.glob("*.part"))
    monkeypatch.setattr(laa_faces, "nearest_faces", lambda *_, **__: pytest.fail("searched again"))
    assert np.array_equal(partners_of(videos.train, prepared), found)


def test_partners_of_the_preparation_are_taken(tmp_path):
    folder = make_prepared(tmp_path)
    prepared = open_prepared(folder)
    found = split_videos(prepared, mini()).train
    table = np.full((len(prepared.frames()), 3), -1, np.int32)
    table[:16, 0] = (np.arange(16) + 4) % 16
    table[:16, 1] = 17  # of the validation
    np.save(folder / NEIGHBOURS_FILE, table)
    assert [row.tolist() for row in partners_of(found, prepared)] == [[(i + 4) % 16] for i in range(16)]
    assert not list(folder.glob("partners-*.npy"))
    table[0] = 17
    np.save(folder / NEIGHBOURS_FILE, table)
    assert [len(row) for row in partners_of(found, prepared)] == [12] * 16


def test_one_video_has_no_partners(videos):
    with pytest.raises(ConfigError, match="at least two real videos"):
        partners_of(videos.train[:1])


def test_blended_items_are_one_image_in_training_and_a_pair_in_validation(videos):
    recipe = mini("batch_items=8", "frozen_epochs=0", name="corrected_bi")
    data = LaaData(videos, recipe, NO_WORKER)
    batch = next(iter(data.train_dataloader()))
    assert batch.images.shape[0] == 8
    assert 0 < batch.labels.sum() < 8
    pseudo = next(iter(data.val_dataloader()[0]))
    assert pseudo.labels.flatten().tolist() == [1, 0] * 4
    assert pseudo.heatmaps.flatten(1).amax(1).tolist() == [1, 0] * 4
