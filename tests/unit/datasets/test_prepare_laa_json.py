"""LAA-Net's processed JSON: written, read, taken over; neighbours in it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from facewitness.datasets.prepare.laa_json import (
    CLUSTER_PREFIX,
    LaaItem,
    import_laa_json,
    laa_items,
    read_laa_json,
    write_laa_json,
)
from facewitness.datasets.prepare.neighbours import neighbour_table
from facewitness.datasets.prepare.runner import prepare
from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.datasets.prepared import Points, PreparedFrame, PreparedVideo, open_prepared, save_prepared
from facewitness.errors import ConfigError
from facewitness.records import Label
from unit.datasets.prepare_sets import moving, portrait, record, write_picture, write_video

FOREIGN = {
    "data": [
        {
            "id": 0,
            "image_path": f"{CLUSTER_PREFIX}train/frames/original/000/000.png",
            "file_name": "000.png",
            "fake_type": "original",
            "orig_lms": [[n, n + 1] for n in range(68)],
            "aligned_lms": [],
            "best_match": [f"{CLUSTER_PREFIX}train/frames/original/001/007.png"],
            "theirs": 5,
        },
        {
            "id": 1,
            "image_path": f"{CLUSTER_PREFIX}train/frames/Deepfakes/000_003/012.png",
            "file_name": "012.png",
            "fake_type": "Deepfakes",
            "orig_lms": [],
            "aligned_lms": [],
            "label": "fake",
            "mask_path": f"{CLUSTER_PREFIX}train/masks/Deepfakes/000_003/012.png",
        },
    ]
}


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "train_68_FF++_processed.json"
    path.write_text(json.dumps(FOREIGN))
    return path


def test_round_trip_keeps_every_key(foreign, tmp_path):
    items = read_laa_json(foreign)
    write_laa_json(tmp_path / "again.json", items)
    assert json.loads((tmp_path / "again.json").read_text()) == FOREIGN
    assert read_laa_json(tmp_path / "again.json") == items
    assert items[1].mask_path is not None
    assert items[0].others == {"theirs": 5}


def test_paths_are_rewritten_everywhere(foreign):
    items = read_laa_json(foreign, rewrite={CLUSTER_PREFIX: "data/"})
    assert items[0].image_path == "data/train/frames/original/000/000.png"
    assert items[0].best_match == ("data/train/frames/original/001/007.png",)
    assert items[1].mask_path == "data/train/masks/Deepfakes/000_003/012.png"


@pytest.mark.parametrize(
    ("path", "label", "is_fake"),
    [
        ("x/original/000/1.png", None, False),
        ("x/aligned_original_81/000/1.png", None, False),
        ("x/fake/000/1.png", None, True),
        ("x/Deepfakes/000_003/1.png", None, True),
        ("x/original/000/1.png", "fake", True),
        ("x/Deepfakes/000_003/1.png", "real", False),
    ],
)
def test_label_as_the_authors_loader_finds_it(path, label, is_fake):
    assert LaaItem(0, path, "1.png", "", label=label).is_fake == is_fake


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "x.json"
    for text, message in (("[]", "expected"), ('{"data": [{"id": 1}]}', "item 0 is none"), ("{", "expected")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_laa_json(path)
    path.write_text('{"data": [{"image_path": "a.png", "orig_lms": [[1, "x"]]}]}')
    with pytest.raises(ConfigError, match="item 0 is none"):
        read_laa_json(path)


def test_foreign_file_becomes_prepared_data(foreign, tmp_path):
    root = tmp_path / "crops"
    write_picture(root / "train/frames/original/000/000.png", portrait())
    write_picture(root / "train/frames/Deepfakes/000_003/012.png", portrait())
    write_picture(root / "train/masks/Deepfakes/000_003/012.png", portrait())
    found = import_laa_json(foreign, root, split="train", rewrite={CLUSTER_PREFIX: ""})
    real, fake = sorted(found.videos, key=lambda video: video.record.label)
    assert (real.record.label, fake.record.label, fake.record.manipulation) == (Label.REAL, Label.FAKE, "Deepfakes")
    assert (root / real.frames[0].crop).is_file()
    assert np.asarray(real.frames[0].landmarks).shape == (68, 2)
    assert fake.without_face == (12,)
    save_prepared(found)
    assert open_prepared(root, needs=("crops", "landmarks")).videos == found.videos
    with pytest.raises(ConfigError, match="does not lie below"):
        import_laa_json(foreign, root)
    (root / "train/frames/original/000/000.png").unlink()
    with pytest.raises(ConfigError, match="there is no picture"):
        import_laa_json(foreign, root, rewrite={CLUSTER_PREFIX: ""})


def test_prepared_data_become_items_and_come_back(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    for name, start in (("a", 0.0), ("b", 4.0)):
        write_video(root / f"{name}.mp4", moving(3, start=start))
    write_picture(root / "f.png", portrait())
    records = [record("a.mp4", split="train"), record("b.mp4", split="train")]
    records.append(record("f.png", split="train", label=Label.FAKE, manipulation="swap"))
    prepare(records, root, out, PrepareSettings(frames=2, size=64, neighbours=5), ["align", "neighbours"], workers=1)
    found = open_prepared(out)
    items = laa_items(found, split="train")
    assert [item.id for item in items] == list(range(5))
    assert [item.label for item in items] == ["real"] * 4 + ["fake"]
    assert [item.fake_type for item in items] == ["original"] * 4 + ["swap"]
    own = [item for item in items if "/a/" in item.image_path]
    others = {item.image_path for item in items if "/b/" in item.image_path}
    assert all(set(item.best_match or ()) == others for item in own)  # two frames of the only other real video
    assert items[4].best_match is None
    assert laa_items(found, split="val") == []
    path = tmp_path / "train_81_FF++_processed.json"
    write_laa_json(path, items)
    values = json.loads(path.read_text())["data"][0]
    assert set(values) == {
        *("id", "image_path", "file_name", "fake_type", "orig_lms", "aligned_lms", "best_match", "label")
    }
    assert all(isinstance(number, int) for pair in values["orig_lms"] for number in pair)
    back = import_laa_json(path, out.resolve(), split="train")
    assert len(back.videos) == 3
    assert back.settings["steps"] == ["crops", "landmarks", "align"]
    assert back.videos[0].frames[0].aligned == found.videos[0].frames[0].aligned


def test_neighbours_are_nearest_real_faces_of_other_videos_of_the_split():
    rng = np.random.default_rng(0)
    videos = []
    for number, (label, split) in enumerate(
        [
            (Label.REAL, "train"),
            (Label.REAL, "train"),
            (Label.FAKE, "train"),
            (Label.REAL, "val"),
            (Label.REAL, "train"),
        ]
    ):
        frames = tuple(
            PreparedFrame(k, 0.0, (0, 0, 1, 1), (0, 0, 1, 1), landmarks=Points(rng.uniform(0, 64, (81, 2))))
            for k in range(3)
        )
        videos.append(PreparedVideo(record(f"{number}.mp4", label=Label(label), split=split), frames))
    table = neighbour_table(videos, 4)
    assert (table.shape, table.dtype) == ((15, 4), np.int32)
    shapes = np.stack([np.asarray(frame.landmarks)[:68] for video in videos for frame in video.frames])
    pool = [0, 1, 2, 3, 4, 5, 12, 13, 14]
    for row in pool:
        others = [i for i in pool if i // 3 != row // 3]
        apart = np.linalg.norm(shapes[others].astype(float) - shapes[row], axis=2).sum(axis=1)
        assert table[row].tolist() == np.array(others)[np.argsort(apart)[:4]].tolist()
    assert (table[6:12] == -1).all()
