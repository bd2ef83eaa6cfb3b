"""The page in a real browser: its script runs, nothing else does, and it fits a phone."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from facewitness.reports.html import write_html
from made_reports import ASTRONAUT_BOX, astronaut, made_face, made_report

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not BROWSER, reason="no chromium, chromium-browser or google-chrome on the PATH"),
]
HOSTILE = "\"><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def browse(tmp_path, *arguments):
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files", *arguments),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    faces = [made_face(0.9, frames=16, gap=(5,)), made_face(0.1, box=ASTRONAUT_BOX + 8, track_id=2, frames=16)]
    name = HOSTILE + "long_name_without_a_space" * 5
    reports = [made_report(0.9, path=name, faces=faces, kind="video"), made_report(0.1), made_report(faces=())]
    write_html(reports, path, {(0, 80): astronaut(), (1, 0): astronaut()})
    return path


def test_only_its_own_script_runs(page, tmp_path):
    dom = browse(tmp_path, "--dump-dom", page.as_uri())
    assert re.search(r'<html[^>]*class="js"', dom)
    assert "<title>3 files" in dom


@pytest.mark.parametrize("width", [320, 390, 800, 1400])
def test_nothing_sticks_out_sideways(page, tmp_path, width):
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="{page.as_uri()}" style="border:0" width="{width}" height="900"></iframe>'
        "<p id=p></p><script>f.onload = () => { p.textContent = 'wide ' + "
        "f.contentDocument.documentElement.scrollWidth; }</script>"
    )
    dom = browse(tmp_path, "--dump-dom", f"--window-size={width + 200},1000", frame.as_uri())
    found = re.search(r"wide (\d+)", dom)
    assert found, dom[-300:]
    assert int(found[1]) <= width


def test_prints(page, tmp_path):
    paper = tmp_path / "report.pdf"
    browse(tmp_path, f"--print-to-pdf={paper}", page.as_uri())
    assert paper.read_bytes().startswith(b"%PDF-")
    assert paper.stat().st_size > 50_000
