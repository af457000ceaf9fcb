"""People hear of a case when it opens, gets louder, stays, and is over; whom, the model's reporters say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World, make_project

from trimtab.config.notifications import NotificationRoute
from trimtab.core.enums import Role, Severity, Verdict
from trimtab.core.errors import ConfigError
from trimtab.db.tables import notification
from trimtab.loop.actor import Actor
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.model_files import load_model_files
from trimtab.loop.operation import perform
from trimtab.loop.reporters import addressed, case_files, tell_open_cases_again
from trimtab.monitoring.reporters import Reporters
from trimtab.notify.message import Message
from trimtab.remediation.store import create_incident, list_incidents

_DANA = Actor("dana", Role.APPROVER)
_ROUTES = (
    NotificationRoute(name="team", url="log://"),
    NotificationRoute(name="on-call", url="log://", min_severity=Severity.HIGH),
)
_BREACH, _OK = Verdict.BREACH, Verdict.OK


def _told(world: World) -> list[str]:
    """What was told of the case, oldest first: the titles up to the endpoint's name."""
    query = select(notification.c.title).order_by(notification.c.id)
    titles = world.platform.database.read(lambda c: c.execute(query).scalars().all())
    return [title.partition(":")[0].removeprefix("incident ") for title in titles if title.startswith("incident ")]


def _checked(
    world: World, verdict: Verdict, *, column: str | None = None, severity: Severity = Severity.MEDIUM
) -> None:
    world.checked(replace(world.check(verdict, column=column), severity=severity))
    world.deliver("incidents", "messages")


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_case_is_told_when_it_opens_gets_louder_stays_and_is_over(world: World) -> None:
    _checked(world, _BREACH)
    assert _told(world) == ["opened"]
    for _ in range(3):
        world.clock.advance(timedelta(hours=1))
        _checked(world, _BREACH, column="age")
        assert not tell_open_cases_again(world.platform)
    assert _told(world) == ["opened"], "what joins without being louder is quiet, and so is what goes on"

    world.clock.advance(timedelta(hours=1))
    _checked(world, _BREACH, column="chol", severity=Severity.HIGH)
    assert _told(world) == ["opened", "is louder"]

    for _ in range(2):
        world.clock.advance(timedelta(hours=23))
        assert not tell_open_cases_again(world.platform)
        world.clock.advance(timedelta(hours=1))
        assert tell_open_cases_again(world.platform)
        assert not tell_open_cases_again(world.platform), "told once"
        world.deliver("messages")
    assert _told(world) == ["opened", "is louder", "is still open", "is still open"]

    for column in (None, "age", "chol"):
        world.clock.advance(timedelta(hours=1))
        _checked(world, _OK, column=column)
    assert _told(world)[4:] == ["recovered"]
    world.clock.advance(timedelta(days=3))
    assert not tell_open_cases_again(world.platform)


def test_all_open_cases_are_told_again_also_behind_many_newer_ones(world: World) -> None:
    _checked(world, _BREACH)
    [oldest] = world.platform.database.read(lambda c: list_incidents(c, open_only=True))
    now_us = world.platform.now_us()
    with world.platform.database.transaction() as connection:
        for number in range(60):
            newer = replace(oldest, id=f"i{number}", endpoint=f"e{number}", opened_us=now_us + 1, told_us=now_us * 2)
            create_incident(connection, newer)
    world.clock.advance(timedelta(days=2))
    assert tell_open_cases_again(world.platform)
    world.deliver("messages")
    assert _told(world) == ["opened", "is still open"]


def test_a_model_whose_files_cannot_be_read_is_told_of_all_the_same(world: World) -> None:
    (world.platform.project.model_folder(MODEL) / "monitoring_config.yaml").write_text("monitors: 5")
    _checked(world, _BREACH)
    assert _told(world) == ["opened"]


@pytest.mark.parametrize(
    ("routes", "severity", "heard"),
    [
        ({}, Severity.MEDIUM, ["team"]),
        ({}, Severity.HIGH, ["team", "on-call"]),
        ({Severity.MEDIUM: ("on-call",)}, Severity.MEDIUM, ["on-call"]),
        ({Severity.MEDIUM: ("on-call",)}, Severity.HIGH, ["team", "on-call"]),
        ({Severity.LOW: ()}, Severity.LOW, []),
    ],
)
def test_reporters_say_who_hears_and_else_the_routes_do(
    routes: dict[Severity, tuple[str, ...]], severity: Severity, heard: list[str]
) -> None:
    message = Message("recovered", "", Severity.LOW, "k", model=MODEL)
    found = addressed(message, severity, Reporters(routes=routes), _ROUTES)
    assert [one.route for one in found] == heard
    assert {one.severity for one in found} <= {Severity.LOW}


def test_a_reporter_that_is_no_route_is_named_with_its_line(tmp_path: Path) -> None:
    content = "window: 7d\nmonitors: [{type: data_drift}]\nreporters:\n  routes:\n    high: [on-call, nobody]\n"
    project = make_project(tmp_path, monitoring_config=content)
    with pytest.raises(ConfigError, match=r"monitoring_config.yaml:5: .*'nobody'.*on-call"):
        load_model_files(project, MODEL)


def test_rows_quarantined_again_for_the_same_columns_are_told_once_a_day(world: World) -> None:
    def quarantined(hours: int, row: str) -> int:
        world.clock.advance(timedelta(hours=hours))
        path = world.platform.project.root / "rows.csv"
        path.write_text(f"row_id,age,chol,sex,disease\nsound-{row[0]},40,200,male,yes\n{row}\n")
        perform(world.platform, _DANA, "data.ingest", {"model": MODEL, "path": str(path)})
        Ingestion(world.platform).run()
        world.deliver("messages")
        return len(world.platform.database.read(lambda c: c.execute(select(notification.c.id)).all()))

    assert quarantined(1, "a,999,200,male,yes") == 1
    assert quarantined(1, "b,998,200,male,yes") == 1
    assert quarantined(1, "c,50,9000,male,yes") == 2, "another column"
    assert quarantined(24, "d,997,200,male,yes") == 3


def test_alerts_alike_on_both_sides_of_midnight_are_told_once(world: World) -> None:
    reasons = {"age: above 120": 3}
    payload = {"model": MODEL, "kind": "rows_quarantined", "title": "rows", "severity": "high", "reasons": reasons}

    def told_after(minutes: int) -> int:
        world.clock.advance(timedelta(minutes=minutes))
        with world.platform.database.transaction() as connection:
            world.platform.publish(connection, "alert.raised", f"model:{MODEL}", payload)
        world.deliver("messages")
        return len(world.platform.database.read(lambda c: c.execute(select(notification.c.id)).all()))

    assert told_after(24 * 60 - 5) == 1, "the clock of the world begins at midnight"
    assert told_after(10) == 1
    assert told_after(23 * 60) == 1
    assert told_after(60) == 2, "a day after the first"
    assert told_after(60) == 2
    assert told_after(24 * 60) == 3


def test_a_case_of_no_model_of_ours_is_no_fault_of_a_file(world: World) -> None:
    with capture_logs() as logged:
        assert case_files(world.platform, "-platform-").endpoint == "-platform-"
    assert logged == []
    (world.platform.project.model_folder(MODEL) / "monitoring_config.yaml").write_text("monitors: none")
    with capture_logs() as logged:
        assert case_files(world.platform, MODEL).endpoint == MODEL
    assert [entry["event"] for entry in logged] == ["reporters.unreadable"]
