"""A printed report shows its charts in their colours, reads nothing but its page, and is the same each time."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from trimtab.reports import pdf
from trimtab.reports.incident import IncidentReportData, incident_report
from trimtab.reports.inks import INKS

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("weasyprint", reason="the extra 'reports' is not installed")


def printed(page: Path, target: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", *options, pdf.__file__, str(page), str(target)],
        capture_output=True,
        check=True,
        timeout=120,
        env={"HOME": str(page.parent)},
    )
    return dict(json.loads(done.stdout))


def colours(path: Path) -> set[tuple[int, ...]]:
    """Every colour that something is filled or stroked with, as RGB of 0 to 255."""
    found = set()
    for page in pypdf.PdfReader(path).pages:
        content = page.get_contents().get_data().decode("latin-1")
        # What has some transparency is drawn by itself: its colours stand there.
        forms = page["/Resources"].get("/XObject", {})
        content += "".join(form.get_object().get_data().decode("latin-1") for form in forms.values())
        for rgb in re.findall(r"([0-9.]+) ([0-9.]+) ([0-9.]+) (?:rg|RG|scn|SCN)\b", content):
            found.add(tuple(round(255 * float(part)) for part in rgb))
    return found


def rgb_of(ink: str) -> tuple[int, ...]:
    [code] = set(re.findall(r"#([0-9a-f]{6})", INKS[ink]))
    return tuple(bytes.fromhex(code))


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server of this machine, and the paths that anybody asked it for."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


def test_charts_are_printed_in_their_colours_and_the_same_page_gives_the_same_bytes(
    incident: IncidentReportData, tmp_path: Path
) -> None:
    page = tmp_path / "in.html"
    page.write_text(incident_report(incident), encoding="utf-8")
    told = [printed(page, tmp_path / name) for name in ("a.pdf", "b.pdf")]
    assert told[0] == told[1]
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert told[0]["size_bytes"] == (tmp_path / "a.pdf").stat().st_size
    assert {path.name for path in tmp_path.iterdir()} >= {"in.html", "a.pdf", "b.pdf"}
    assert not list(tmp_path.glob(".*.partial"))

    document = pypdf.PdfReader(tmp_path / "a.pdf")
    assert len(document.pages) == told[0]["pages"]
    text = " ".join(" ".join(page.extract_text() for page in document.pages).split())
    for expected in (incident.title, "Unit change", "What it looked like", "reference, 5–95 %", "entry 19"):
        assert expected in text, expected
    assert f"{told[0]['pages']} / {told[0]['pages']}" in text

    shown = colours(tmp_path / "a.pdf")
    for ink in ("chart-main", "chart-second", "chart-limit", "chart-grid", "chart-tick", "chart-band"):
        assert rgb_of(ink) in shown, ink
    assert (0, 0, 0) not in shown, "what has no colour of its own is printed black"


def test_a_page_gets_nothing_from_the_network_or_the_disk(asked: tuple[str, list[str]], tmp_path: Path) -> None:
    url, paths = asked
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="{}"/></svg>'
    )
    secret = tmp_path / "secret.svg"
    secret.write_text(picture.format("#ff00ff"))
    own = quote(picture.format("#00ff00"))
    page = tmp_path / "in.html"
    page.write_text(
        f"<style>@import '{url}/style.css'; p {{ background: url({secret.as_uri()}) }}</style>"
        f"<img src='{url}/a.png'><img src='{secret.as_uri()}'><img src='secret.svg'><p>text</p>"
        f"<object data='{url}/b'></object><link rel=stylesheet href='{url}/c.css'>"
        f"<img src='data:image/svg+xml,{own}'>"
    )
    assert printed(page, tmp_path / "out.pdf")["pages"] == 1
    assert paths == []
    shown = colours(tmp_path / "out.pdf")
    assert (0, 255, 0) in shown, "what stands in the page is shown"
    assert (255, 0, 255) not in shown


def test_names_of_any_kind_are_printed(incident: IncidentReportData, tmp_path: Path) -> None:
    name = "\u202eabc\u05d0\u05d1 🚲 \x00\x1b[31m " + "x" * 300 + "<b>"
    page = tmp_path / "in.html"
    page.write_text(incident_report(replace(incident, title=name, summary=name)), encoding="utf-8")
    assert "error" not in printed(page, tmp_path / "out.pdf")


def test_without_weasyprint_it_says_what_is_missing_and_leaves_nothing(tmp_path: Path) -> None:
    page = tmp_path / "in.html"
    page.write_text("<p>text</p>")
    # Without the folder of installed packages.
    assert "weasyprint" in printed(page, tmp_path / "out.pdf", "-S")["missing"]
    assert list(tmp_path.iterdir()) == [page]


def test_a_page_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    assert "FileNotFoundError" in printed(tmp_path / "none.html", tmp_path / "out.pdf")["error"]
    assert list(tmp_path.glob("*.pdf")) == []
