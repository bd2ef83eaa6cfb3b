"""The client of OpenAI-compatible endpoints against a server on this machine that does everything wrong once."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

from facewitness.errors import ConfigError, EndpointError
from facewitness.language.endpoint import EndpointExplainer, read_api_key, with_heat
from facewitness.language.models import Evidence, Sampling
from facewitness.language.transport import Address, Patience
from facewitness.records import RegionStrength
from unit.language.endpoint_server import DONE, answers, delta, plain, serving, silence, streamed, whole

QUICK = Patience(connect_s=2, read_s=0.4, total_s=5, retries=2, backoff_s=0.02)
PICTURE = np.full((30, 40, 3), (200, 40, 40), np.uint8)
KEY = "sk-secret-of-this-test"


def ask(server, *, patience=QUICK, streaming=True, **settings):
    call = {name: settings.pop(name) for name in ("evidence", "stream", "cancel") if name in settings}
    explainer = EndpointExplainer(server.url, "tiny", patience=patience, streaming=streaming, **settings)
    return explainer.answer(PICTURE, "What is odd?", **call)


def test_whole_answer_and_what_is_sent():
    with serving(whole(" The mouth has a seam. ")) as server:
        answer = ask(server, streaming=False, api_key=KEY, sampling=Sampling(64, 0.2, 0.7, seed=3))
    assert (answer.text, answer.finish_reason, answer.tokens) == ("The mouth has a seam.", "stop", 7)
    assert answer.model == f"tiny at {server.url}"
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    wanted = {"model": "tiny", "stream": False, "max_tokens": 64, "temperature": 0.2, "top_p": 0.7, "seed": 3}
    assert {name: body[name] for name in wanted} == wanted
    assert server.asked() == "What is odd?"
    (uri,) = server.pictures()
    sent = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")))))
    assert sent.shape == PICTURE.shape
    assert np.abs(sent.astype(int) - PICTURE).max() < 8  # colours keep their order


def test_streamed_pieces_come_while_the_server_still_writes():
    came = []
    script = streamed(delta("The mouth "), 0.3, delta("has a seam."), delta(None, "stop"), DONE)
    with serving(script) as server:
        answer = ask(server, stream=lambda piece: came.append((piece, time.monotonic())))
    assert [piece for piece, _ in came] == ["The mouth ", "has a seam."]
    assert came[1][1] - came[0][1] > 0.2
    assert answer.text == "The mouth has a seam."
    assert server.requests[0][2]["stream"] is True


def test_server_that_does_not_stream_although_asked():
    came = []
    with serving(whole("Whole.")) as server:
        assert ask(server, stream=came.append).text == "Whole."
    assert came == ["Whole."]


def test_evidence_goes_into_words_and_a_second_picture():
    heat = np.zeros((30, 40), np.float32)
    heat[10:20, 10:20] = 1
    evidence = Evidence(0.93, "FAKE. Score 0.93.", "laa_net_lite", (RegionStrength("mouth", 0.7, 0.4),), heat)
    with serving(answers("ok")) as server:
        ask(server, evidence=evidence)
    words = server.asked()
    for piece in ("FAKE. Score 0.93.", "0.93, from 0", "the mouth (0.70 of 1)", "second picture", "do not change it"):
        assert piece in words
    assert words.endswith("What is odd?")
    assert len(server.pictures()) == 2
    assert len(set(server.pictures())) == 2


def test_heat_lands_where_it_is():
    heat = np.zeros((30, 40), np.float32)
    heat[8:16, 24:36] = 1
    grey = np.full((60, 80, 3), 90, np.uint8)
    changed = np.abs(with_heat(grey, heat).astype(int) - grey).sum(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert abs(rows.min() - 16) <= 2
    assert abs(rows.max() - 31) <= 2
    assert abs(columns.min() - 48) <= 2
    assert abs(columns.max() - 71) <= 2
    assert (grey == 90).all()


def test_large_pictures_are_shrunk():
    with serving(answers("ok")) as server:
        EndpointExplainer(server.url, "tiny").answer(np.zeros((500, 4000, 3), np.uint8), "?")
    (uri,) = server.pictures()
    assert Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size == (1024, 128)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_overloaded_servers_are_asked_again(status):
    with serving(plain(status, {}), plain(status, b"oops"), answers("At last.")) as server:
        assert ask(server).text == "At last."
    assert len(server.requests) == 3


def test_in_the_end_it_gives_up_and_says_how_often_it_tried():
    with serving(plain(500, {})) as server, pytest.raises(EndpointError, match=r"status 500.*tried 3 times"):
        ask(server)
    assert len(server.requests) == 3


def test_it_waits_as_long_as_the_server_asks_for():
    started = time.monotonic()
    with serving(plain(429, {}, Retry_After="1"), answers("ok")) as server:
        ask(server)
    assert time.monotonic() - started >= 1
    with serving(plain(429, {}, Retry_After="9999"), answers("ok")) as server:
        short = Patience(read_s=0.4, total_s=5, retries=2, backoff_s=0.02, max_wait_s=0.05)
        assert ask(server, patience=short).text == "ok"


def test_a_broken_connection_is_tried_again_but_not_in_the_middle_of_an_answer():
    with serving(lambda handler: handler.connection.close(), answers("ok")) as server:
        assert ask(server).text == "ok"
    came = []
    with (
        serving(streamed(delta("Half "))) as server,
        pytest.raises(EndpointError, match="broke off in the middle"),
    ):
        ask(server, stream=came.append)
    assert came == ["Half "]
    assert len(server.requests) == 1


@pytest.mark.parametrize("script", [silence(1.5), streamed(delta("a"), 1.5, DONE)], ids=["before", "within"])
def test_silence_is_a_timeout_and_not_tried_again(script):
    started = time.monotonic()
    with serving(script) as server, pytest.raises(EndpointError, match=r"(within|for) 0\.4 s"):
        ask(server)
    assert time.monotonic() - started < 3
    assert len(server.requests) == 1


def test_dripping_servers_run_into_the_total_time():
    drip = streamed(*[part for _ in range(40) for part in (b": wait\n\n", 0.1)])
    started = time.monotonic()
    with serving(drip) as server, pytest.raises(EndpointError, match=r"did not end its answer within 0\.6 s"):
        ask(server, patience=Patience(read_s=0.5, total_s=0.6, retries=0))
    assert time.monotonic() - started < 1.5


def test_cancel_ends_a_blocked_read_at_once():
    wanted, came = threading.Event(), []
    threading.Timer(0.3, wanted.set).start()
    started = time.monotonic()
    with serving(streamed(delta("Half "), 30.0)) as server:
        server.script[0] = streamed(delta("Half "), 2.0, delta("x" * 10), delta("y"))
        answer = ask(server, patience=Patience(), stream=came.append, cancel=wanted.is_set)
        assert time.monotonic() - started < 1.5
    assert (answer.text, answer.finish_reason) == ("Half", "cancelled")


def test_cancel_before_the_answer_and_between_tries():
    with serving(silence(1.0)) as server:
        wanted = threading.Event()
        threading.Timer(0.2, wanted.set).start()
        started = time.monotonic()
        assert ask(server, patience=Patience(), cancel=wanted.is_set).finish_reason == "cancelled"
        assert time.monotonic() - started < 0.8
    with serving(plain(500, {})) as server:
        wanted = threading.Event()
        threading.Timer(0.2, wanted.set).start()
        assert ask(server, patience=Patience(backoff_s=20), cancel=wanted.is_set).finish_reason == "cancelled"
        assert ask(server, cancel=lambda: True).text == ""
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "script",
    [
        plain(200, b"<html>nginx</html>"),
        plain(200, [1, 2]),
        plain(200, {"choices": [{"message": {"content": 7}}]}),
        plain(200, {"choices": ["text"]}),
        plain(200, b"[" * 100_000),
        streamed(b"data: {not json\n\n", DONE),
        streamed(b'data: {"choices": 5}\n\n', DONE),
    ],
)
def test_garbage_is_named_as_such(script):
    with serving(script) as server, pytest.raises(EndpointError, match="no answer"):
        ask(server)


def test_errors_within_an_answer():
    broken = plain(200, {"error": {"message": "out of memory"}})
    with serving(broken) as server, pytest.raises(EndpointError, match=r"failed while answering \(out of memory\)"):
        ask(server)
    with serving(answers("", " ")) as server, pytest.raises(EndpointError, match="answered with nothing"):
        ask(server)
    with serving(streamed(delta("", "length"), DONE)) as server, pytest.raises(EndpointError, match="max-tokens"):
        ask(server)


@pytest.mark.parametrize("streaming", [True, False])
def test_huge_answers_are_refused(streaming):
    tight = Patience(read_s=2, max_bytes=50_000)
    script = streamed(*[b"data: " + b"x" * 9_000] * 20) if streaming else plain(200, b" " * 200_000)
    with serving(script) as server, pytest.raises(EndpointError, match="more than 50,000 bytes"):
        ask(server, patience=tight)
    with serving(answers(*["word " * 2_000] * 8)) as server, pytest.raises(EndpointError, match="50,000 letters"):
        ask(server)


def test_refusals_carry_the_servers_words_but_never_the_key():
    said = {"error": {"message": f"wrong key {KEY}\x1b[2J\nsorry"}}
    with serving(plain(401, said)) as server, pytest.raises(EndpointError) as caught:
        ask(server, api_key=KEY)
    assert "status 401 (wrong key ***[2J sorry)" in str(caught.value)
    assert "--api-key-env" in str(caught.value)
    assert KEY not in repr(caught.value)
    assert len(server.requests) == 1
    with (
        serving(plain(404, {"detail": "Not Found"})) as server,
        pytest.raises(EndpointError, match=r"\(Not Found\).*/v1"),
    ):
        ask(server)
    with serving(plain(400, b"\xff\xfe")) as server, pytest.raises(EndpointError, match="status 400; does the model"):
        ask(server)


def test_redirects_are_refused():
    with (
        serving(answers("stolen")) as other,
        serving(plain(307, b"", Location=f"{other.url}/v1")) as server,
        pytest.raises(EndpointError, match="wants to send the request elsewhere"),
    ):
        ask(server, api_key=KEY)
    assert other.requests == []


def test_parameters_that_a_server_does_not_take_are_left_out():
    def no(name):
        return plain(400, {"error": {"message": f"no {name}", "param": name}})

    with serving(no("max_tokens"), no("temperature"), answers("ok")) as server:
        assert ask(server).text == "ok"
    last = server.requests[-1][2]
    assert last["max_completion_tokens"] == 512
    assert not {"max_tokens", "temperature"} & set(last)
    with serving(no("temperature")) as server, pytest.raises(EndpointError, match="no temperature"):
        ask(server)
    assert len(server.requests) == 2


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        explainer = EndpointExplainer(url, "tiny", patience=QUICK)
        with pytest.raises(EndpointError, match=r"cannot be reached \(Connection refused\).*tried 3 times"):
            explainer.answer(PICTURE, "?")


def test_texts_lose_what_would_steer_a_terminal():
    with serving(answers("a\x1b[31m", "\x07b\nc\u202e")) as server:
        assert ask(server).text == "a[31mb\nc"


@pytest.mark.parametrize(
    "pieces", [(f"Key {KEY}, skin.",), (f"Key {KEY[:3]}", KEY[3:9], f"{KEY[9:]}, skin."), ("s", "k")]
)
def test_a_key_that_the_answer_repeats_is_not_passed_on(pieces):
    came = []
    with serving(answers(*pieces)) as server:
        answer = ask(server, api_key=KEY, stream=came.append)
    wanted = "sk" if len(pieces) == 2 else "Key ***, skin."
    assert (answer.text, "".join(came)) == (wanted, wanted)
    assert "" not in came


def test_no_proxy_of_the_environment_sees_the_picture(monkeypatch):
    with serving(answers("proxy")) as proxy, serving(answers("ok")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert ask(server).text == "ok"
    assert proxy.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/v1",
        "file:///etc/passwd",
        "localhost:8000",
        "http://",
        "http://me:secret@a/v1",
        "http://a/v1?key=1",
        "http://a:99999/v1",
        "http://a/v1#x",
        "http://a b/v1",
        "http://a/v1\r\nX: y",
    ],
)
def test_addresses_that_are_refused(url):
    with pytest.raises(ConfigError) as caught:
        Address.of(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "path", "shown"),
    [
        ("http://localhost:11434", "/v1/chat/completions", "http://localhost:11434"),
        ("https://a.example/v1/", "/v1/chat/completions", "https://a.example"),
        ("https://a.example/x/chat/completions", "/x/chat/completions", "https://a.example"),
        ("http://[::1]:80/v1", "/v1/chat/completions", "http://[::1]"),
    ],
)
def test_addresses_that_are_completed(url, path, shown):
    address = Address.of(url)
    assert (address.path, str(address)) == (path, shown)
    assert not address.readable_on_the_way
    assert Address.of("http://far.example/v1").readable_on_the_way


def test_settings_out_of_range():
    with pytest.raises(ConfigError, match="read_s must be a number above 0"):
        Patience(read_s=0)
    with pytest.raises(ConfigError, match="needs the name of a model"):
        EndpointExplainer("http://localhost/v1", " ")


def test_keys_come_from_variable_or_file_and_are_never_shown(tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("MY_KEY", f" {KEY} ")
    assert read_api_key() == ""
    assert read_api_key("MY_KEY") == read_api_key(file=file) == KEY
    file.write_text(f"{KEY} and more\nlines")
    for wrong in ({"variable": "MY_KEY", "file": file}, {"variable": "NOT_SET"}, {"file": file}, {"file": tmp_path}):
        with pytest.raises(ConfigError) as caught:
            read_api_key(**wrong)
        assert KEY not in str(caught.value)
    assert KEY not in repr(EndpointExplainer("http://localhost", "m", api_key=KEY))


def test_length_is_told_apart_from_the_end():
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 12}}\n\n'
    with serving(streamed(delta("Cut"), delta(None, "length"), usage, DONE)) as server:
        answer = ask(server)
    assert (answer.text, answer.finish_reason, answer.tokens) == ("Cut", "length", 12)


def test_a_reader_that_fails_closes_the_connection():
    def gone(_piece):
        raise BrokenPipeError

    with serving(streamed(*[part for _ in range(100) for part in (delta("a " * 2000), 0.02)])) as server:
        with pytest.raises(BrokenPipeError):
            ask(server, stream=gone)
        assert server.broken_off.wait(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "facewitness-endpoint"]
