"""`facewitness explain` and `analyze --explainer` against a server on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from facewitness import pipeline
from facewitness.cli import model_choice
from facewitness.cli.main import main
from facewitness.detectors import DETECTORS
from facewitness.language.models import Answer
from facewitness.registry import Entry
from unit.language.endpoint_server import Server, answers, delta, plain, serving, streamed, whole
from unit.pipeline.pipeline_fakes import FAKE_GREY, SquareFinder, save_picture

USE = ["--detector", "brightness"]
TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)
    monkeypatch.setitem(DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness."))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def picture(tmp_path):
    return str(save_picture(tmp_path / "fake.png", (40, 50, 120, FAKE_GREY)))


def at(server: Server) -> list[str]:
    return ["--endpoint", server.url, "--model", "tiny", *USE]


def test_verdict_first_then_the_text_marked_as_derived(picture, capsys):
    with serving(answers("The upper ", "left\nlooks odd.")) as server:
        assert main(["explain", picture, "-q", "What is odd?", *at(server)]) == 0
    shown = capsys.readouterr().out
    verdict, template, who, text, note = (
        shown.index(words)
        for words in (
            "FAKE",
            "Traces of forgery found",
            f"tiny at {server.url} writes:",
            "The upper left\nlooks odd.",
            "(Written by a language model; the verdict is the detector's alone.)",
        )
    )
    assert verdict < template < who < text < note
    assert "Verdict: FAKE." in server.asked()
    assert server.asked().endswith("What is odd?")
    assert len(server.pictures()) == 2


def test_prompt_by_name_and_without_streaming(picture, capsys):
    with serving(whole("Skin: smooth.")) as server:
        assert main(["explain", picture, "--prompt", "neutral", "--no-stream", "--max-tokens", "9", *at(server)]) == 0
    assert "Skin: smooth." in capsys.readouterr().out
    assert server.requests[0][2]["max_tokens"] == 9
    assert server.requests[0][2]["stream"] is False
    assert "Verdict" not in server.asked()
    assert len(server.pictures()) == 1


def test_contradiction_is_pointed_out(picture, capsys):
    with serving(answers("The image is real.")) as server:
        assert main(["explain", picture, *at(server)]) == 0
    assert "The text calls the face REAL and the verdict is FAKE; the verdict counts." in capsys.readouterr().out


def test_json_is_the_report_with_the_text(picture, capsys):
    with serving(whole("The image is real.")) as server:
        assert main(["explain", picture, "--json", *at(server)]) == 0
    report = json.loads(capsys.readouterr().out)
    (finding,) = report["faces"][0]["findings"]
    assert report["verdict"]["label"] == "FAKE"
    assert finding["explanation"]["source"] == "template"
    assert finding["derived"]["text"] == "The image is real."
    assert finding["derived"]["source"] == f"tiny at {server.url}"
    assert finding["derived"]["prompt"] == "evidence"
    assert "contradicts the verdict" in report["warnings"][-1]


def test_without_a_model_the_template_explains(picture, capsys):
    assert main(["explain", picture, *USE]) == 0
    assert "Traces of forgery found" in capsys.readouterr().out
    assert main(["explain", picture, "-q", "Why?", *USE]) == 0
    assert "no model was named, so the question was not asked" in capsys.readouterr().err


def test_a_dead_endpoint_leaves_the_verdict_and_fails(picture, capsys):
    with serving(plain(401, {"error": {"message": "no key"}})) as server:
        assert main(["explain", picture, *at(server)]) == 1
        shown = capsys.readouterr()
        assert "Traces of forgery found" in shown.out
        assert "facewitness: no text from the language model: tiny at" in shown.err
        assert main(["explain", picture, "--json", *at(server)]) == 1
        shown = capsys.readouterr()
        assert json.loads(shown.out)["verdict"]["label"] == "FAKE"
        assert "no key" in json.loads(shown.out)["warnings"][-1]


def test_nobody_is_asked_about_a_picture_without_a_face(tmp_path, capsys):
    with serving(answers("Lovely.")) as server:
        assert main(["explain", str(save_picture(tmp_path / "nobody.png")), *at(server)]) == 1
    assert "NOT_SCORED" in capsys.readouterr().out
    assert server.requests == []


def test_keys_travel_in_the_header_only(picture, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TINY_KEY", "sk-1234")
    (tmp_path / "key").write_text("sk-5678\n")
    with serving(answers("ok")) as server:
        main(["explain", picture, *at(server), "--api-key-env", "TINY_KEY"])
        main(["explain", picture, *at(server), "--api-key-file", str(tmp_path / "key")])
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer sk-1234", "Bearer sk-5678"]
    shown = capsys.readouterr()
    assert "sk-" not in shown.out + shown.err
    assert "without encryption" not in shown.err  # it stays on this machine


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--endpoint", "ftp://x", "--model", "m"], "no http"),
        (["--endpoint", "http://localhost:1"], "needs the name of a model"),
        (["--endpoint", "http://localhost:1", "--model", "m", "--prompt", "plain"], "nothing without a question"),
        (["--endpoint", "http://localhost:1", "--model", "m", "--api-key-env", "NOT_SET"], "holds no key"),
        (["--endpoint", "http://localhost:1", "--model", "m", "--quantisation", "4bit"], "is for local models"),
        (["--prompt", "neutral"], "there is no model"),
        (["--model", "folder", "--api-key-env", "A"], "are for endpoints"),
    ],
)
def test_wrong_usage(picture, capsys, options, said):
    assert main(["explain", picture, *USE, *options]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_unknown_prompt_is_named(picture, capsys):
    assert main(["explain", picture, *USE, "--endpoint", "http://localhost:1", "--model", "m", "--prompt", "x"]) == 1
    assert "no prompt is called 'x'" in capsys.readouterr().err


def test_interrupting_a_stream_ends_at_once(picture):
    script = streamed(delta("Half of the text "), 20.0)
    code = (
        "import sys\nfrom facewitness import pipeline\nfrom facewitness.detectors import DETECTORS\n"
        "from facewitness.registry import Entry\nfrom unit.pipeline.pipeline_fakes import SquareFinder\n"
        "pipeline.FaceFinder = SquareFinder\n"
        "DETECTORS.add('brightness', Entry('unit.pipeline.pipeline_fakes:create', 'B'))\n"
        "from facewitness.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with serving(script) as server:
        command = [sys.executable, "-c", code, "explain", picture, *at(server)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            seen = b""
            while b"Half of the text" not in seen:
                seen += process.stdout.read1(4096)
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 130
            assert time.monotonic() - started < 5


ATTACK = '<script>alert(1)</script>\n\n"><img src=x onerror=alert(2)> {{ 7*7 }}'


def test_analyze_shows_the_text_everywhere_and_escapes_it(picture, tmp_path, capsys):
    page, lines = tmp_path / "report.html", tmp_path / "lines.jsonl"
    with serving(answers(ATTACK)) as server:
        options = ["--explainer", server.url, "--explainer-model", "<b>tiny</b>", "-q", "<i>Why?</i>"]
        assert main(["analyze", picture, *USE, *options, "--html", str(page), "-o", str(lines)]) == 0
    out = capsys.readouterr().out
    assert f"<b>tiny</b> at {server.url} writes: <script>alert(1)</script>" in out
    assert "(Written by a language model; the verdict is the detector's alone.)" in out
    html = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "What &lt;b&gt;tiny&lt;/b&gt; at" in html
    assert "&lt;i&gt;Why?&lt;/i&gt;" in html
    assert "{{ 7*7 }}" in html
    assert "Traces of forgery found" in html
    for tag in ("<script>alert", "<img src=x", "<b>tiny", "<i>Why"):
        assert tag not in html
    finding = json.loads(lines.read_text())["faces"][0]["findings"][0]
    assert finding["derived"]["text"] == ATTACK
    assert finding["explanation"]["source"] == "template"


def test_analyze_without_the_template_and_with_a_model(picture, capsys):
    with serving(answers("Odd.")) as server:
        assert (
            main(["analyze", picture, *USE, "--no-explain", "--explain-with", server.url, "--explainer-model", "t"])
            == 0
        )
    out = capsys.readouterr().out
    assert "Score 0.92 is at or above 0.80" in out
    assert "writes: Odd." in out


def test_analyze_goes_on_when_the_endpoint_is_down(picture, tmp_path, capsys):
    second = str(save_picture(tmp_path / "second.png", (40, 50, 120, FAKE_GREY)))
    with serving(plain(403, {})) as server:
        options = ["--explainer", server.url, "--explainer-model", "tiny", "--json"]
        assert main(["analyze", picture, second, *USE, *options]) == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["verdict"]["label"] for report in reports] == ["FAKE", "FAKE"]
    assert all("status 403" in report["warnings"][-1] for report in reports)
    assert all(report["faces"][0]["findings"][0]["derived"] is None for report in reports)


def test_analyze_refuses_options_of_a_model_without_one(picture, capsys):
    assert main(["analyze", picture, *USE, "-q", "Why?"]) == 2
    assert "name one with --explainer" in " ".join(capsys.readouterr().err.replace("│", "").split())


class Local:
    """Stands in for a model of a folder."""

    takes_score = True
    name = "local"

    def __init__(self):
        self.asked = []

    def answer(self, image, question, *, evidence=None, stream=None, cancel=None):
        self.asked.append((question, evidence.score))
        if stream is not None:
            stream("It looks odd.")
        return Answer("It looks odd.", self.name, "stop", 3, 0.1)


@pytest.fixture
def local(monkeypatch):
    """The loader of local models, replaced by one that keeps what it was asked for."""
    made = ModuleType("facewitness.language.llava_answers")
    model, calls = Local(), []

    def load_llava(place, **settings):
        calls.append((place, settings))
        return model

    made.load_llava = load_llava
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.setattr(model_choice, "find_spec", lambda name: name)
    return model, calls


def test_a_local_model_is_asked_with_its_own_prompt_and_the_score(picture, capsys, local):
    model, calls = local
    assert main(["explain", picture, *USE, "--model", "folder", "--device", "CPU"]) == 0
    assert "local writes:\nIt looks odd." in capsys.readouterr().out
    assert main(["explain", picture, *USE, "--model", "folder", "-q", "Why?"]) == 0
    assert main(["explain", picture, *USE, "--model", "folder", "--prompt", "m2f2_detect"]) == 0
    questions = [question for question, _ in model.asked]
    assert questions == [
        "Determine the authenticity of this image",
        "Why?",
        "Determine the authenticity. Is the image real or fake?",
    ]
    assert {round(score, 2) for _, score in model.asked} == {0.92}
    assert [settings["template"] for _, settings in calls] == [None, None, "m2f2_cli_detection"]
    assert calls[0][0] == "folder"
    assert calls[0][1]["device"] == "cpu"


def test_explain_asks_the_model_in_the_folder_of_the_weights(picture, tmp_path, capsys, local):
    folder = tmp_path / "m2f2"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    use = ["analyze", picture, *USE, "--weights", str(folder)]
    assert main([*use, "--explain"]) == 0
    assert "local writes: It looks odd." in capsys.readouterr().out
    assert main(use) == 0  # a large model is not run unasked
    assert main([*use, "--no-explain"]) == 0
    assert "local writes" not in capsys.readouterr().out
    assert [place for place, _ in local[1]] == [str(folder)]


def test_without_torch_a_local_model_says_what_to_install(picture, capsys, monkeypatch):
    monkeypatch.setattr(model_choice, "find_spec", lambda _name: None)
    assert main(["explain", picture, *USE, "--model", "folder"]) == 1
    assert "pip install 'facewitness[torch]', or name an endpoint" in capsys.readouterr().err
