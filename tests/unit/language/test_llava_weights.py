"""Folders of models: the authors' layout and our own, in and out, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file, save_file

from facewitness.errors import CheckpointError, ConfigError, MissingExtraError, WeightsError
from facewitness.language.conversations import template_named
from facewitness.language.llava_answers import Llava, load_llava
from facewitness.language.llava_files import find_folder, pick_device, pick_dtype, quantisation_config
from facewitness.language.llava_official import split_official
from facewitness.language.llava_sizes import empty_network
from facewitness.language.llava_weights import from_official, load_folder, save_folder
from facewitness.language.models import Answer, Evidence, Sampling
from unit.language import tiny_llava

PICTURE = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
SHORT = Sampling(max_new_tokens=5)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def wide_network():
    """Vision heads of 64 numbers, which an official checkpoint does not name."""
    from facewitness.language.llava import LlavaNetwork

    return LlavaNetwork(tiny_llava.core(vision_width=128), score_projector=True).eval()


def same(a, b):
    first, second = a.state_dict(), b.state_dict()
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@pytest.fixture
def official(tmp_path):
    """A folder in the authors' layout, in two shards, with a detector inside."""
    network = wide_network()
    state = {k: v.contiguous().clone() for k, v in tiny_llava.official_state(network).items()}
    state["deepfake_encoder.output.weight"] = torch.ones(2, 3)
    names = sorted(state)
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: state[name] for name in part}, tmp_path / f"model-{number}.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(tiny_llava.official_config()), encoding="utf-8")
    tiny_llava.tokenizer().save_pretrained(tmp_path)
    return tmp_path, network


def test_the_authors_folder_is_read_whole(official):
    folder, network = official
    loaded = load_folder(folder, device="cpu")
    same(network, loaded.network)
    assert loaded.report.renamed == len(network.state_dict())
    assert list(loaded.detector) == ["output.weight"]
    assert loaded.network.max_length == 512
    assert (loaded.settings.template, loaded.settings.aspect, loaded.settings.half_pixels) == ("vicuna_v1", "pad", True)


def test_ffaas_mistral_layout_is_read():
    from facewitness.language.llava import LlavaNetwork

    network = LlavaNetwork(tiny_llava.core("mistral", vision_width=64), score_projector=False).eval()
    state = tiny_llava.official_state(network) | {"model.image_newline": torch.zeros(32)}
    made, detector, report = from_official(state, tiny_llava.official_config("llava_mistral"))
    same(network, made)
    assert made.score_projector is None
    assert detector == {}
    assert report.dropped == ("model.image_newline",)
    assert made.core.config.text_config.model_type == "mistral"


def test_current_names_of_clip_are_read_as_well():
    network = wide_network()
    state = tiny_llava.official_state(network)
    newer = {k.replace("vision_tower.vision_model.", "vision_tower."): v for k, v in state.items()}
    assert newer.keys() != state.keys()
    same(network, from_official(newer, tiny_llava.official_config())[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("model.norm.weight"), "language_model.norm.weight is missing"),
        (lambda s: s.update({"model.odd": torch.zeros(1)}), "odd is not known"),
        (lambda s: s.update({"model.norm.weight": torch.zeros(5)}), r"norm.weight has shape \(5,\), expected \(32,\)"),
        (lambda s: [s.pop(k) for k in list(s) if "vision_tower" in k], "no vision tower inside"),
    ],
)
def test_a_misfit_is_named(change, message):
    state = tiny_llava.official_state(wide_network())
    change(state)
    with pytest.raises(CheckpointError, match=message):
        from_official(state, tiny_llava.official_config())


def test_one_tensor_under_two_names_is_refused():
    with pytest.raises(CheckpointError, match="twice"):
        split_official({"model.norm.weight": 1, "core.model.language_model.norm.weight": 2})


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_our_folder_goes_out_and_in(tmp_path, kind):
    loaded = tiny_llava.loaded(kind, template="ffaa")
    save_folder(tmp_path, loaded.network, loaded.tokenizer, loaded.settings, shard_size="60KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "llava"
    again = load_folder(tmp_path, device="cpu")
    same(loaded.network, again.network)
    assert again.settings == loaded.settings


def test_transformers_opens_our_folder_without_our_code(tmp_path):
    from transformers import LlavaForConditionalGeneration

    loaded = tiny_llava.loaded()
    save_folder(tmp_path, loaded.network, loaded.tokenizer, loaded.settings)
    core = LlavaForConditionalGeneration.from_pretrained(tmp_path)
    same(loaded.network.core, core)


def test_a_plain_folder_of_transformers_is_read(tmp_path):
    tiny_llava.core("qwen2").save_pretrained(tmp_path)
    tiny_llava.tokenizer().save_pretrained(tmp_path)
    loaded = load_folder(tmp_path, device="cpu")
    assert loaded.network.score_projector is None
    assert (loaded.settings.template, loaded.settings.aspect) == ("chatml", "crop")


def test_our_folder_with_a_tensor_missing_is_refused(tmp_path):
    loaded = tiny_llava.loaded()
    save_folder(tmp_path, loaded.network, loaded.tokenizer, loaded.settings)
    state = load_file(tmp_path / "model.safetensors")
    del state[next(key for key in state if key.endswith("lm_head.weight"))]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lm_head\.weight"):
        load_folder(tmp_path, device="cpu")


def test_precision_is_that_of_the_call(official):
    assert load_folder(official[0], device="cpu", precision="bf16").network.core.lm_head.weight.dtype == torch.bfloat16
    assert pick_dtype("auto", torch.device("cpu"), 10) == torch.float32
    assert pick_dtype("auto", torch.device("cpu"), 7_000_000_000) == torch.bfloat16


def test_bf16_answers(official):
    llava = load_llava(official[0], device="cpu", precision="bf16", sampling=SHORT)
    assert llava.answer(PICTURE, "Why?", evidence=Evidence(0.7)).tokens >= 1


def test_fewer_bits_need_their_package(official):
    pytest.importorskip("transformers")
    with pytest.raises(MissingExtraError, match="pip install bitsandbytes"):
        quantisation_config("4bit")
    assert quantisation_config("none") is None
    with pytest.raises(MissingExtraError):
        load_folder(official[0], quantisation="8bit")


def test_wrong_places_are_named(tmp_path):
    with pytest.raises(WeightsError, match="neither a folder of a model nor a hub id"):
        load_folder(tmp_path / "nothing")
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        load_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(tiny_llava.official_config()))
    with pytest.raises(WeightsError, match="holds no"):
        load_folder(tmp_path)
    with pytest.raises(ConfigError, match="device must be"):
        pick_device("quantum")


def test_a_folder_without_tokenizer_cannot_answer(tmp_path):
    tiny_llava.core().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="has no tokenizer"):
        load_llava(tmp_path, device="cpu")


def test_answers_about_one_picture_look_at_it_once(monkeypatch):
    llava = Llava(tiny_llava.loaded(), "tiny", sampling=SHORT)
    looks = []
    see = llava.network.see
    monkeypatch.setattr(llava.network, "see", lambda images, *a, **k: looks.append(len(images)) or see(images, *a, **k))
    made = llava.answers([PICTURE], ["Why?", "Is the mouth fake?", "Real?"], evidence=[Evidence(0.7)])
    assert looks == [1]
    alone = [llava.answer(PICTURE, q, evidence=Evidence(0.7)) for q in ("Why?", "Is the mouth fake?", "Real?")]
    assert [a.text for a in made] == [a.text for a in alone]
    assert isinstance(made[0], Answer)
    assert made[0].model == "tiny"
    assert made[0].seconds > 0


def test_the_score_reaches_the_text():
    texts = set()
    for seed in range(6):
        llava = Llava(tiny_llava.loaded(seed=seed), "tiny", sampling=Sampling(max_new_tokens=8))
        texts.add(
            llava.answer(PICTURE, "Why?", evidence=Evidence(0.0)).text
            == llava.answer(PICTURE, "Why?", evidence=Evidence(1.0)).text
        )
    assert False in texts


def test_a_model_with_a_detectors_token_needs_a_score():
    llava = Llava(tiny_llava.loaded(), "tiny", sampling=SHORT)
    assert llava.takes_score
    with pytest.raises(ConfigError, match="give evidence"):
        llava.answer(PICTURE, "Why?")
    plain = Llava(tiny_llava.loaded(score=False), "tiny", sampling=SHORT)
    assert not plain.takes_score
    assert plain.answer(PICTURE, "Why?").tokens >= 1


def test_whole_prompts_are_taken_word_for_word():
    llava = Llava(tiny_llava.loaded(), "tiny", sampling=SHORT)
    prompt = template_named("vicuna_v1").prompt("Why?", deepfake=True)
    whole = llava.complete([PICTURE], [prompt], evidence=[Evidence(0.7)])[0]
    assert whole.text == llava.answer(PICTURE, "Why?", evidence=Evidence(0.7)).text
    with pytest.raises(ConfigError, match="needs one <image>"):
        llava.complete([PICTURE], ["Why?"])


def test_pictures_and_questions_must_go_together():
    llava = Llava(tiny_llava.loaded(score=False), "tiny", sampling=SHORT)
    with pytest.raises(ConfigError, match="2 pictures, 3 questions"):
        llava.answers([PICTURE, PICTURE], ["a", "b", "c"])


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def _unsafe_pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"x": Evil()}, folder / "pytorch_model.bin")


def _shard_elsewhere(folder):
    names = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").replace(folder.parent / "other.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../other.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _writes(name, content):
    return lambda folder: (folder / name).write_bytes(content)


HOSTILE = {
    "pickle with code": (_unsafe_pickle, "UnpicklingError"),
    "shard outside the folder": (_shard_elsewhere, "files of its own folder"),
    "index without a map": (_writes("model.safetensors.index.json", b'{"x": 1}'), "no index of shards"),
    "endless header": (_writes("model.safetensors", (1 << 40).to_bytes(8, "little") + b"{}"), "SafetensorError"),
    "deep config": (_writes("config.json", b'{"a":' + b"[" * 100_000), "config.json cannot be read"),
    "config of another kind": (_writes("config.json", b'{"model_type": "llava", "text_config": 3}'), "as a model"),
    "damaged tokenizer": (_writes("tokenizer.json", b"{}"), "as a model"),
    "damaged projector": (_writes("score_projector.safetensors", b"x"), "cannot be read as tensors"),
    "another model's name": (_writes("adapter_config.json", b'{"base_model_name_or_path": "a/b"}'), "merge"),
}


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    loaded = tiny_llava.loaded()
    return save_folder(folder, loaded.network, loaded.tokenizer, loaded.settings)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_folders_are_named_errors_and_run_nothing(own_folder, tmp_path, capsys, case):
    spoil, message = HOSTILE[case]
    folder = tmp_path / "model"
    shutil.copytree(own_folder, folder)
    spoil(folder)
    with pytest.raises(WeightsError, match=message):
        load_folder(folder, device="cpu")
    if case in ("deep config", "config of another kind", "index without a map", "shard outside the folder"):
        with pytest.raises(WeightsError, match=message):
            empty_network(folder)
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(("held", "asked"), [("model.safetensors", 1), ("pytorch_model.bin", 2)])
def test_pickles_are_fetched_only_where_there_is_nothing_else(tmp_path, monkeypatch, held, asked):
    import huggingface_hub

    calls = []

    def fetch(name, ignore_patterns):
        calls.append(ignore_patterns)
        if held.endswith(".safetensors") or "*.bin" not in ignore_patterns:
            (tmp_path / held).touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert find_folder("owner/name") == tmp_path
    assert len(calls) == asked
    assert all({"*.py", "*.pth"} <= set(patterns) for patterns in calls)
