"""The HTML report: well formed, self-contained, safe against what files bring, and complete."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import re
from collections.abc import Mapping
from enum import Enum
from itertools import pairwise

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.records import Finding, MediaInfo, OperatingPoint, Report, Verdict, VerdictLabel
from facewitness.reports.html import MOST_DETAILED_FACES, write_html
from facewitness.reports.labels import HEADLINES, SYMBOLS
from made_reports import ASTRONAUT_BOX, astronaut, made_face, made_report
from unit.reports.page_reading import Page, picture_of

BROKEN = Report(
    MediaInfo("folder/broken.jpg", "unknown", "", 0),
    Verdict(VerdictLabel.NOT_SCORED, None, "cannot be decoded: the file ends early"),
)


@pytest.fixture(scope="module")
def portrait():
    return astronaut()


def page_of(reports, path, pictures):
    write_html(reports, path, pictures)
    return Page(path.read_text(encoding="utf-8"))


def video_report(**changes):
    faces = [
        made_face(0.86, frames=32, gap=(3, 4, 20)),
        made_face(0.12, box=ASTRONAUT_BOX + 4, track_id=2, frames=32, gap=tuple(range(8, 15))),
    ]
    return made_report(0.86, path="clip.mp4", faces=faces, kind="video", **changes)


def batch():
    return [made_report(0.93), made_report(0.1), made_report(0.45), made_report(faces=()), BROKEN, video_report()]


@pytest.fixture(scope="module")
def batch_page(portrait, tmp_path_factory):
    pictures = {(0, 0): portrait, (1, 0): portrait, (2, 0): portrait, (5, 160): portrait}
    return page_of(batch(), tmp_path_factory.mktemp("page") / "report.html", pictures)


def check_sound(page):
    """What every page must hold to."""
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for _, attrs in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "data-layer"):
            assert not attrs.get(name) or attrs[name] in ids
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            if name in attrs:
                assert re.match(r"data:image/(jpeg|webp);base64,|#", attrs[name]), attrs[name][:60]
    assert all(attrs["href"][1:] in ids for attrs in page.all("a"))
    assert all("alt" in attrs for attrs in page.all("img"))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("script")) == 1
    assert {tag for tag, _ in page.elements}.isdisjoint({"link", "iframe", "object", "embed", "base", "form"})
    style = "".join(data for tag, data in page.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_batch_page_is_sound(batch_page):
    check_sound(batch_page)


def test_script_is_the_one_that_the_policy_allows(batch_page):
    policy = batch_page.all("meta")[1]["content"]
    script = "".join(data for tag, data in batch_page.texts if tag == "script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_summary_lists_every_file_in_order(batch_page):
    anchors = [a["href"] for a in batch_page.all("a") if re.fullmatch(r"#file-\d+", a["href"])]
    assert anchors == [f"#file-{i}" for i in range(1, 7)]
    counts = zip(VerdictLabel, (1, 2, 1, 2), strict=True)
    said = " ".join(f"{SYMBOLS[label]} {label.replace('_', ' ')} {count}" for label, count in counts)
    assert f"Summary {said} File" in batch_page.words


def test_each_verdict_has_words_shape_and_colour(batch_page):
    shown = [attrs["class"].split()[1] for attrs in batch_page.all("div", class_="verdict")]
    assert shown == ["fake", "real", "uncertain", "not_scored", "not_scored", "fake"]
    for label in VerdictLabel:
        assert HEADLINES[label] in batch_page.words
        assert SYMBOLS[label] in batch_page.words
    assert len({*SYMBOLS.values()}) == len(VerdictLabel)


def test_unscored_files_give_their_reason(batch_page):
    assert batch_page.words.count("Cannot be decoded: the file ends early.") == 2  # in the summary and at the file
    assert "SHA-256 not read" in batch_page.words


def test_page_for_one_file_has_no_summary(portrait, tmp_path):
    page = page_of([made_report(warnings=("small faces",))], tmp_path / "r.html", {(0, 0): portrait})
    check_sound(page)
    assert "Summary" not in page.words
    for text in (
        "Report on one picture",
        "portrait.jpg",
        "Traces of forgery found",
        "FAKE · score 0.93",
        "Small faces.",
        "About 5 in 100 genuine faces of the comparison set (held-out validation faces) reach the FAKE line at 0.62.",
        "Blended face reacted 0.93",
        "Mouth 0.71",
        "Saved again as JPEG, quality 75 0.89",
        "What supports this answer The score is at or above the line.",
        "What speaks against it or limits it The face is small",
        "c0ffee" * 10 + "abcd",
        "5eed" * 16,
        "square, 1.25 times the mesh box".capitalize(),
        "facewitness 0.1.0, numpy 2.3.0, openvino 2025.3",
        "decode 0.01 s",
        "How to read this report",
        "Limits",
    ):
        assert text in page.words, text


def test_empty_run_gives_a_page(tmp_path):
    page = page_of([], tmp_path / "r.html", {})
    check_sound(page)
    assert "There was no file to look at." in page.words


def test_callers_own_threshold_reads_well(portrait, tmp_path):
    point = OperatingPoint(0.7, math.nan, "not measured: threshold given by the caller", 0.7)
    report = made_report(0.8)
    report = dataclasses.replace(report, verdict=dataclasses.replace(report.verdict, operating_point=point))
    page = page_of([report], tmp_path / "r.html", {(0, 0): portrait})
    assert "The line at 0.70 was chosen by whoever ran this analysis." in page.words
    assert "nan" not in page.words.lower().split()
    zones = page.all("rect", class_="zone")
    assert [(z["class"], z["x"], z["width"]) for z in zones] == [
        ("zone real", "0.0%", "70.0%"),
        ("zone fake", "70.0%", "30.0%"),
    ]


def test_no_operating_point_is_said(portrait, tmp_path):
    verdict = Verdict(VerdictLabel.UNCERTAIN, 0.5, "no measured operating point")
    page = page_of([dataclasses.replace(made_report(), verdict=verdict)], tmp_path / "r.html", {(0, 0): portrait})
    assert "no line that a verdict could rest on" in page.words
    assert page.all("rect", class_="zone") == []


def hostile(value, text):
    """The same record with ``text`` put before each of its strings."""
    if isinstance(value, Enum) or value in ("image", "video", "unknown"):
        return value
    if isinstance(value, str):
        return text + value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: hostile(getattr(value, f.name), text) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(hostile(v, text) for v in value)
    if isinstance(value, dict):
        return {hostile(k, text): hostile(v, text) for k, v in value.items()}
    return value


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>'",
        "</style></title><svg onload=alert(1)>",
        "{{ 7 * 7 }}{% raw %}",
        "javascript:alert(1)//",
        "https://example.org/track?",
        "&lt;b&gt;",
    ],
)
def test_text_from_files_stays_text(text, portrait, tmp_path):
    reports = [hostile_report(text), hostile_report(text)]
    page = page_of(reports, tmp_path / "r.html", {(0, 160): portrait, (1, 160): portrait})
    check_sound(page)
    clean = page_of([hostile_report("x")] * 2, tmp_path / "c.html", {(0, 160): portrait, (1, 160): portrait})
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in clean.elements]
    assert page.words.count(text) + page.words.count(text.capitalize()) > 20


def hostile_report(text):
    sound = Finding("voice", 0.4, False, experts={"clone": 0.4}, stability={"mp3": 0.5})
    report = dataclasses.replace(video_report(warnings=("small",)), audio=sound, provenance={"issuer": "camera"})
    keep = [dataclasses.replace(face, verdict=hostile(face.verdict, text)) for face in report.faces]
    plain = dataclasses.replace(report, faces=(), schema_version="1.0")
    changed = hostile(plain, text)
    faces = tuple(dataclasses.replace(f, findings=tuple(hostile_finding(x, text) for x in f.findings)) for f in keep)
    return dataclasses.replace(changed, faces=faces)


def hostile_finding(finding, text):
    bare = dataclasses.replace(finding, heatmap=None, timeline=None, fired="")
    return dataclasses.replace(hostile(bare, text), heatmap=finding.heatmap, timeline=finding.timeline)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\u202egpj.exe", "a�gpj.exe"),
        ("bad\udcff\udc80name.png", "bad��name.png"),
        ("line\nbreak\x00\x1b[2J.jpg", "line break��[2J.jpg"),
        ("C:\\pictures\\Ölbild 写真.jpg", "Ölbild 写真.jpg"),
    ],
)
def test_odd_names_are_shown_without_effect(name, shown, portrait, tmp_path):
    page = page_of([made_report(path=name)], tmp_path / "r.html", {(0, 0): portrait})
    assert f"Picture {shown} " in page.words
    assert not re.search("[\u202a-\u202e\u2066-\u2069\ud800-\udfff\x00-\x08\x1b]", page.words)


def test_video_has_a_line_per_face_with_gaps(batch_page):
    runs = batch_page.all("polyline")
    assert [attrs["class"] for attrs in runs] == ["line s0"] * 3 + ["line s1"] * 2
    assert len(batch_page.all("circle", r="2.4")) == 29 + 25
    assert "Face 1: 29 of 32 frames scored" in batch_page.words
    assert "Where a line is broken" in batch_page.words
    assert "FAKE from 0.62" in batch_page.words
    assert "REAL below 0.30" in batch_page.words


def test_no_heatmap_shows_the_face_alone(portrait, tmp_path):
    face = made_face()
    bare = dataclasses.replace(face.findings[0], heatmap=None, regions=())
    face = dataclasses.replace(face, findings=(bare,))
    page = page_of([made_report(faces=[face])], tmp_path / "r.html", {(0, 0): portrait})
    check_sound(page)
    assert len(page.all("img")) == 2  # the frame, the face
    assert page.all("input") == []
    assert "Heat by region" not in page.words


def test_missing_pictures_leave_the_numbers(tmp_path):
    page = page_of([made_report(), video_report()], tmp_path / "r.html", {})
    check_sound(page)
    assert page.all("img") == []
    assert "No picture was kept for this report." in page.words
    assert "Mouth 0.71" in page.words


def test_unscored_face_gives_its_reason(portrait, tmp_path):
    verdict = Verdict(VerdictLabel.NOT_SCORED, None, "the face is 20 pixels across, at least 32 are needed")
    face = dataclasses.replace(made_face(), findings=(), verdict=verdict)
    page = page_of([dataclasses.replace(made_report(faces=[face]), verdict=verdict)], tmp_path / "r.html", {})
    check_sound(page)
    assert "The face is 20 pixels across, at least 32 are needed." in page.words


def test_many_faces_show_the_highest_in_full(portrait, tmp_path):
    corners = [(5 + 62 * (i % 8), 20 + 160 * (i // 8)) for i in range(20)]
    boxes = [np.array([x, y, x + 50, y + 70], np.float32) for x, y in corners]
    faces = [made_face(0.02 + 0.04 * i, box=box, track_id=i + 1) for i, box in enumerate(boxes)]
    page = page_of([made_report(0.78, faces=faces)], tmp_path / "r.html", {(0, 0): portrait})
    check_sound(page)
    assert len(page.all("span", class_="box")) == 20
    titles = [i for i in page.ids() if re.fullmatch(r"file-1-face-\d+", i)]
    assert titles == [f"file-1-face-{n}" for n in range(21 - MOST_DETAILED_FACES, 21)]
    assert "The other 14 faces, in short" in page.words


def test_boxes_lie_on_the_faces(portrait, tmp_path):
    page = page_of([made_report()], tmp_path / "r.html", {(0, 0): portrait})
    (box,) = page.all("span", class_="box")
    numbers = [float(n) for n in re.findall(r":([\d.]+)%", box["style"])]
    left, top, right, bottom = ASTRONAUT_BOX / 512 * 100
    np.testing.assert_allclose(numbers, [left, top, right - left, bottom - top], atol=0.01)


def test_overlay_covers_the_enlarged_face(portrait, tmp_path):
    page = page_of([made_report()], tmp_path / "r.html", {(0, 0): portrait})
    (layer,) = page.all("img", class_="heat")
    heat = picture_of(layer["src"])
    plain = picture_of(page.all("img")[1]["src"])
    assert heat.shape[2] == 4
    assert heat.shape[0] / heat.shape[1] == pytest.approx(plain.shape[0] / plain.shape[1], rel=0.02)
    # the ring of heat lies round the mouth: seen from the box, the middle at 0.5 and 0.5 + 1.25 * (0.64 - 0.5)
    weight = (heat[..., 3] > 128).astype(float)
    grid_y, grid_x = np.mgrid[0 : heat.shape[0], 0 : heat.shape[1]]
    side = 1.9 * 120
    left, top = 224 - side / 2, 122 - side / 2
    scale = heat.shape[1] / side
    wanted = ((224 - left) * scale, (122 + 1.25 * 120 * 0.14 - top) * scale)
    found = ((grid_x * weight).sum() / weight.sum(), (grid_y * weight).sum() / weight.sum())
    assert found == pytest.approx(wanted, abs=1.0)


def test_pictures_are_bounded(portrait, tmp_path):
    large = np.repeat(np.repeat(portrait, 6, axis=0), 6, axis=1)
    report = made_report(faces=[made_face(box=ASTRONAUT_BOX * 6)], size=(3072, 3072))
    page = page_of([report], tmp_path / "r.html", {(0, 0): large})
    sizes = [max(picture_of(img["src"]).shape[:2]) for img in page.all("img")]
    assert sizes[0] == 1200
    assert max(sizes[1:]) <= 480


def test_fifty_files_stay_small(portrait, tmp_path):
    noise = np.random.default_rng(0).normal(0, 6, (1024, 1024, 3))
    large = np.clip(np.repeat(np.repeat(portrait, 2, axis=0), 2, axis=1) + noise, 0, 255).astype(np.uint8)
    reports = [made_report(faces=[made_face(box=ASTRONAUT_BOX * 2)], size=(1024, 1024)) for _ in range(50)]
    write_html(reports, tmp_path / "r.html", {(i, 0): large for i in range(50)})
    assert (tmp_path / "r.html").stat().st_size < 10_000_000


class Watched(Mapping):
    """Pictures that count how often they are asked for."""

    def __init__(self, pictures):
        self.pictures, self.asked = pictures, []

    def __getitem__(self, key):
        self.asked.append(key)
        return self.pictures[key]

    def __iter__(self):
        return iter(self.pictures)

    def __len__(self):
        return len(self.pictures)


def test_each_picture_is_fetched_once_and_in_order(portrait, tmp_path):
    pictures = Watched({(i, 0): portrait for i in (2, 0, 1, 9)})
    write_html([made_report() for _ in range(3)], tmp_path / "r.html", pictures)
    assert pictures.asked == [(0, 0), (1, 0), (2, 0)]


def test_failure_half_way_keeps_the_old_page(portrait, tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(AttributeError):
        write_html([made_report(), made_report()], path, {(0, 0): portrait, (1, 0): "no picture"})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        write_html([made_report()], tmp_path / "none" / "r.html", {})


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(first, second):
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def colours_of(block):
    found = {name: tuple(bytes.fromhex(value)) for name, value in re.findall(r"--(\w+): #(\w{6})", block)}
    rgb = {n: tuple(int(v) for v in value.split(",")) for n, value in re.findall(r"--(\w+): rgb\(([^)]+)\)", block)}
    return found | rgb


def test_text_has_contrast_in_both_themes(batch_page):
    style = "".join(data for tag, data in batch_page.texts if tag == "style")
    light, dark = (colours_of(block) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2])
    for theme in (light, {**light, **dark}):
        for name in ("ink", "soft", "link", *(f"s{i}" for i in range(6))):
            assert contrast(theme[name], theme["paper"]) >= 4.5, name
        for label in VerdictLabel:
            assert contrast((255, 255, 255), theme[label.lower()]) >= 4.5, label
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
