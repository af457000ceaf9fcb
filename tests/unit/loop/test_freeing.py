"""Feeds that cases had set aside are trusted again: all of them, when nothing holds them any more, and from when on."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.loop.acting import Acting
from tests.unit.loop.projects import HOUR_US, MODEL, POLICY, World

from trimtab.core.enums import Role, Verdict
from trimtab.lake.feeds import feed_states, quarantine_feed
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.outside_alerts import OutsideAlert, files_named, take_alerts
from trimtab.loop.upkeep import expire_requests
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind, Family
from trimtab.remediation.store import list_incidents

_DANA = Actor("dana", Role.ADMIN)
_HOUR = timedelta(hours=1)
_RULE = """
  - name: A feed whose rows are as they were is trusted again
    when: {origin: incident, action: release_feed}
    then: {tier: %s, expires: 5h}
  - {name: Nothing else is done, when: {origin: [incident, trigger]}, then: {tier: refuse}}
"""
_HEAD = POLICY.partition("rules:")[0] + "rules:"


@pytest.fixture
def acting(world: World) -> Acting:
    """Version 1 serves; cases lead to nothing by themselves, and release_feed waits for approval."""
    _rule(world, "approval")
    return Acting.on(world)


def _rule(world: World, tier: str) -> None:
    (world.platform.project.root / "policy.yaml").write_text(_HEAD + _RULE % tier)


def _cases(world: World, **which: Any) -> dict[Family, Incident]:
    return {one.family: one for one in world.platform.database.read(lambda c: list_incidents(c, **which))}


def _case(world: World, *checks: Check) -> str:
    world.checked(*checks)
    world.deliver()
    [incident] = _cases(world, open_only=True).values()
    return incident.id


def _set_aside(acting: Acting, *feeds: str, case: str | None, since_us: int = 0) -> None:
    params = {"feeds": list(feeds), "since_us": since_us, "reason": "units"}
    assert acting.done(ActionKind.QUARANTINE_FEED, params, incident_id=case).state == "succeeded"


def _asked(world: World) -> list[ActionRequest]:
    """Return what was asked for to trust feeds again, oldest first."""
    found = world.platform.database.read(lambda c: list_actions(c, model=MODEL, kind=ActionKind.RELEASE_FEED))
    return found[::-1]


def _states(world: World) -> dict[str, str]:
    return {state.name: state.state for state in world.platform.database.read(lambda c: feed_states(c, MODEL))}


def _later(world: World, *checks: Check, by: timedelta = _HOUR) -> None:
    """Let time pass, and have checks made of the hour before."""
    world.clock.advance(by)
    now_us = world.platform.now_us()
    world.checked(*(dataclasses.replace(one, window=Window(now_us - HOUR_US, now_us)) for one in checks))
    world.deliver()


def test_all_feeds_of_all_quarantines_of_a_case_are_trusted_again(acting: Acting) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    _set_aside(acting, "lab", "ward", case=case)
    _later(world, world.check(Verdict.OK))
    [asked] = _asked(world)
    assert (asked.params["feeds"], asked.state) == (["clinic", "lab", "ward"], "waiting_approval")
    perform(world.platform, _DANA, "approvals.decide", {"action_id": asked.id, "approve": True, "reason": "seen"})
    world.deliver()
    assert set(_states(world).values()) == {"open"}


def test_a_feed_that_two_cases_set_aside_waits_for_the_end_of_both(acting: Acting) -> None:
    world = acting.world
    world.checked(world.check(Verdict.BREACH), world.check(Verdict.BREACH, kind="latency"))
    world.deliver()
    cases = _cases(world, open_only=True)
    _set_aside(acting, "clinic", case=cases[Family.MODEL].id)
    _set_aside(acting, "clinic", "lab", case=cases[Family.SERVICE].id)
    _later(world, world.check(Verdict.OK), world.check(Verdict.BREACH, kind="latency"))
    assert _asked(world) == []
    _later(world, world.check(Verdict.OK, kind="latency"))
    [asked] = _asked(world)
    assert (asked.params["feeds"], asked.incident_id) == (["clinic", "lab"], cases[Family.SERVICE].id)


def test_what_a_person_set_aside_is_theirs_to_trust_again(acting: Acting) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    _set_aside(acting, "clinic", "ward", case=None)
    with world.platform.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "lab", since_us=0, reason="by hand", at_us=0)
    _later(world, world.check(Verdict.OK))
    assert _asked(world) == []


def test_a_feed_that_was_trusted_again_meanwhile_is_not_asked_about(acting: Acting) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    perform(world.platform, _DANA, "feeds.release", {"model": MODEL, "feed": "clinic", "reason": "mended"})
    world.deliver()
    _later(world, world.check(Verdict.OK))
    assert [one.requested_by for one in _asked(world)] == ["dana"]


@pytest.mark.parametrize("recovers_first", [False, True])
def test_the_feeds_of_a_case_that_a_person_puts_away_are_asked_about(acting: Acting, recovers_first: bool) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    if recovers_first:
        _later(world, world.check(Verdict.OK))
    else:
        _rule(world, "automatic")
    perform(world.platform, _DANA, "incidents.close", {"incident_id": case, "reason": "a false alarm"})
    world.deliver()
    waiting = [one for one in _asked(world) if one.state.is_open]
    assert [(one.params["feeds"], one.state) for one in waiting] == [(["clinic"], "waiting_approval")]
    assert ("put away before its checks were well again" in waiting[0].purpose) is not recovers_first
    assert _states(world) == {"clinic": "quarantined"}, "nobody knows whether its rows are right: a person decides"


def test_the_end_of_an_outside_alert_frees_feeds_from_that_moment_on(acting: Acting) -> None:
    world, platform = acting.world, acting.world.platform
    began_us = platform.now_us()
    fires = OutsideAlert(
        "Odd", "f1", firing=True, starts_us=began_us, ends_us=None, labels={"source": "clinic"}, model=MODEL
    )

    def told(alert: OutsideAlert) -> None:
        files = files_named(platform, [alert])
        with platform.database.transaction() as connection:
            take_alerts(connection, platform, "am", [alert], files)
        world.deliver()

    told(fires)
    [case] = _cases(world, open_only=True).values()
    _set_aside(acting, "clinic", case=case.id, since_us=began_us)
    world.clock.advance(3 * _HOUR)
    told(dataclasses.replace(fires, firing=False, ends_us=began_us + 2 * HOUR_US))
    [asked] = _asked(world)
    assert asked.params == {"feeds": ["clinic"], "until_us": began_us + 2 * HOUR_US}


def test_a_feed_is_trusted_from_where_on_all_that_breached_is_right(acting: Acting) -> None:
    """A monitor of long windows is the last to recover: its window reaches back to before the trouble."""
    world = acting.world
    now_us = world.platform.now_us()
    case = _case(world, world.check(Verdict.BREACH), world.check(Verdict.BREACH, kind="data_quality"))
    _set_aside(acting, "clinic", case=case, since_us=now_us - HOUR_US)
    _later(world, world.check(Verdict.OK), world.check(Verdict.BREACH, kind="data_quality"))
    world.clock.advance(_HOUR)
    long = dataclasses.replace(
        world.check(Verdict.OK, kind="data_quality"), window=Window(now_us - 90 * HOUR_US, now_us + 2 * HOUR_US)
    )
    other = dataclasses.replace(
        world.check(Verdict.OK, kind="fairness"), window=Window(now_us + HOUR_US, now_us + 2 * HOUR_US)
    )
    world.checked(long, other)
    world.deliver()
    [asked] = _asked(world)
    assert asked.params["until_us"] == now_us, "from where on the inputs were right, whatever other monitors look at"


@pytest.mark.parametrize(("until_h", "right_h"), [(-2, -2), (None, 0)])
def test_a_feed_is_not_trusted_before_the_end_that_a_cause_names(
    acting: Acting, until_h: int | None, right_h: int
) -> None:
    world = acting.world
    now_us = world.platform.now_us()
    until_us = None if until_h is None else now_us + until_h * HOUR_US
    cause = {
        "kind": "unit_change",
        "column": "chol",
        "factor": 0.02,
        "known_unit": None,
        "since_us": now_us - 9 * HOUR_US,
        "until_us": until_us,
        "since_row_share": 0.1,
        "explanation": "",
        "evidence": {},
    }
    window = Window(now_us - 20 * HOUR_US, now_us)
    breach = dataclasses.replace(world.check(Verdict.BREACH, column="chol", detail={"causes": [cause]}), window=window)
    case = _case(world, breach)
    _set_aside(acting, "clinic", case=case, since_us=now_us - 9 * HOUR_US)
    world.clock.advance(_HOUR)
    world.checked(
        dataclasses.replace(
            breach, verdict=Verdict.OK, detail={}, window=Window(now_us - 4 * HOUR_US, now_us + HOUR_US)
        )
    )
    world.deliver()
    [asked] = _asked(world)
    assert asked.params["until_us"] == now_us + right_h * HOUR_US


def test_a_case_that_opens_again_takes_back_that_its_feeds_be_trusted(acting: Acting) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    _later(world, world.check(Verdict.OK))
    _later(world, world.check(Verdict.BREACH), by=_HOUR / 2)
    assert _cases(world, open_only=True)[Family.MODEL].id == case
    assert [one.state for one in _asked(world)] == ["cancelled"]
    _later(world, world.check(Verdict.OK))
    assert [one.state for one in _asked(world)] == ["cancelled", "waiting_approval"]


def test_a_release_that_was_agreed_to_does_not_free_a_feed_that_an_open_case_wants_set_aside(acting: Acting) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    _later(world, world.check(Verdict.OK))
    [asked] = _asked(world)
    _later(world, world.check(Verdict.BREACH, column="age"), by=2 * _HOUR)
    [second] = _cases(world, open_only=True).values()
    assert second.id != case
    _set_aside(acting, "clinic", case=second.id)
    perform(world.platform, _DANA, "approvals.decide", {"action_id": asked.id, "approve": True, "reason": "seen"})
    world.deliver()
    [found] = _asked(world)
    assert (found.state, second.id in found.outcome) == ("failed", True)
    assert _states(world) == {"clinic": "quarantined"}
    _later(world, world.check(Verdict.OK, column="age"))
    assert [one.state for one in _asked(world)] == ["failed", "waiting_approval"]


def test_what_could_not_be_released_or_was_not_answered_is_asked_again(acting: Acting) -> None:
    world = acting.world
    case = _case(world, world.check(Verdict.BREACH))
    _set_aside(acting, "clinic", case=case)
    _later(world, world.check(Verdict.OK))
    world.clock.advance(6 * _HOUR)
    expire_requests(world.platform)
    _later(world, world.check(Verdict.OK))
    assert [one.state for one in _asked(world)] == ["expired"], "nobody agreed, so that nobody is asked for a day"
    _later(world, world.check(Verdict.OK), by=timedelta(days=1))
    assert [one.state for one in _asked(world)] == ["expired", "waiting_approval"]
    [_, asked] = _asked(world)
    perform(world.platform, _DANA, "approvals.decide", {"action_id": asked.id, "approve": False, "reason": "not yet"})
    world.deliver()
    for _ in range(3):
        _later(world, world.check(Verdict.OK), by=timedelta(days=2))
    assert [one.state for one in _asked(world)] == ["expired", "rejected"], "who said no releases it themselves"
    [told] = [one for one in _cases(world).values() if one.id == case]
    assert len([one for one in told.timeline if one.what.startswith("policy: ")]) <= 3
