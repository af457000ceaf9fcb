"""Reports over HTTP and by the command line: fetched by id, as what they are, and never anything else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.integration.office import SOME_ID, Office, is_problem, opened_office
from tests.integration.small_project import MODEL

from trimtab.core.enums import Role


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened_office(tmp_path_factory.mktemp("project")) as opened:
        yield opened


def as_(office: Office, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {office.keys[role]}"}


def made(office: Office) -> dict[str, object]:
    asked = {"kind": "drift", "subject": MODEL}
    answer = office.client.post("/api/reports", json=asked, headers=as_(office, Role.OPERATOR))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def file_of(office: Office, report_id: object, role: Role = Role.VIEWER, **query: str) -> httpx.Response:
    return office.client.get(f"/api/reports/{report_id}/file", params=query, headers=as_(office, role))


def test_a_report_is_fetched_by_its_id_as_a_page_that_can_do_nothing(office: Office) -> None:
    report = made(office)
    answer = file_of(office, report["report_id"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text.startswith("<!doctype html>")
    listed = office.client.get("/api/reports", headers=as_(office, Role.VIEWER)).json()["reports"]
    assert [one["path"] for one in listed] == [report["path"]]
    assert not str(report["path"]).startswith("/"), "where the server keeps its files is nobody's business"


def test_what_is_not_there_is_told_and_nothing_else_is_given(office: Office) -> None:
    report = made(office)
    assert is_problem(file_of(office, report["report_id"], format="pdf"), 404)
    assert is_problem(file_of(office, SOME_ID), 404)
    for hostile in ("..%2f..%2ftrimtab.yaml", "%2e%2e", "x" * 300, "a%00b"):
        answer = office.client.get(f"/api/reports/{hostile}/file", headers=as_(office, Role.VIEWER))
        assert answer.status_code in {404, 422}, hostile
    assert is_problem(file_of(office, report["report_id"], format="../x"), 422)
    refused = office.client.post(
        "/api/reports", json={"kind": "drift", "subject": MODEL}, headers=as_(office, Role.VIEWER)
    )
    assert is_problem(refused, 403)


def test_a_file_that_was_exchanged_for_a_link_is_not_given(office: Office) -> None:
    report = made(office)
    path = office.plane.project / ".trimtab" / "reports" / str(report["path"])
    path.unlink()
    path.symlink_to(office.plane.project / "trimtab.yaml")
    assert is_problem(file_of(office, report["report_id"]), 404)


def test_the_command_line_fetches_what_the_control_plane_made(office: Office, tmp_path: Path) -> None:
    report = made(office)
    out = tmp_path / "report.html"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trimtab.cli", "reports", *arguments, "--project", str(office.plane.project)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    told = json.loads(run("show", str(report["report_id"]), "--out", str(out), "--json").stdout)
    assert out.read_text("utf-8") == Path(told["path"]).read_text("utf-8")
    assert told["out"] == str(out)
    missing = run("show", str(report["report_id"]), "--pdf", "--out", str(tmp_path / "x.pdf"))
    assert missing.returncode == 3
    assert "there is no PDF of it" in missing.stderr
    assert not (tmp_path / "x.pdf").exists()
