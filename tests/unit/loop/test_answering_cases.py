"""What an open case leads to, run after run: what becomes possible is proposed, and people are told once."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.core.enums import Role, Severity, Verdict
from trimtab.db.tables import audit_entry, notification
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.outside_alerts import OutsideAlert, files_named, take_alerts
from trimtab.remediation.action_store import finish_verification, list_actions, verification_of
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind, Level
from trimtab.remediation.store import list_incidents
from trimtab.remediation.verification import Verified

_DANA = Actor("dana", Role.ADMIN)
_HOUR = timedelta(hours=1)
_HEAD = "autonomy: true\nlimits: {cooldown: 2h, actions_per_day: 10000}\nrules:\n"


def _policy(world: World, *rules: str) -> None:
    (world.platform.project.root / "policy.yaml").write_text(
        _HEAD + "".join(f"  - {{name: Rule {place}, {rule}}}\n" for place, rule in enumerate(rules))
    )


def _run(world: World, *, badly: bool = True, column: str | None = None) -> Incident:
    """Let an hour pass, and have its checks made: inputs have moved, and answers are ``badly`` off or not so."""
    world.clock.advance(_HOUR)
    severity = Severity.CRITICAL if badly else Severity.LOW
    checks = world.drift(Verdict.BREACH, quality=0.3 if badly else 0.75)
    world.checked(*(dataclasses.replace(one, severity=severity, column=one.column or column) for one in checks))
    world.deliver()
    assert not world.unfinished()
    [incident] = world.platform.database.read(lambda c: list_incidents(c, open_only=True))
    return incident


def _made(world: World) -> Counter[str]:
    found = world.platform.database.read(lambda c: list_actions(c, model=MODEL))
    return Counter(one.kind.value for one in found if one.owner is None)


def _count(world: World, table: Any, where: Any) -> int:
    query = select(func.count()).select_from(table).where(where)
    return int(world.platform.database.read(lambda c: c.execute(query).scalar_one()))


def test_a_severity_that_wavers_tells_people_once_a_level(world: World) -> None:
    world.version(1)
    _policy(
        world,
        "when: {origin: incident, level: low}, then: {actions: [log], tier: automatic}",
        "when: {origin: incident}, then: {actions: [notify_owner, escalate], tier: automatic}",
    )
    levels = set()
    for number in range(40):
        incident = _run(world, badly=number % 2 == 0)
        assert incident.diagnosis is not None
        levels.add(incident.diagnosis.level)
    assert levels == set(Level)
    assert _made(world) == {"notify_owner": 2, "escalate": 2}, "for medium and for high; low was no news after these"
    assert _count(world, audit_entry, audit_entry.c.action == "action.escalated") == 2
    assert _count(world, notification, notification.c.title.contains("a person is wanted")) == 2
    assert len([one for one in incident.timeline if one.what.startswith("policy: ")]) == 2
    assert len(incident.timeline) < 20


def test_a_name_that_wavers_asks_those_on_call_once_a_level(world: World) -> None:
    world.version(1)
    _policy(world, "when: {origin: incident}, then: {actions: [log, escalate], tier: automatic}")
    kinds = set()
    for number in range(40):
        world.clock.advance(_HOUR)
        drift, quality = world.drift(Verdict.BREACH, quality=0.3)
        moved = number % 2 == 0
        one = dataclasses.replace(drift, verdict=Verdict.BREACH if moved else Verdict.OK)
        world.checked(one, dataclasses.replace(quality, severity=Severity.CRITICAL))
        world.deliver()
        [incident] = world.platform.database.read(lambda c: list_incidents(c, open_only=True))
        assert incident.diagnosis is not None
        kinds.add(incident.diagnosis.kind)
    assert len(kinds) > 1
    assert _made(world)["escalate"] == 2, "medium, and high, whatever it is called"
    assert _made(world)["log"] <= 2 * len(kinds)


def test_a_case_that_opens_again_is_told_again(world: World) -> None:
    world.version(1)
    _policy(world, "when: {origin: incident}, then: {actions: [log], tier: automatic}")
    _run(world)
    world.clock.advance(_HOUR)
    world.checked(*world.drift(Verdict.OK, quality=0.8))
    world.deliver()
    again = _run(world)
    assert again.reopened_us == again.since_us != again.opened_us
    _run(world)
    assert _made(world)["log"] == 2
    for number in range(600):
        again = again.noted(number, "dana", "looked")
    assert again.since_us == again.reopened_us, "also when its timeline is too long to say so"


def test_what_was_impossible_is_proposed_as_soon_as_it_can_be_done(world: World) -> None:
    deploying = Deploying.on(world)
    deploying.bring_in(1)
    world.deliver()
    _policy(world, "when: {origin: incident}, then: {actions: [roll_back, log], tier: approval}")
    _run(world, badly=False)
    assert (_made(world)["roll_back"], _made(world)["log"], _made(world)["notify_owner"]) == (0, 1, 1)
    for _ in range(3):
        incident = _run(world, badly=False)
    assert (_made(world)["roll_back"], _made(world)["log"], _made(world)["notify_owner"]) == (0, 1, 1)
    deploying.bring_in(2)
    world.deliver()
    for _ in range(3):
        incident = _run(world, badly=False)
    assert (_made(world)["roll_back"], _made(world)["log"], _made(world)["notify_owner"]) == (1, 1, 1)
    told = [one.what for one in incident.timeline if one.what.startswith("policy: ")]
    assert told[-1] == "policy: roll_back (approval)"


def test_to_set_aside_a_feed_that_nobody_knows_is_not_asked_for(world: World) -> None:
    world.version(1)
    _policy(world, "when: {origin: incident}, then: {actions: [quarantine_feed, notify_owner], tier: approval}")
    path = world.platform.project.model_folder(MODEL) / "model.yaml"
    written = path.read_text()
    path.write_text("".join(line for line in written.splitlines(keepends=True) if not line.startswith("feeds:")))
    incident = _run(world, badly=False)
    assert (_made(world)["quarantine_feed"], _made(world)["notify_owner"]) == (0, 1)
    [told] = [one for one in incident.timeline if one.what.startswith("policy: ")]
    assert "which feed is broken is not known; let senders name themselves" in told.why
    said = perform(world.platform, _DANA, "policy.explain", {"incident_id": incident.id})
    assert "which feed is broken is not known" in str(said["now"])
    path.write_text(written)
    _run(world, badly=False)
    assert _made(world)["quarantine_feed"] == 1


@pytest.mark.parametrize("answer", ["rejected", "cooled down"])
def test_what_cooled_down_is_proposed_when_it_no_longer_does_and_what_was_rejected_is_not(
    world: World, answer: str
) -> None:
    world.version(1)
    tier = "approval" if answer == "rejected" else "automatic"
    _policy(world, f"when: {{origin: incident}}, then: {{actions: [quarantine_feed, notify_owner], tier: {tier}}}")
    _run(world, badly=False)
    if answer == "rejected":
        [asked] = world.platform.database.read(lambda c: list_actions(c, kind=ActionKind.QUARANTINE_FEED))
        decision = {"action_id": asked.id, "approve": False, "reason": "no"}
        perform(world.platform, _DANA, "approvals.decide", decision)
        for _ in range(30):
            _run(world, badly=False)
        assert (_made(world)["quarantine_feed"], _made(world)["notify_owner"]) == (1, 1)
        return
    world.clock.advance(_HOUR / 6)
    world.checked(*world.drift(Verdict.OK, quality=0.8))
    world.deliver()
    _run(world, badly=False, column="age")  # a new case, an hour after the first quarantine
    assert (_made(world)["quarantine_feed"], _made(world)["notify_owner"]) == (1, 2)
    _run(world, badly=False, column="age")
    _run(world, badly=False, column="age")
    assert (_made(world)["quarantine_feed"], _made(world)["notify_owner"]) == (2, 2)


@pytest.mark.parametrize(
    ("found", "times"), [(Verdict.OK, 1), (Verdict.BREACH, 2), (Verdict.INCONCLUSIVE, 2), (None, 1)]
)
def test_what_was_not_found_to_help_in_time_is_proposed_again(world: World, found: Verdict | None, times: int) -> None:
    world.version(1)
    _policy(world, "when: {origin: incident}, then: {actions: [quarantine_feed], tier: automatic}")
    _run(world, badly=False)
    [done] = world.platform.database.read(lambda c: list_actions(c, kind=ActionKind.QUARANTINE_FEED))
    with world.platform.database.transaction() as connection:
        planned = verification_of(connection, done.id)
        assert planned is not None
        if found is not None:
            finish_verification(connection, planned, Verified(found, "", {}, {}), at_us=1, final=True)
    for _ in range(3):
        _run(world, badly=False)
    assert _made(world)["quarantine_feed"] == times


def test_a_policy_that_cannot_be_read_is_told_once_and_asked_when_it_is_mended(world: World) -> None:
    world.version(1)
    (world.platform.project.root / "policy.yaml").write_text("rules: [")
    for _ in range(4):
        incident = _run(world)
    assert [one.what for one in incident.timeline].count("policy: cannot be read, so nothing was proposed") == 1
    _policy(world, "when: {origin: incident}, then: {actions: [log], tier: automatic}")
    _run(world)
    _run(world)
    assert _made(world)["log"] == 1


def test_people_hear_of_a_case_of_the_platform_when_it_becomes_bad_and_once(world: World) -> None:
    platform = world.platform
    began_us = platform.now_us()
    odd = OutsideAlert("Odd", "f0", firing=True, starts_us=began_us, ends_us=None)
    for number in range(12):
        severity = Severity.LOW if number in {0, 3} else Severity.CRITICAL
        alert = dataclasses.replace(
            odd, fingerprint=f"f{number}", starts_us=began_us + number * HOUR_US, severity=severity
        )
        with platform.database.transaction() as connection:
            take_alerts(connection, platform, "am", [alert], files_named(platform, [alert]))
        world.deliver()
        world.clock.advance(_HOUR)
    assert not world.unfinished()
    assert _count(world, notification, notification.c.title.contains("a person is wanted")) == 1
    assert _count(world, audit_entry, audit_entry.c.action == "action.escalated") == 1


@pytest.mark.parametrize("kind", ["release_feed", "deploy", "reinstate", "approve_version", "change_config"])
def test_a_rule_that_wants_what_no_case_can_name_tells_people_instead(world: World, kind: str) -> None:
    """Which version, which feed, which value: nothing of a case says so."""
    world.version(1)
    _policy(world, f"when: {{origin: incident}}, then: {{actions: [{kind}], tier: automatic}}")
    path = world.platform.project.root / "policy.yaml"
    path.write_text(f"allow_automatic: [deploy, reinstate, approve_version, change_config]\n{path.read_text()}")
    _run(world)
    assert _made(world)[kind] == 0
    assert _made(world)["notify_owner"] == 1
