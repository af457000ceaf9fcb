"""Alerts of others become cases, once each, whatever their sender repeats."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.conftest import BOTH
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, World

from trimtab.core.clock import to_micros
from trimtab.core.enums import Role, Severity, Verdict
from trimtab.db.tables import audit_entry, notification
from trimtab.loop.actor import Actor
from trimtab.loop.operations.status import show_status
from trimtab.loop.outside_alerts import OutsideAlert, Taken, files_named, take_alerts
from trimtab.loop.requests import Nothing
from trimtab.remediation.external import NO_MODEL
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.kinds import DiagnosisKind, Family
from trimtab.remediation.store import list_alerts, list_incidents

_HOUR = timedelta(hours=1)
_VIEWER = Actor(name="vera", role=Role.VIEWER)


def _alert(world: World, **changes: object) -> OutsideAlert:
    base = OutsideAlert(
        name="Slow",
        fingerprint="f1",
        firing=True,
        starts_us=to_micros(world.clock.now() - timedelta(minutes=5)),
        ends_us=None,
        labels={"alertname": "Slow", "trimtab_family": "service"},
        annotations={"summary": "answers take 2 s"},
        model=MODEL,
        severity=Severity.HIGH,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _take(world: World, *alerts: OutsideAlert) -> tuple[Taken, ...]:
    files = files_named(world.platform, alerts)
    with world.platform.database.transaction() as connection:
        return take_alerts(connection, world.platform, "alertmanager", alerts, files)


def _result(world: World, alert: OutsideAlert) -> str:
    (taken,) = _take(world, alert)
    assert taken.fingerprint == alert.fingerprint
    return taken.result.value


def _cases(world: World) -> list[Incident]:
    return world.platform.database.read(lambda connection: list_incidents(connection))


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_an_alert_opens_a_case_others_join_it_and_its_end_closes_it(world: World) -> None:
    first, second = _alert(world), _alert(world, fingerprint="f2", name="Shed")
    opened, joined = _take(world, first, second)
    assert (opened.result, joined.result) == ("opened", "joined")
    assert opened.incident_id == joined.incident_id
    assert [_result(world, one) for one in (first, second)] == ["repeated", "repeated"]
    (case,) = _cases(world)
    assert (case.model, case.endpoint, case.family, case.loudest) == (MODEL, MODEL, Family.SERVICE, Severity.HIGH)
    assert len(case.alerts) == 2
    world.deliver()
    told = world.platform.database.read(lambda c: c.execute(select(notification.c.body)).scalars().all())
    assert not world.unfinished()
    assert any("Slow: answers take 2 s" in body for body in told)

    ends_us = world.platform.now_us()
    assert _result(world, replace(first, firing=False, ends_us=ends_us)) == "recovered"
    assert _cases(world)[0].state.is_open, "the second still fires"
    assert _result(world, replace(second, firing=False, ends_us=ends_us)) == "recovered"
    assert _cases(world)[0].state is IncidentState.RESOLVED
    assert _result(world, replace(first, ends_us=None)) == "repeated", "its end is final"
    world.deliver()
    assert not world.unfinished()

    world.clock.advance(_HOUR / 2)
    assert _result(world, _alert(world)) == "opened"
    (again,) = _cases(world)
    assert again.state is IncidentState.OPEN


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_storm_changes_a_case_once_and_each_of_it_is_answered_for(world: World) -> None:
    storm = [_alert(world, fingerprint=f"f{number}", name=f"A{number}") for number in range(30)]
    elsewhere = _alert(world, fingerprint="p", model=None, labels={})
    taken = _take(world, *storm[:20], elsewhere, *storm[20:])
    assert [one.fingerprint for one in taken] == [one.fingerprint for one in (*storm[:20], elsewhere, *storm[20:])]
    assert [one.result.value for one in taken] == ["opened", *["joined"] * 19, "opened", *["joined"] * 10]
    case = next(one for one in _cases(world) if one.model == MODEL)
    assert (case.version, len(case.signals), len(case.alerts)) == (1, 30, 30)
    assert case.timeline[0].why.endswith("; and 20 more")
    ends_us = world.platform.now_us()
    ended = [replace(one, firing=False, ends_us=ends_us) for one in storm]
    never = replace(ended[0], fingerprint="never fired")
    news = _alert(world, fingerprint="news", starts_us=ends_us)
    told = [one.result.value for one in _take(world, *ended[:29], never, news)]
    assert told == [*["recovered"] * 29, "ignored", "joined"]
    assert {one.result.value for one in _take(world, ended[29], replace(news, firing=False, ends_us=ends_us + 1))} == {
        "recovered"
    }
    case = next(one for one in _cases(world) if one.model == MODEL)
    assert (case.state, case.version) == (IncidentState.RESOLVED, 3)


def test_one_that_fires_and_ends_in_one_message_is_taken_in_order(world: World) -> None:
    fires = _alert(world)
    ends = replace(fires, firing=False, ends_us=world.platform.now_us())
    taken = _take(world, fires, fires, ends, ends, fires)
    assert [one.result.value for one in taken] == ["opened", "repeated", "recovered", "repeated", "repeated"]
    assert len({one.incident_id for one in taken}) == 1
    assert _cases(world)[0].state is IncidentState.RESOLVED


def test_one_that_fires_after_its_end_was_told_or_is_a_week_old_opens_nothing(world: World) -> None:
    over = _alert(world, firing=False, ends_us=world.platform.now_us())
    assert _result(world, over) == "ignored"
    assert _result(world, replace(over, firing=True, ends_us=None)) == "ignored"
    old = to_micros(world.clock.now() - timedelta(days=7, minutes=1))
    assert _result(world, _alert(world, starts_us=old)) == "ignored"
    assert _cases(world) == []


@pytest.mark.parametrize("own", [{"name": "TrimtabCaseOpen"}, {"labels": {"trimtab_own": "true"}}])
def test_our_own_alerts_about_cases_open_no_case(world: World, own: dict[str, object]) -> None:
    assert _result(world, _alert(world, **own)) == "ignored"
    assert _cases(world) == []


def test_a_model_that_is_not_ours_is_told_once_a_day(world: World) -> None:
    for _ in range(3):
        assert _result(world, _alert(world, model="nobody")) == "unknown model"
        assert _result(world, _alert(world, model=None, endpoint="nowhere")) == "unknown model"
    counted = select(func.count()).where(audit_entry.c.action == "alert.unknown_model")
    assert world.platform.database.read(lambda c: c.execute(counted).scalar_one()) == 2
    world.clock.advance(timedelta(days=1))
    _result(world, _alert(world, model="nobody"))
    assert world.platform.database.read(lambda c: c.execute(counted).scalar_one()) == 3
    world.deliver()
    assert not world.unfinished()
    assert _cases(world) == []


def test_an_endpoint_alone_tells_its_model(world: World) -> None:
    Deploying.on(world).bring_in(1)
    alert = _alert(world, model=None, endpoint=MODEL, labels={})
    (taken,) = _take(world, alert)
    assert taken.result == "opened"
    (case,) = _cases(world)
    assert (case.model, case.family) == (MODEL, Family.SERVICE)


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_one_about_no_model_makes_a_case_of_the_platform_that_people_hear_of(world: World) -> None:
    alert = _alert(world, model=None, labels={"job": "nightly-export"})
    assert _result(world, alert) == "opened"
    world.deliver()
    assert not world.unfinished()
    (case,) = _cases(world)
    assert (case.model, case.family) == (NO_MODEL, Family.PIPELINE)
    assert world.actions() == []
    assert _result(world, replace(alert, firing=False, ends_us=world.platform.now_us())) == "recovered"
    world.deliver()
    assert not world.unfinished()


def test_a_program_that_is_stuck_is_handed_to_people_once_and_stands_in_the_status(world: World) -> None:
    assert _result(world, _alert(world, name="TrimtabBacklog", model=None, labels={})) == "opened"
    assert _result(world, _alert(world, name="TrimtabGivenUp", fingerprint="f2", model=None, labels={})) == "joined"
    world.deliver()
    wanted = select(notification.c.title).where(notification.c.title.contains("a person is wanted"))
    assert len(world.platform.database.read(lambda c: c.execute(wanted).all())) == 1
    (case,) = _cases(world)
    assert case.diagnosis is not None
    assert case.diagnosis.kind is DiagnosisKind.PIPELINE_FAILURE
    next_steps = show_status(world.platform, _VIEWER, Nothing())["next"]
    assert f"trimtab incidents show {case.id}" in [one["command"] for one in next_steps]


def test_text_that_would_steer_a_terminal_or_fill_a_page_is_cut(world: World) -> None:
    ugly = _alert(world, name="A\x1b[2J" + "x" * 900, annotations={"summary": "two\nlines\x00"}, fingerprint="f" * 900)
    assert _result(world, ugly) == "opened"
    (case,) = _cases(world)
    assert case.title.isprintable()
    assert len(case.title) <= 200
    (stored,) = world.platform.database.read(lambda connection: list_alerts(connection, model=MODEL))
    assert stored.title.isprintable()


def test_a_case_of_the_service_does_not_wait_for_one_of_the_model(world: World) -> None:
    world.checked(world.check(Verdict.BREACH), world.check(Verdict.BREACH, kind="latency"))
    world.deliver("incidents")
    assert sorted(case.family for case in _cases(world)) == ["model", "service"]
    world.clock.advance(_HOUR)
    world.checked(world.check(Verdict.BREACH), world.check(Verdict.OK, kind="latency"))
    world.deliver("incidents")
    assert {case.family: case.state for case in _cases(world)} == {
        Family.MODEL: IncidentState.OPEN,
        Family.SERVICE: IncidentState.RESOLVED,
    }
