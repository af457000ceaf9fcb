"""Reports go to the routes that the project names: the weekly digest when it is due, a case's when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.config.project import ProjectConfig
from trimtab.core.enums import Verdict
from trimtab.core.errors import BackendError
from trimtab.db.engine import machine_us
from trimtab.db.tables import check_result, notification, report
from trimtab.loop.reporting import mailing, printing
from trimtab.loop.reporting.mailing import mail_report, write_weekly
from trimtab.loop.reporting.making import make_report
from trimtab.remediation.store import load_incident
from trimtab.reports.store import ReportKind

_ROUTES = """
notifications:
  - {name: desk, url: "log://", min_severity: critical}
  - {name: boss, url: "log://", kinds: [alert]}
"""
_PROJECT = f"project: clinic\n{_ROUTES}"


def world_with(tmp_path: Path, reports: str) -> World:
    return make_world(tmp_path / "project", trimtab=f"{_PROJECT}reports: {reports}\n")


def sent(world: World) -> list[Any]:
    query = select(notification).where(notification.c.kind == "report").order_by(notification.c.route)
    return list(world.platform.database.read(lambda connection: connection.execute(query).all()))


def test_the_weekly_digest_is_written_when_its_moment_comes_and_mailed_once(tmp_path: Path) -> None:
    world = world_with(tmp_path, '{weekly: "0 6 * * mon", mail_to: [desk, boss]}')
    assert world.clock.now() == datetime(2030, 1, 1, tzinfo=UTC), "a Tuesday"
    assert not write_weekly(world.platform), "from now on it is waited for"
    world.clock.advance(timedelta(days=6, hours=5))
    assert not write_weekly(world.platform)
    world.clock.advance(timedelta(hours=2))
    assert write_weekly(world.platform)
    assert not write_weekly(world.platform)
    [desk] = [row for row in sent(world) if row.route == "desk"]
    assert [row.route for row in sent(world)] == ["boss", "desk"], "whatever severity and kinds they take"
    assert desk.attachment == "weekly/2030-01-07.html"
    assert (world.platform.project.reports / desk.attachment).is_file()
    [stored] = world.platform.database.read(lambda connection: connection.execute(select(report)).all())
    assert f"trimtab reports show {stored.id}" in desk.body


def test_what_was_missed_for_months_is_made_up_for_once(tmp_path: Path) -> None:
    world = world_with(tmp_path, '{weekly: "0 6 * * mon", mail_to: [desk]}')
    write_weekly(world.platform)
    world.clock.advance(timedelta(days=90))
    assert write_weekly(world.platform)
    assert not write_weekly(world.platform)
    [one] = sent(world)
    assert one.attachment == "weekly/2030-03-25.html"


def test_a_case_is_mailed_when_it_is_over_and_only_where_that_is_wanted(tmp_path: Path) -> None:
    world = world_with(tmp_path, "{mail_to: [desk], mailed: [incident]}")
    world.version(1)
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver()
    assert sent(world) == [], "it is still open"
    world.clock.advance(timedelta(hours=1))
    world.checked(world.check(Verdict.OK, column="age", value=0.1))
    world.deliver()
    [one] = sent(world)
    assert one.model == MODEL
    assert one.attachment.startswith("incident/")


def test_what_is_mailed_is_called_as_its_page_is(tmp_path: Path) -> None:
    world = world_with(tmp_path, "{mail_to: [desk], mailed: [incident, weekly]}")
    world.version(1)
    world.checked(world.check(Verdict.BREACH, column="age"))
    world.deliver()
    world.clock.advance(timedelta(hours=1))
    world.checked(world.check(Verdict.OK, column="age", value=0.1))
    world.deliver()
    [one] = sent(world)
    with world.platform.database.reading() as connection:
        case = load_incident(connection, Path(one.attachment).stem)
    assert one.title == f"incident report: {case.title}"


def test_a_message_waits_for_the_pdf_of_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with(tmp_path, "{mail_to: [desk], pdf: true, mailed: [weekly]}")
    monkeypatch.setattr(printing, "print_page", lambda _page, target: target.write_bytes(b"%PDF-1.7"))
    made = make_report(world.platform, ReportKind.WEEKLY, "2030-01-07")
    before_us = machine_us()
    with world.platform.database.transaction() as connection:
        mail_report(connection, world.platform, made, model=None)
    [waits] = sent(world)
    assert waits.attachment == "weekly/2030-01-07.html", "what it leaves with if nobody prints"
    assert before_us + 100_000_000 < waits.available_us < before_us + 180_000_000
    assert printing.print_due(world.platform)
    [one] = sent(world)
    assert (one.attachment, one.available_us) == ("weekly/2030-01-07.pdf", 0)
    again = make_report(world.platform, ReportKind.WEEKLY, "2030-01-07")
    with world.platform.database.transaction() as connection:
        mail_report(connection, world.platform, again, model=None)
    assert len(sent(world)) == 1, "the same page"


def test_a_page_that_cannot_be_printed_leaves_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with(tmp_path, "{mail_to: [desk], pdf: true, mailed: [weekly]}")

    def fails(_page: Path, _target: Path) -> None:
        raise BackendError("report weekly: cannot be printed; read the page itself")

    monkeypatch.setattr(printing, "print_page", fails)
    made = make_report(world.platform, ReportKind.WEEKLY, "2030-01-07")
    with world.platform.database.transaction() as connection:
        mail_report(connection, world.platform, made, model=None)
    assert printing.print_due(world.platform)
    [one] = sent(world)
    assert (one.attachment, one.available_us) == ("weekly/2030-01-07.html", 0)


def test_nothing_is_mailed_unless_somebody_wants_it(tmp_path: Path) -> None:
    world = world_with(tmp_path, "{mailed: [weekly, incident, deployment]}")
    made = make_report(world.platform, ReportKind.WEEKLY, "2030-01-07")
    with world.platform.database.transaction() as connection:
        mail_report(connection, world.platform, made, model=None)
    assert sent(world) == []


def test_what_is_too_large_is_told_of_and_not_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with(tmp_path, "{mail_to: [desk]}")
    monkeypatch.setattr(mailing, "MOST_ATTACHED_BYTES", 100)
    made = make_report(world.platform, ReportKind.WEEKLY, "2030-01-07")
    for _ in range(2):
        with world.platform.database.transaction() as connection:
            mail_report(connection, world.platform, made, model=None)
    [one] = sent(world)
    assert one.attachment is None
    assert "more than 100" in one.body


def test_a_digest_that_cannot_be_written_is_told_of_and_not_tried_for_ever(tmp_path: Path) -> None:
    world = world_with(tmp_path, '{weekly: "0 6 * * mon", mail_to: [desk]}')
    write_weekly(world.platform)
    world.version(1)
    world.checked(world.check(Verdict.OK, column="age"))
    world.clock.advance(timedelta(days=7))
    with world.platform.database.transaction() as connection:
        connection.execute(update(check_result).values(verdict="odd"))
    assert write_weekly(world.platform)
    assert not write_weekly(world.platform)
    [one] = sent(world)
    assert one.title == "weekly report: 2030-01-07 could not be written"
    assert "trimtab reports make weekly 2030-01-07" in one.body
    assert one.attachment is None


def test_a_digest_that_the_database_hinders_stays_due(tmp_path: Path) -> None:
    world = world_with(tmp_path, '{weekly: "0 6 * * mon", mail_to: [desk]}')
    write_weekly(world.platform)
    world.clock.advance(timedelta(days=7))
    with world.platform.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE incident RENAME TO elsewhere")
    with pytest.raises(BackendError):
        write_weekly(world.platform)
    assert sent(world) == []
    with world.platform.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO incident")
    assert write_weekly(world.platform)
    assert [one.attachment for one in sent(world)] == ["weekly/2030-01-07.html"]


def test_a_route_that_is_none_is_refused() -> None:
    wrong = {"project": "clinic", "reports": {"mail_to": ["desk"]}}
    with pytest.raises(ValueError, match=r"mail_to: found 'desk'; expected routes of notifications"):
        ProjectConfig.model_validate(wrong)
    with pytest.raises(ValueError, match="no cron expression"):
        ProjectConfig.model_validate({"project": "clinic", "reports": {"weekly": "mondays"}})
