"""Reports are one file, well formed, complete, and show hostile text as text."""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from sqlalchemy import select
from tests.unit.reports.pages import read

from trimtab.core.enums import Verdict
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.engine import Database
from trimtab.db.tables import report
from trimtab.reports.deployment import DeploymentReportData, deployment_report
from trimtab.reports.evidence import AuditProof
from trimtab.reports.incident import ColumnChartData, IncidentReportData, incident_report
from trimtab.reports.store import (
    ReportFormat,
    ReportKind,
    StoredFile,
    StoredReport,
    find_report,
    note_printed,
    record_report,
    report_file,
    reports,
    unprinted,
    write_report,
)
from trimtab.reports.wording import time_text


def test_an_incident_report_tells_all_that_it_was_given(incident: IncidentReportData) -> None:
    page = read(incident_report(incident))
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


def test_each_action_says_whether_it_helped(incident: IncidentReportData) -> None:
    quarantine, retrain = incident.actions
    failed = replace(quarantine, helped=Verdict.BREACH, found="chol still breaches")
    text = read(incident_report(replace(incident, actions=(failed, retrain)))).text
    assert text.index("Did it help? Breach chol still breaches") > text.index("A feed that changed its units")
    assert "Decided by ada" in text


def test_what_helped_and_came_back_is_not_left_at_ok(incident: IncidentReportData) -> None:
    assert incident.verification is not None
    again_us = incident.opened_us + 3 * 3_600_000_000
    back = replace(incident, verification=replace(incident.verification, came_back_us=again_us))
    text = read(incident_report(back)).text
    assert f"That was so then. The case was opened again: {time_text(again_us)}." in text
    assert "it came back" in text
    assert "opened again" not in read(incident_report(incident)).text


def test_where_only_the_window_is_known_no_moment_is_claimed(incident: IncidentReportData) -> None:
    assert incident.diagnosis is not None
    seen = replace(incident, diagnosis=replace(incident.diagnosis, since_window=True))
    text = read(incident_report(seen)).text
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
    text = read(incident_report(bare)).text
    for told in ("Still open", "No diagnosis was made.", "No action was taken.", "Nothing was recorded."):
        assert told in text


def test_each_version_has_its_own_limit(incident: IncidentReportData) -> None:
    [quality] = incident.quality
    assert incident_report(incident).count(">limit<") == 1, "one line through all"
    limits = tuple((at_us, 0.75 if place < 12 else 0.7) for place, (at_us, _) in enumerate(quality.points))
    page = incident_report(replace(incident, quality=(replace(quality, limits=limits),)))
    assert 'class="chart-limit"' in page
    text = read(page).text
    assert "0.75" in text
    assert "0.7" in text


def test_a_deployment_report_tells_all_that_it_was_given(deployment: DeploymentReportData) -> None:
    page = read(deployment_report(deployment))
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
    text = read(deployment_report(first)).text
    assert "the first deployment" in text
    assert "No approval was needed or given." in text


def test_a_chain_that_does_not_verify_is_shouted(deployment: DeploymentReportData) -> None:
    proof = AuditProof(sequences=(), head_sequence=3, head_hash="0" * 64, verified=False)
    assert "did NOT verify" in read(deployment_report(replace(deployment, audit=proof))).text


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
    page = read(html)
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
    def written(kind: ReportKind, html: str) -> Path:
        return write_report(tmp_path, kind, "i1", html)

    with database.transaction() as connection:
        kind, other_kind = ReportKind.INCIDENT, ReportKind.DEPLOYMENT
        first = record_report(connection, kind=kind, subject="i1", path=written(kind, "<p>"), at_us=1)
        again = record_report(connection, kind=kind, subject="i1", path=written(kind, "<p>more"), at_us=2)
        other = record_report(connection, kind=other_kind, subject="i1", path=written(other_kind, "<p>"), at_us=3)
        assert (again.id, str(again.path), again.at_us) == (first.id, "incident/i1.html", 2)
        assert again.files[ReportFormat.HTML].size_bytes == 7
        assert again.files[ReportFormat.HTML].digest != first.files[ReportFormat.HTML].digest
        assert reports(connection) == [other, again]
        assert reports(connection, kind=kind) == [again]
        assert len(connection.execute(select(report)).all()) == 2


def test_a_pdf_is_that_of_the_page_it_was_printed_from(database: Database, tmp_path: Path) -> None:
    kind, pdf = ReportKind.INCIDENT, StoredFile(10, "d" * 64)

    def entered(html: str) -> StoredReport:
        path = write_report(tmp_path, kind, "i1", html)
        with database.transaction() as connection:
            return record_report(connection, kind=kind, subject="i1", path=path, at_us=1)

    old = entered("<p>")
    assert database.read(unprinted) == old
    with database.transaction() as connection:
        assert note_printed(connection, old, file=pdf).files[ReportFormat.PDF] == pdf
    assert database.read(unprinted) is None
    new = entered("<p>new")
    assert ReportFormat.PDF not in new.files
    assert database.read(unprinted) == new
    with pytest.raises(ConflictError, match="written anew"), database.transaction() as connection:
        note_printed(connection, old, file=pdf)
    with database.transaction() as connection:
        note_printed(connection, new, error="no font")
    assert database.read(unprinted) is None, "the same page is not tried again"
    assert database.read(lambda connection: find_report(connection, new.id)).unprinted == "no font"
    assert entered("<p>new").unprinted == "no font"


def test_a_row_leads_to_no_file_but_its_own_report(database: Database, tmp_path: Path) -> None:
    folder, secret = tmp_path / "reports", tmp_path / "secret.html"
    secret.write_text("secret")
    path = write_report(folder, ReportKind.INCIDENT, "i1", "<p>")
    with database.transaction() as connection:
        found = record_report(connection, kind=ReportKind.INCIDENT, subject="i1", path=path, at_us=1)
    assert report_file(folder, found, ReportFormat.HTML) == path
    for hostile in ("../../secret.html", "/etc/passwd", str(secret), "incident/../../secret.html"):
        with pytest.raises(NotFoundError, match="not there any more"):
            report_file(folder, replace(found, path=PurePosixPath(hostile)), ReportFormat.HTML)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(NotFoundError, match="not there any more"):
        report_file(folder, found, ReportFormat.HTML)
    with pytest.raises(NotFoundError, match="there is no PDF of it"):
        report_file(folder, found, ReportFormat.PDF)


def test_a_folder_that_is_a_link_is_not_followed(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    path = write_report(tmp_path / "elsewhere", ReportKind.INCIDENT, "i1", "<p>")
    with database.transaction() as connection:
        found = record_report(connection, kind=ReportKind.INCIDENT, subject="i1", path=path, at_us=1)
    folder.mkdir()
    (folder / "incident").symlink_to(path.parent)
    with pytest.raises(NotFoundError):
        report_file(folder, found, ReportFormat.HTML)


def test_a_long_subject_is_kept_apart_from_another(database: Database, tmp_path: Path) -> None:
    path = write_report(tmp_path, ReportKind.DRIFT, "x", "<p>")
    with database.transaction() as connection:
        made = [
            record_report(connection, kind=ReportKind.DRIFT, subject="x" * length, path=path, at_us=length)
            for length in (300, 301)
        ]
    assert made[0].subject != made[1].subject
    assert all(len(one.subject) <= 200 for one in made)
