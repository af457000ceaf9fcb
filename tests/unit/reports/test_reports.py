"""Reports are one file, well formed, complete, and show hostile text as text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import select

from trimtab.db.engine import Database
from trimtab.db.tables import report
from trimtab.reports.deployment import DeploymentReportData, deployment_report
from trimtab.reports.evidence import AuditProof
from trimtab.reports.incident import ColumnChartData, IncidentReportData, incident_report
from trimtab.reports.store import ReportKind, record_report, reports, write_report

_VOID = {"meta", "br", "line", "rect", "circle", "path", "link", "img"}


class _Page(HTMLParser):
    """Reads a page as a browser does: which tags are open, what text is shown, which ids and addresses there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [value for name, value in attrs if name in {"src", "href"} and value]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data.strip()}" if data.strip() else ""


def _read(html: str) -> _Page:
    page = _Page(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.addresses == []
    assert "script" not in page.tags
    return page


def test_an_incident_report_tells_all_that_it_was_given(incident: IncidentReportData) -> None:
    page = _read(incident_report(incident))
    for told in (
        incident.title,
        incident.summary,
        "Unit change",
        "÷ 38.67",
        "No other column moved.",
        "6 rows of another feed kept the old unit.",
        "rows learnt wrongly",
        "rule: a unit change quarantines the feed",
        "nobody had to: the policy allows it",
        "drift of chol",
        "12–14, 19",
        "9f" * 32,
        "after 1 h 40 min",
        "found after 20 min",
    ):
        assert told in page.text, told
    assert page.text.rindex("chol changed its unit") < page.text.rindex("incident closed")


def test_where_only_the_window_is_known_no_moment_is_claimed(incident: IncidentReportData) -> None:
    assert incident.diagnosis is not None
    seen = replace(incident, diagnosis=replace(incident.diagnosis, since_window=True))
    text = _read(incident_report(seen)).text
    assert "First seen in the window from" in text
    assert "Began" not in text
    assert "found after" not in text


def test_an_incident_that_is_open_and_not_understood_says_so(incident: IncidentReportData) -> None:
    bare = replace(
        incident,
        closed_us=None,
        state="open",
        diagnosis=None,
        actions=(),
        verification=None,
        columns=(),
        quality=(),
        timeline=(),
        audit=None,
    )
    text = _read(incident_report(bare)).text
    for told in ("Still open", "No diagnosis was made.", "No action was taken.", "Nothing was recorded."):
        assert told in text


def test_a_deployment_report_tells_all_that_it_was_given(deployment: DeploymentReportData) -> None:
    page = _read(deployment_report(deployment))
    for told in (
        deployment.summary,
        "95 % interval",
        "−0.29 … −0.21",
        "no difference shown",
        "better",
        "41 of 200 requests",
        "retrain, and release if better",
        "d41d8cd98f00b204e9800998ecf8427e",
        "17 520",
        "after 1 h 35 min",
        "Promoted",
    ):
        assert told in page.text, told


def test_a_first_deployment_has_nothing_to_compare_with(deployment: DeploymentReportData) -> None:
    first = replace(deployment, old=None, comparison=(), steps=(), approvals=())
    text = _read(deployment_report(first)).text
    assert "the first deployment" in text
    assert "No approval was needed or given." in text


def test_a_chain_that_does_not_verify_is_shouted(deployment: DeploymentReportData) -> None:
    proof = AuditProof(sequences=(), head_sequence=3, head_hash="0" * 64, verified=False)
    assert "did NOT verify" in _read(deployment_report(replace(deployment, audit=proof))).text


def test_hostile_text_is_shown_and_not_obeyed(incident: IncidentReportData) -> None:
    hostile = "</title></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    data = replace(
        incident,
        title=hostile,
        columns=(ColumnChartData(hostile, incident.columns[0].points, 1, 2, 3, unit=hostile),),
        timeline=tuple(replace(entry, what=hostile, actor=hostile) for entry in incident.timeline),
        markers=tuple(replace(marker, name=hostile) for marker in incident.markers),
    )
    html = incident_report(data)
    page = _read(html)
    assert "img" not in page.tags
    assert not re.search(r"<[^>]*onerror", html)
    assert "<script>alert(1)</script>" in page.text


def test_reports_need_nothing_from_elsewhere(incident: IncidentReportData, deployment: DeploymentReportData) -> None:
    for html in (incident_report(incident), deployment_report(deployment)):
        assert "http://" not in html
        assert "https://" not in html
        assert "url(" not in html


@pytest.mark.parametrize(
    ("subject", "name"),
    [("019c-ab", "019c-ab.html"), ("../../etc/passwd", "etc-passwd-*.html"), ("...", "*.html"), ("a/b", "a-b-*.html")],
)
def test_a_report_stays_in_its_folder_whatever_its_subject(tmp_path: Path, subject: str, name: str) -> None:
    path = write_report(tmp_path, ReportKind.INCIDENT, subject, "<p>")
    assert list((tmp_path / "incident").glob(name)) == [path]
    assert path.read_text() == "<p>"
    assert list(tmp_path.iterdir()) == [tmp_path / "incident"]


def test_subjects_that_look_alike_have_files_of_their_own(tmp_path: Path) -> None:
    subjects = ["a/b", "a-b", "a\\b", "a b", "x" * 300, "x" * 301]
    assert len({write_report(tmp_path, ReportKind.DEPLOYMENT, subject, subject) for subject in subjects}) == 6


def test_a_newer_report_takes_the_place_of_the_older(database: Database, tmp_path: Path) -> None:
    with database.transaction() as connection:
        first = record_report(connection, kind=ReportKind.INCIDENT, subject="i1", path=tmp_path / "a", at_us=1)
        again = record_report(connection, kind=ReportKind.INCIDENT, subject="i1", path=tmp_path / "b", at_us=2)
        other = record_report(connection, kind=ReportKind.DEPLOYMENT, subject="i1", path=tmp_path / "c", at_us=3)
        assert (again.id, again.path, again.at_us) == (first.id, tmp_path / "b", 2)
        assert reports(connection) == [other, again]
        assert len(connection.execute(select(report)).all()) == 2
