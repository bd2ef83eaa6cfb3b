"""`facewitness explain-check` against a server that looks, and one that only listens."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from facewitness import pipeline
from facewitness.cli.main import main
from facewitness.detectors import DETECTORS
from facewitness.registry import Entry
from unit.language.endpoint_server import Handler, plain, serving, whole
from unit.pipeline.pipeline_fakes import FAKE_GREY, REAL_GREY, UNSURE_GREY, SquareFinder, save_picture

USE = ["--detector", "brightness"]


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)
    monkeypatch.setitem(DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness."))


@pytest.fixture
def folder(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    for i in range(2):
        save_picture(media / f"fake{i}.png", (40, 50, 120, FAKE_GREY - i))
        save_picture(media / f"real{i}.png", (40, 50, 120, REAL_GREY + i))
    save_picture(media / "nobody.png")
    return str(media)


def looking(handler: Handler) -> None:
    """Says what the brightness of the picture's middle is, whatever it is asked."""
    uri = handler.server.pictures()[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    middle = int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2, 0])
    side = "fake" if middle > 200 else "real" if middle < 60 else "dull"
    whole(f"The image is {side}. The right eye and the forehead show it.")(handler)


def listening(handler: Handler) -> None:
    """Says what it is told, and never looks."""
    words = handler.server.asked()
    whole("The image is fake." if "This image is fake." in words else "The image is real.")(handler)


def check(folder: str, step: Callable[[Handler], None], *more: str) -> tuple[int, list]:
    with serving(step) as server:
        model = ["--explainer", server.url, "--explainer-model", "tiny"]
        code = main(["explain-check", folder, *USE, *model, "--json", *more])
    return code, server.requests


def test_a_model_that_looks(folder, capsys):
    code, requests = check(folder, looking)
    assert code == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert "4 faces, 6 answers each from tiny at" in captured.err
    assert len(requests) == 24
    assert (found["items"], found["prompt"], found["detector"]) == (4, "judge", "brightness")
    assert found["picture"]["repeated"] == {"texts": 0.0, "verdicts": 0.0, "similarity": 1.0}
    assert found["picture"]["blanked"]["texts"] == 1.0
    assert found["picture"]["swapped"]["verdicts"] > 0
    assert found["agreement"] == {"agreeing": 1.0, "stated": 4, "unparsable": 0, "undecided": 0}
    assert found["claims"]["turned"] == 0.0
    assert found["regions"]["faces"] == 4
    assert found["regions"]["named"]["precision"] == 1.0


def test_a_model_that_only_listens(folder, capsys):
    assert check(folder, listening)[0] == 0
    found = json.loads(capsys.readouterr().out)
    assert found["picture"]["blanked"]["texts"] == 0.0
    assert found["picture"]["swapped"]["texts"] == 0.0
    assert found["claims"] == {
        "follows_real": 1.0,
        "follows_fake": 1.0,
        "neutral_real": 1.0,
        "neutral_fake": 0.0,
        "turned": 1.0,
    }
    assert found["agreement"]["agreeing"] == 0.5
    assert found["regions"]["named"]["f1"] == 0.0


def test_text_says_the_same(folder, capsys):
    with serving(listening) as server:
        assert main(["explain-check", folder, *USE, "--explainer", server.url, "--explainer-model", "tiny"]) == 0
    shown = capsys.readouterr().out
    for line in (
        "4 faces, prompt judge: Is the face in this picture real or fake?",
        "With the picture blanked:  0 % of texts differ (ROUGE-L 1.00), 0 % take another side",
        "Agree with the detector:   50 % of 4 texts that take a side; 0 take none; 0 faces undecided",
        "Told that it is fake:      100 % say FAKE (untold 0 %)",
        "Say what they are told:    100 %",
    ):
        assert line in shown


def test_one_undecided_face(tmp_path, capsys):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, UNSURE_GREY))
    with serving(looking) as server:
        assert main(["explain-check", str(path), *USE, "--explainer", server.url, "--explainer-model", "t"]) == 0
    shown = capsys.readouterr().out
    assert "One face only" in shown
    assert "Fewer than two heatmaps" in shown
    assert "Agree with" not in shown


def test_limit_own_question_and_evidence(folder, capsys):
    code, requests = check(folder, looking, "--limit", "2", "-q", "Odd?")
    assert code == 0
    assert len(requests) == 12
    texts = [body["messages"][-1]["content"][-1]["text"] for _, _, body in requests]
    assert texts[0] == "Odd?"
    assert {"This image is real. Odd?", "This image is fake. Odd?"} <= set(texts)
    capsys.readouterr()
    code, requests = check(folder, looking, "--limit", "2", "--prompt", "evidence")
    assert code == 0
    assert all("Verdict:" in body["messages"][-1]["content"][-1]["text"] for _, _, body in requests)
    assert json.loads(capsys.readouterr().out)["prompt"] == "evidence"


def test_what_cannot_be_checked(tmp_path, folder, capsys):
    nobody = str(save_picture(tmp_path / "nobody.png"))
    assert check(nobody, looking) == (1, [])
    assert "nothing to ask about" in capsys.readouterr().err
    assert check(str(tmp_path / "absent"), looking) == (1, [])
    assert check(folder, plain(403, {}))[0] == 1
    assert "status 403" in capsys.readouterr().err
    assert check(folder, looking, "--prompt", "plain")[0] == 2
    assert main(["explain-check", folder]) == 2
