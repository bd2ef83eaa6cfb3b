"""The LLaVA-type network: splicing, labels, padding, generation, against transformers' own way and against itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from facewitness.errors import ConfigError
from facewitness.language.conversations import DEEPFAKE_ID, IGNORE, IMAGE_ID, Piece, Turn, template_named
from facewitness.language.generation import generate
from facewitness.language.llava import next_token_loss
from facewitness.language.models import Sampling
from facewitness.language.pictures import pixel_values
from facewitness.language.splicing import Tokens, tokenise
from unit.language import tiny_llava

PATCHES = (tiny_llava.SIDE // tiny_llava.PATCH) ** 2


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def picture(seed=0, shape=(48, 64, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def prompt(text="<image>\n<deepfake>\nWhy is the mouth fake?"):
    return tokenise([Piece(text)], tiny_llava.tokenizer())


def test_answers_alone_are_learnt_with_their_end():
    tokenizer = tiny_llava.tokenizer()
    turns = [Turn("human", "<image>\n<deepfake>\nReal?"), Turn("gpt", "The image looks fake."), Turn("human", "Why?")]
    turns.append(Turn("gpt", "The mouth."))
    tokens = tokenise(template_named("vicuna_v1").pieces(turns), tokenizer)
    learnt = [label for label in tokens.labels if label != IGNORE]
    assert tokenizer.decode(learnt) == " The image looks fake.</s> The mouth.</s>"
    assert all(label in (IGNORE, code) for label, code in zip(tokens.labels, tokens.ids, strict=True))
    assert tokens.ids.count(1) == 1
    assert tokens.ids[0] == 1
    assert [code for code in tokens.ids if code < 0] == [IMAGE_ID, DEEPFAKE_ID]


def test_splicing_equals_transformers_own_placeholders():
    """One picture, no detector: transformers' forward with as many placeholder tokens as there are patches."""
    network = tiny_llava.network(score=False)
    tokens = prompt("Look: <image>\nWhy?")
    values = pixel_values([picture()], tiny_llava.SIDE)
    place = tokens.ids.index(IMAGE_ID)
    unused = 3  # some word that the text does not hold stands for a patch
    assert unused not in tokens.ids
    ids = [*tokens.ids[:place], *[unused] * PATCHES, *tokens.ids[place + 1 :]]
    network.core.config.image_token_id = unused
    with torch.no_grad():
        ours = network([tokens], network.see_pixels(values)).logits
        theirs = network.core(input_ids=torch.tensor([ids]), pixel_values=values).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_a_padded_batch_equals_single_samples(kind, side):
    network = tiny_llava.network(kind)
    texts = [prompt("<image>\n<deepfake>\nWhy?"), prompt("<image>\nOne two three four\n<deepfake>")]
    images = [picture(1), picture(2, (64, 40, 3))]
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    with torch.no_grad():
        seen = network.see(images)
        both = network(texts, seen, scores, side=side)
        for index in range(2):
            single = network([texts[index]], network.see([images[index]]), scores[index : index + 1])
            there = both.batch.mask[index].bool()
            torch.testing.assert_close(both.logits[index][there], single.logits[0], rtol=1e-4, atol=1e-4)
    lengths = [len(text.ids) - 1 + PATCHES for text in texts]
    assert both.batch.mask.sum(1).tolist() == lengths


def test_the_detectors_token_is_the_projected_score_at_its_place():
    network = tiny_llava.network()
    tokens = prompt("<image>\n<deepfake>\nWhy?")
    score = torch.tensor([[0.25, 0.75]])
    with torch.no_grad():
        batch = network.splice([tokens], network.see([picture()]), score)
    place = tokens.ids.index(DEEPFAKE_ID) + PATCHES - 1
    layers = network.score_projector
    wanted = layers[2].weight @ torch.nn.functional.gelu(layers[0].weight @ score[0] + layers[0].bias) + layers[2].bias
    torch.testing.assert_close(batch.embeddings[0, place], wanted)
    assert batch.labels.eq(IGNORE).all()


def test_loss_is_the_mean_over_learnt_tokens():
    logits = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[IGNORE, 3, IGNORE, 1, IGNORE], [IGNORE, IGNORE, 6, IGNORE, IGNORE]])
    rows = torch.log_softmax(logits, -1)
    wanted = -(rows[0, 0, 3] + rows[0, 2, 1] + rows[1, 1, 6]) / 3
    torch.testing.assert_close(next_token_loss(logits, labels), wanted)


def test_long_sequences_are_cut_and_counts_must_fit():
    network = tiny_llava.network()
    network.max_length = 20
    seen = network.see([picture()])
    assert network.splice([prompt()], seen, torch.tensor([[0.5, 0.5]])).embeddings.shape[1] == 20
    with pytest.raises(ConfigError, match="the text has 1 times <deepfake>, but features for 0"):
        network.splice([prompt()], seen)
    with pytest.raises(ConfigError, match="0 times <image>, but features for 1"):
        network.splice([prompt("Why?")], seen)


def test_gradient_goes_into_projectors_and_language_model_not_into_the_tower():
    network = tiny_llava.network()
    turns = [Turn("human", "<image>\n<deepfake>\nReal?"), Turn("gpt", "The image looks fake.")]
    tokens = tokenise(template_named("vicuna_v1").pieces(turns), tiny_llava.tokenizer())
    network([tokens], network.see([picture()]), torch.tensor([[0.4, 0.6]])).loss.backward()
    without = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name for name in without if "vision_tower" not in name} == set()
    assert all("vision_tower" not in name or name in without for name, _ in network.named_parameters())


def greedy_by_hand(network, tokens, seen, scores, count):
    """The likeliest token again and again, the whole sequence each time, no cache."""
    embed = network.embedding
    row = network.splice([tokens], seen, scores).embeddings
    found = []
    with torch.no_grad():
        for _ in range(count):
            logits = network.core(inputs_embeds=row, attention_mask=torch.ones(row.shape[:2], dtype=torch.long)).logits
            found.append(int(logits[0, -1].argmax()))
            if found[-1] == 2:
                break
            row = torch.cat([row, embed(torch.tensor([[found[-1]]]))], 1)
    return found


def test_batched_generation_equals_the_likeliest_token_by_hand():
    network = tiny_llava.network(seed=3)
    texts = [prompt("<image>\n<deepfake>\nWhy?"), prompt("<image>\n<deepfake>\nOne two three four five?")]
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    seen = network.see([picture()])
    made = generate(
        network, tiny_llava.tokenizer(), texts, seen.repeated(2), scores, sampling=Sampling(max_new_tokens=6)
    )
    for index in range(2):
        assert list(made[index].ids) == greedy_by_hand(network, texts[index], seen, scores[index : index + 1], 6)
        ended = made[index].ids[-1] == 2
        assert made[index].finish_reason == ("stop" if ended else "length")


def test_sampling_follows_its_seed_and_leaves_torchs_own_alone():
    network, tokenizer = tiny_llava.network(), tiny_llava.tokenizer()
    seen, score = network.see([picture()]), torch.tensor([[0.5, 0.5]])

    def draw(seed):
        chosen = Sampling(max_new_tokens=8, temperature=1.5, top_p=0.95, seed=seed)
        return generate(network, tokenizer, [prompt()], seen, score, sampling=chosen)[0].ids

    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1
    assert torch.equal(torch.random.get_rng_state(), before)


def test_streamed_pieces_are_the_text():
    network, pieces = tiny_llava.network(seed=5), []
    seen, score = network.see([picture()]), torch.tensor([[0.5, 0.5]])
    made = generate(
        network,
        tiny_llava.tokenizer(),
        [prompt()],
        seen,
        score,
        sampling=Sampling(max_new_tokens=24),
        stream=pieces.append,
    )[0]
    assert "".join(pieces) == made.text
    assert len(pieces) > 1


def test_cancelling_ends_a_text_early():
    network, pieces = tiny_llava.network(seed=5), []
    made = generate(
        network,
        tiny_llava.tokenizer(),
        [prompt()],
        network.see([picture()]),
        torch.tensor([[0.5, 0.5]]),
        sampling=Sampling(max_new_tokens=50),
        stream=pieces.append,
        cancel=lambda: len("".join(pieces)) > 2,
    )[0]
    assert made.finish_reason == "cancelled"
    assert len(made.ids) < 50


def test_a_stop_string_ends_a_text_and_is_never_streamed():
    network, tokenizer = tiny_llava.network(seed=5), tiny_llava.tokenizer()
    seen, score, pieces = network.see([picture()]), torch.tensor([[0.5, 0.5]]), []
    free = generate(network, tokenizer, [prompt()], seen, score, sampling=Sampling(max_new_tokens=24))[0]
    stop = tokenizer.decode(free.ids, skip_special_tokens=True)[4:7]
    made = generate(
        network,
        tokenizer,
        [prompt()],
        seen,
        score,
        sampling=Sampling(max_new_tokens=24),
        stop=(stop,),
        stream=pieces.append,
    )[0]
    assert made.finish_reason == "stop"
    assert stop not in made.text
    assert made.text == tokenizer.decode(free.ids, skip_special_tokens=True).partition(stop)[0].strip()
    assert "".join(pieces) == made.text
    assert len(made.ids) < len(free.ids)


@pytest.mark.parametrize("shape", [(70, 40, 3), (40, 70, 3), (56, 56, 3), (112, 113, 3)])
@pytest.mark.parametrize("aspect", ["pad", "crop"])
def test_pictures_equal_clips_own_processor(shape, aspect):
    from transformers import CLIPImageProcessorPil

    image = picture(7, shape)
    if aspect == "pad":  # LLaVA pads first
        side = max(shape[:2])
        square = np.empty((side, side, 3), np.uint8)
        square[:] = (122, 116, 104)
        top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
        square[top : top + shape[0], left : left + shape[1]] = image
    else:
        square = image
    processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    wanted = processor(square, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixel_values([image], 56, aspect), wanted, rtol=0, atol=1e-5)


def test_a_picture_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="uint8 RGB"):
        pixel_values([np.zeros((4, 4), np.uint8)], 56)


def test_empty_labels_have_no_loss():
    network = tiny_llava.network()
    tokens = Tokens((1, 5, 6), (IGNORE,) * 3)
    assert network([tokens]).loss is None
