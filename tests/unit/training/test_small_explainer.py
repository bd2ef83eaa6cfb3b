"""The small explainer is built with a tiny random language model and drawn faces: one command, resumable, measured."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("peft")

import torch

from facewitness.cli.model_choice import ModelChoice, open_narrator
from facewitness.datasets.demo_faces import draw_face
from facewitness.datasets.demo_people import DemoFace, DemoScene
from facewitness.datasets.explained_fakes import Alteration, answers_of
from facewitness.detectors.laa_net.lite.model import LaaNetLite
from facewitness.detectors.laa_net.lite.weights import load_lite, save_lite
from facewitness.errors import ConfigError, MissingExtraError, WeightsError
from facewitness.faces.finder import FaceFinder
from facewitness.faces.regions import region_polygons
from facewitness.language import small_base
from facewitness.language.lite_tower import TOKEN_WIDTH, LiteTower, LiteTowerConfig
from facewitness.language.llava_recipe import load_llava_recipe
from facewitness.language.llava_weights import load_folder
from facewitness.language.models import Answer
from facewitness.language.region_names import named_regions
from facewitness.language.small_base import load_language
from facewitness.media.images import read_image
from facewitness.training import small_explainer
from facewitness.training.explained_data import ExplainedSizes, explained_face, read_facts, real_faces
from facewitness.training.face_cache import build_cache, open_cache, read_manifest
from facewitness.training.small_explainer import measure_explainer
from unit.house.house_paths import ROOT
from unit.language import tiny_llava
from unit.training.training_data import HELD_OUT, SOFT, TINY, write_manifest, write_png

SIZES = ExplainedSizes(train=16, test=6, held_out=0.3, image_size=64)
SET = ["batch_items=4", "accumulate=1", "epochs=5", "max_length=420", "lora.rank=4", "lora.dropout=0"]
SET += ["learning_rate=0.03", "projector_rate=0.01"]


def tool():
    spec = importlib.util.spec_from_file_location("build_small_explainer", ROOT / "tools" / "build_small_explainer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Drawn people, their cache, a random language model and a random tower."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("small")
    for name, number in SOFT.items():
        rng = np.random.default_rng(number)
        write_png(folder / "faces" / "real" / f"{name}.png", draw_face(DemoFace.draw(rng), DemoScene.draw(rng), 224))
    write_manifest(folder / "faces", [(f"real/{name}.png", 0, name, "") for name in SOFT])
    build_cache(folder / "faces", read_manifest(folder / "faces"), folder / "cache")
    torch.manual_seed(0)
    config = tiny_llava.text_config()
    config.tie_word_embeddings = True
    language = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in language.parameters():
            if parameter.ndim == 2:  # the usual start is so near zero that every logit is alike
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    language.save_pretrained(folder / "language")
    tiny_llava.tokenizer().save_pretrained(folder / "language")
    save_lite(LaaNetLite(TINY.network), folder / "tower.safetensors")
    return folder


def arguments(place, run, *more):
    found = ["--faces", place / "cache", "--language", place / "language", "--run", run, "--no-progress"]
    found += ["--tower", place / "tower.safetensors", "--train", SIZES.train, "--test", SIZES.test, "--threads", 1]
    found += ["--held-out", SIZES.held_out, "--image-size", SIZES.image_size, "--save-every", 2]
    for change in SET:
        found += ["--set", change]
    return [*map(str, found), *more]


@pytest.fixture(scope="module")
def built(place):
    """A finished run."""
    run = place / "run"
    assert tool().main(arguments(place, run)) == 0
    return run


def test_the_loss_falls(built):
    losses = [json.loads(line)["loss"] for line in (built / "run" / "curve.jsonl").read_text().splitlines()]
    assert len(losses) == 20
    assert np.mean(losses[-4:]) < 0.85 * losses[0]


def test_no_person_is_trained_on_and_measured_with(built):
    facts = read_facts(built / "data")
    people = {part: {fact.identity for fact in facts if fact.part == part} for part in ("train", "test")}
    assert people == {"train": SOFT.keys() - HELD_OUT, "test": SOFT.keys() & HELD_OUT}
    assert [fact.part for fact in facts] == ["train"] * SIZES.train + ["test"] * SIZES.test
    trained = json.loads((built / "data" / "train.json").read_text())
    assert {row["image"] for row in trained} == {fact.image for fact in facts if fact.part == "train"}


def test_conversations_say_what_was_done(built):
    truths = {fact.image: fact.alteration for fact in read_facts(built / "data")}
    for row in json.loads((built / "data" / "train.json").read_text()):
        truth, answer = truths[row["image"]], row["conversations"][1]["value"]
        if answer.startswith("No, nothing"):
            assert truth.region not in named_regions(answer)
        else:
            assert named_regions(answer) == ({truth.region} if truth.region else set())


def test_pictures_are_those_of_their_number(place, built):
    cache = open_cache(place / "cache")
    faces = real_faces(cache, SIZES)["test"]
    made, identity, _ = explained_face(cache, faces, SIZES, "test", 3)
    fact = read_facts(built / "data")[SIZES.train + 3]
    assert (fact.identity, fact.alteration) == (identity, made.alteration)
    assert np.array_equal(read_image(built / "data" / fact.image).pixels, made.image)


def test_the_report_is_written(built):
    report = json.loads((built / "report.json").read_text())
    assert report["pictures"] == SIZES.test
    assert report["identities"] == len(SOFT.keys() & HELD_OUT)
    assert report["tokens_per_second"] > 0
    assert report["seen"]["kind"]["count"] == SIZES.test


def test_the_model_opens_as_any_other_and_answers(built):
    narrator = open_narrator(ModelChoice(str(built / "model"), prompt="plain", question="What?", max_tokens=4))
    answer = narrator.explainer.answer(np.zeros((80, 70, 3), np.uint8), "What is wrong?")
    assert answer.model == "model"
    assert 1 <= answer.tokens <= 4
    assert narrator.explainer.template.name == "chatml"
    assert "explain" in load_folder(built / "model", device="cpu").settings.made_by


def test_the_tower_is_that_of_the_file_and_was_not_trained(place, built):
    wanted = load_lite(place / "tower.safetensors").backbone.state_dict()
    found = load_folder(built / "model", device="cpu").network.core.model.vision_tower.backbone.state_dict()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())


def test_the_base_speaks_as_its_language_model(place, built):
    language, tokenizer = load_language(place / "language")
    words = tokenizer("The image looks fake.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        wanted = language(input_ids=words).logits
        found = load_folder(built / "base", device="cpu").network.core(input_ids=words).logits
    assert torch.equal(found, wanted)


def test_where_a_face_was_altered_is_where_the_region_is_seen(place):
    cache = open_cache(place / "cache")
    faces = real_faces(cache, SIZES)["train"]
    sizes = ExplainedSizes(image_size=192)
    checked = 0
    for number in range(40):
        made, _, _ = explained_face(cache, faces, sizes, "train", number)
        if made.alteration.kind not in ("colour", "boundary") or made.alteration.region not in ("nose", "mouth"):
            continue
        (found,) = FaceFinder(threads=1).find(made.image)
        seen = region_polygons(found.mesh)[made.alteration.region]
        altered = np.argwhere(made.weight > 0.5)[:, ::-1]
        assert np.abs(altered.mean(0) - (seen.min(0) + seen.max(0)) / 2).max() < 0.06 * 192
        checked += 1
    assert checked >= 3


def test_a_token_is_a_cell_with_its_place():
    with pytest.raises(ConfigError, match="multiple of 32"):
        LiteTowerConfig(100)
    torch.manual_seed(0)
    tower = LiteTower(LiteTowerConfig(96)).eval()
    picture = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        tokens = tower(picture).last_hidden_state
        changed = picture.clone()
        changed[..., :8, :8] += 3
        difference = (tower(changed).last_hidden_state - tokens).abs()
    assert tokens.shape == (1, 9, TOKEN_WIDTH)
    assert tokens[0, :, -2:].tolist() == [[x, y] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    fine = difference[0, :, : 40 * 16].amax(-1)  # the finest level sees only what is near
    assert fine.argmax() == 0
    assert fine[0] > 10 * fine[8]


def test_given_again_it_measures_and_trains_nothing(place, built, monkeypatch, capsys):
    def never(*_):
        raise AssertionError

    for name in ("make_base", "write_explained", "train_llava", "merge_into"):
        monkeypatch.setattr(small_explainer, name, never)
    before = json.loads((built / "report.json").read_text())
    assert tool().main(arguments(place, built)) == 0
    assert "facewitness explain" in capsys.readouterr().out
    after = json.loads((built / "report.json").read_text())
    assert (after["seen"], after["blanked"]) == (before["seen"], before["blanked"])


def test_another_recipe_does_not_go_on_in_the_folder(place, built, capsys):
    assert tool().main(arguments(place, built, "--set", "epochs=6")) == 1
    assert "begun with another recipe" in capsys.readouterr().err


def test_a_run_killed_in_training_goes_on(place, built, tmp_path, monkeypatch):
    class KilledError(Exception):
        pass

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(small_explainer, "train_llava", killed)
        with pytest.raises(KilledError):
            tool().main(arguments(place, tmp_path))
    assert not (tmp_path / "model").exists()
    assert tool().main(arguments(place, tmp_path, "--set", "epochs=6")) == 1  # its settings are known from the start
    files = sorted((tmp_path / "data").rglob("*.png"))
    times = [file.stat().st_mtime_ns for file in files]
    monkeypatch.setattr(small_explainer, "train_llava", lambda job: built / "run" / "adapter")
    assert tool().main(arguments(place, tmp_path)) == 0
    assert [file.stat().st_mtime_ns for file in files] == times
    assert [file.read_bytes() for file in files] == [
        (built / file.relative_to(tmp_path)).read_bytes() for file in files
    ]


def test_a_model_that_is_right_is_measured_as_right(place, built):
    module = tool()
    job = module.job_of(module.parser().parse_args(arguments(place, built)))
    facts = read_facts(built / "data")
    tested = [fact for fact in facts if fact.part == "test"]
    said = {read_image(built / "data" / fact.image).pixels.tobytes(): fact.alteration for fact in tested}

    class Knows:
        def answers(self, images, questions):
            truths = [said.get(image.tobytes(), Alteration("none")) for image in images]
            return [Answer(answers_of(truth, "open")[0], "knows", "stop", 9, 1.0) for truth in truths]

    report = measure_explainer(job, facts, Knows())
    altered = sum(fact.alteration.kind != "none" for fact in tested)
    assert (report.seen.region.right, report.seen.region.count) == (altered, altered)
    assert (report.seen.kind.right, report.seen.kind.count) == (SIZES.test, SIZES.test)
    assert report.blanked.region.right == 0
    assert report.blanked.kind.right == SIZES.test - altered


def test_the_dry_run_counts_and_makes_nothing(place, built, tmp_path, capsys):
    run = tmp_path / "new"
    assert tool().main(arguments(place, run, "--dry-run")) == 0
    said = capsys.readouterr().out
    assert "4 to train on, 2 of other people" in said
    assert "20 of 4 in 5 epochs" in said
    assert not run.exists()
    assert tool().main(arguments(place, built, "--dry-run")) == 0
    assert "about 16 pictures" in capsys.readouterr().out


def test_faces_come_from_a_folder_of_pictures_as_well(place, tmp_path, capsys):
    options = arguments(place, tmp_path, "--dry-run")
    options[options.index(str(place / "cache"))] = str(place / "faces")
    assert tool().main(options) == 0
    assert f"{len(SOFT)} pictures of {len(SOFT)} people" in capsys.readouterr().out


def test_both_parts_need_people(place):
    with pytest.raises(ConfigError, match="test 0"):
        real_faces(open_cache(place / "cache"), ExplainedSizes(held_out=1e-6))


def test_what_is_no_language_model_is_named(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match=r"expected a \.gguf file or a folder"):
        load_language(tmp_path)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(small_base, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install gguf"):
        load_language(tmp_path / "m.gguf")


def test_the_recipe_of_the_package():
    recipe = load_llava_recipe("small_explainer", "explain")
    assert recipe.train == ("projector", "lora")
    assert recipe.template == "chatml"
    with pytest.raises(ConfigError, match="takes no detector's score"):
        small_explainer.ExplainerJob(
            ROOT, ROOT, ROOT, load_llava_recipe("small_explainer", "explain", ['train=["score_projector"]'])
        )
