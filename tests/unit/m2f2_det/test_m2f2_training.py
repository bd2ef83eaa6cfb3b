"""Stage 1: sampling and changes as published, a tiny network that learns, and a run that goes on exactly."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("transformers")

from facewitness.cli.main import main
from facewitness.datasets.prepared import PreparedFrame, PreparedSet, PreparedVideo, fingerprint_of, save_prepared
from facewitness.datasets.records import Record
from facewitness.detectors.m2f2_det.recipe import FacePost, load_recipe, recipe_names
from facewitness.detectors.m2f2_det.weights import load_model
from facewitness.errors import ConfigError
from facewitness.records import Label
from facewitness.training.m2f2_augment import jpeg_round_trip, post_process
from facewitness.training.m2f2_data import M2F2Data, open_clips
from facewitness.training.m2f2_module import M2F2Training, freeze_towers
from facewitness.training.m2f2_run import M2F2Run, plan_m2f2, start_network, train_m2f2
from facewitness.training.machine import TrainingMachine
from unit.m2f2_det.m2f2_networks import small_densenet
from unit.training.training_data import write_png

SIDE, FRAMES = 40, 4
MACHINE = TrainingMachine("cpu", "f32", threads=1, workers=0, progress=False)
TINY = [
    "network.variant=cosine",
    "network.backbone=densenet121",
    "network.hidden=16",
    "network.vision.width=32",
    "network.vision.mlp=32",
    "network.vision.depth=3",
    "network.vision.heads=2",
    "network.vision.image_size=42",
    "network.text.width=32",
    "network.text.mlp=32",
    "network.text.depth=1",
    "network.text.heads=2",
    "network.prompt_tokens=3",
    "batch_items=4",
    "epochs=4",
    "learning_rate=0.003",
    "validation_frames=2",
    "post.blur_chance=0.0",
]


@pytest.fixture(scope="module", autouse=True)
def _small_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.models.densenet121", small_densenet)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Fakes are striped; every video has faces of its own."""
    folder = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    videos = []
    for number in range(12):
        label = Label(number % 2)
        frames = []
        for index in range(FRAMES):
            image = rng.integers(90, 160, (SIDE, SIDE, 3), dtype=np.uint8)
            if label == Label.FAKE:
                image[:, ::4] = 255
            path = f"crops/{number}/{index}.png"
            write_png(folder / path, image)
            box = (0, 0, SIDE, SIDE)
            frames.append(PreparedFrame(index, index / 25, box, box, crop=path))
        split = "val" if number >= 8 else "train"
        record = Record(f"{number}.mp4", f"v{number}", label, "made", split=split, sources=(f"{number}",))
        videos.append(PreparedVideo(record, tuple(frames)))
    settings = {"steps": ["crops"], "frames": FRAMES}
    save_prepared(PreparedSet(folder, "made", settings, fingerprint_of(settings), tuple(videos)))
    return folder


def job(data, run, *overrides, recipe="stage1", **more):
    return M2F2Run(data, run, load_recipe(recipe, [*TINY, *overrides]), "tiny", machine=MACHINE, **more)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return train_m2f2(job(data, run, save_every=3)).parent


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_loss_falls_and_the_weights_can_be_used(finished):
    curve = rows(finished / "curve.jsonl")
    assert [row["step"] for row in curve] == list(range(1, 9))
    assert np.mean([r["loss"] for r in curve[-3:]]) < 0.6 * curve[0]["loss"]
    validation = rows(finished / "validation.jsonl")
    assert len(validation) == 4
    assert {"auc", "ap", "accuracy", "loss"} <= validation[-1].keys()
    model = load_model(finished / "best.safetensors")
    record = json.loads((finished / "best.json").read_text())
    assert record["detector"] == "m2f2_det"
    assert record["processor"] == {"image_size": 42, "mode": "official"}
    fresh, _ = start_network(load_recipe("stage1", TINY), None)
    assert torch.equal(model.clip.blocks[0].mlp.fc1.weight, fresh.clip.blocks[0].mlp.fc1.weight)
    assert not torch.equal(model.prompts.prompt, fresh.prompts.prompt)
    assert not torch.equal(model.cnn.conv0.weight, fresh.cnn.conv0.weight)


class PowerCutError(Exception):
    pass


@pytest.mark.parametrize("after", [3, 4])
def test_a_cut_run_goes_on_with_the_same_numbers(finished, data, tmp_path, monkeypatch, after):
    real = M2F2Training.training_step

    def cut(self, *arguments):
        if self.batches_done == after:
            raise PowerCutError
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(M2F2Training, "training_step", cut)
        with pytest.raises(PowerCutError):
            train_m2f2(job(data, tmp_path, save_every=3))
    train_m2f2(job(data, tmp_path, save_every=3))
    for name in ("curve.jsonl", "validation.jsonl"):
        assert rows(tmp_path / name) == rows(finished / name)
    with pytest.raises(ConfigError, match="another recipe"):
        train_m2f2(job(data, tmp_path, "learning_rate=0.1", save_every=3))


def test_towers_are_frozen_and_prompts_are_not():
    recipe = load_recipe("stage1", TINY)
    model, _ = start_network(recipe, None)
    trained = freeze_towers(model)
    assert "prompts.prompt" in trained
    assert {"clip_gate", "text_gate", "head.weight"} <= set(trained)
    assert not any(n.startswith(("clip.", "prompts.blocks", "prompts.positions")) for n in trained)


def test_official_sampling_never_draws_the_last_frame(data):
    drawn = {}
    for skip in ("true", "false"):
        recipe = load_recipe("stage1", [*TINY, f"skip_last_frame={skip}", "epochs=60"])
        made = M2F2Data(open_clips(data, recipe), recipe, MACHINE)
        requests = [r for epoch in range(60) for batch in made.batches().batches(epoch) for r in batch]
        drawn[skip] = {r.frame for r in requests}
        first = [r.video for batch in made.batches().batches(0) for r in batch]
        assert sorted(first) == list(range(8))  # one frame of every video
    assert drawn == {"true": {0, 1, 2}, "false": {0, 1, 2, 3}}


def test_hdf5_files_give_the_same_faces(tmp_path):
    h5py = pytest.importorskip("h5py")
    from facewitness.datasets import ffpp_hdf5
    from facewitness.datasets.demo_media import EmptyMaker

    ffpp_hdf5.make_demo(tmp_path, EmptyMaker())
    recipe = load_recipe("stage1", TINY)
    clips = open_clips(tmp_path, recipe)
    assert not clips.held_out
    assert {clip.record.split for clip in clips.train} == {"train"}
    clip = clips.train[0]
    with h5py.File(clip.array, "r") as file:
        np.testing.assert_array_equal(clip.read(3), file[clip.key][3])
        assert clip.count == len(file[clip.key])


def test_held_out_sources_are_not_trained_on(data, tmp_path):
    lines = (
        (data / "index.jsonl")
        .read_text()
        .replace('"split":"val"', '"split":""')
        .replace('"split":"train"', '"split":""')
    )
    lines = lines.replace('"sources":["1"]', '"sources":["0"]')
    (tmp_path / "prepared.json").write_text((data / "prepared.json").read_text())
    (tmp_path / "index.jsonl").write_text(lines)
    found = None
    for seed in range(40):
        recipe = load_recipe("stage1", [*TINY, f"seed={seed}", "validation_share=0.2"])
        try:
            found = open_clips(tmp_path, recipe)
        except ConfigError:
            continue  # no fake of a held-out source
        break
    assert found is not None
    assert found.held_out
    away = {s for clip in found.val for s in clip.record.sources}
    assert not away & {s for clip in found.train for s in clip.record.sources}
    assert "0" in away


def test_jpeg_qualities_are_two_or_a_range(monkeypatch):
    from facewitness.training import m2f2_augment

    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    seen = {}
    for in_range in (False, True):
        qualities = []
        monkeypatch.setattr(m2f2_augment, "jpeg_round_trip", lambda i, q, _e, kept=qualities: kept.append(q) or i)
        post = FacePost(blur_chance=0, jpeg_chance=1, mirror_chance=0, jpeg_range=in_range)
        rng = np.random.default_rng(1)
        for _ in range(200):
            post_process(image, rng, post)
        seen[in_range] = set(qualities)
    assert seen[False] == {30, 100}
    assert len(seen[True]) > 30
    assert min(seen[True]) >= 30


def test_changes_follow_their_chances():
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    nothing = FacePost(blur_chance=0, jpeg_chance=0, mirror_chance=0)
    assert post_process(image, np.random.default_rng(0), nothing) is image
    mirror = FacePost(blur_chance=0, jpeg_chance=0, mirror_chance=1)
    np.testing.assert_array_equal(post_process(image, np.random.default_rng(0), mirror), image[:, ::-1])
    flat = np.full((16, 16, 3), 77, np.uint8)
    for encoder in ("pillow", "opencv"):
        assert np.abs(jpeg_round_trip(flat, 95, encoder).astype(int) - 77).max() <= 2
    with pytest.raises(ConfigError, match="qualities"):
        FacePost(jpeg_qualities=(50, 30))


def test_blur_equals_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    from facewitness.training.m2f2_augment import gaussian_blur

    image = np.random.default_rng(0).integers(0, 256, (31, 22, 3), dtype=np.uint8)
    for sigma in (0.1, 0.5, 1.3, 3.0):
        wanted = np.empty_like(image)
        for channel in range(3):
            ndimage.gaussian_filter(image[..., channel], sigma, output=wanted[..., channel])
        np.testing.assert_array_equal(gaussian_blur(image, sigma), wanted)


def test_recipes_of_the_package():
    assert recipe_names() == ("stage1", "stage1_corrected", "stage1_cosine")
    official, corrected, cosine = (load_recipe(name) for name in recipe_names())
    assert official.network.head_inputs == 3712
    assert official.augmented_validation
    assert corrected.network.has_working_bridge
    assert not corrected.augmented_validation
    assert cosine.network.head_inputs == 2624
    with pytest.raises(ConfigError, match="stage1_corrected"):
        load_recipe("stage9")


def test_plan_counts_without_writing(data, tmp_path):
    text = str(plan_m2f2(job(data, tmp_path / "run")))
    assert "4 real and 4 fake videos to train on, 4 to validate on" in text
    assert "2 per epoch, 4 epochs" in text
    assert not (tmp_path / "run").exists()


def test_verb_prints_the_plan(data, capsys):
    more = [f"--set={value}" for value in TINY]
    options = ["--recipe", "stage1", "--data", str(data), "--dry-run", "--threads", "1"]
    assert main(["train", "m2f2_det", *options, *more]) in (0, None)
    assert "parameters" in capsys.readouterr().out
