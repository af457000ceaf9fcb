"""An approval of "retrain, and release if better" covers the release, and not every moment or every policy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, World, result_of

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.loop.gate import propose
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.trainings import advance_jobs
from trimtab.remediation.action_store import list_actions, past_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext

_DANA, _EMIL, _EVE = Actor("dana", Role.APPROVER), Actor("emil", Role.OPERATOR), Actor("eve", Role.ADMIN)
_RULE = """
  - name: A trigger may ask for a retraining
    when: {{origin: trigger, action: retrain}}
    then: {{tier: {tier}, covers: [deploy]}}
"""
_BY_ITSELF = "allow_automatic: [retrain, deploy]"


def _policy(world: World, *, limits: str = "", rules: str = "", tier: str = "approval", top: str = "") -> None:
    text = f"{top}\nlimits: {{cooldown: 0s, {limits}}}\nrules:{_RULE.format(tier=tier)}{rules}"
    (world.platform.project.root / "policy.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def deploying(world: World) -> Deploying:
    deploying = Deploying.on(world)
    deploying.bring_in(1)
    deploying.by_canary()
    with world.platform.database.transaction() as connection:
        for person in (_DANA, _EVE):
            keys.create_key(connection, person.name, person.role, at_us=world.platform.now_us())
    _policy(world)
    path = world.platform.project.root / "rows.csv"
    rows = [f"r{n},{40 + n % 30},{200 + n},male,{'yes' if n % 3 else 'no'}" for n in range(60)]
    path.write_text("\n".join(["row_id,age,chol,sex,disease", *rows]) + "\n", encoding="utf-8")
    deploying.ask("data.ingest", model=MODEL, path=str(path), feed="clinic")
    assert Ingestion(world.platform).run()
    world.deliver()
    return deploying


def _asked(world: World) -> ActionRequest:
    with world.platform.database.transaction() as connection:
        proposal = Proposal(Origin.TRIGGER, MODEL, ActionKind.RETRAIN, severity=0.5)
        context = RequestContext("trigger", {}, endpoint=MODEL)
        [created] = propose(connection, world.platform, proposal, context)[1]
    return created


def _agreed(deploying: Deploying, by: Actor = _DANA) -> None:
    """Have a retraining agreed to, and begin."""
    request = _asked(deploying.world)
    if request.state is ActionState.WAITING_APPROVAL:
        deploying.ask("approvals.decide", by, action_id=request.id, approve=True, reason="yes")
    deploying.world.deliver()
    advance_jobs(deploying.world.platform)


def _ended(deploying: Deploying) -> tuple[bool, str]:
    """Let the training end with a better version; return whether its rollout began, and what was said."""
    world = deploying.world
    world.jobs.run = lambda out: result_of(world, out, number=2, gain=0.2)
    for out in list(world.jobs.states):
        world.jobs.start(out, b"")
    for _ in range(4):
        advance_jobs(world.platform)
        world.deliver()
    [request] = world.platform.database.read(lambda c: list_actions(c, model=MODEL, kind=ActionKind.RETRAIN))
    running = deploying.running()
    assert world.unfinished() == []
    return running is not None and running.spec.candidate.number == 2, request.outcome


def _pause(deploying: Deploying) -> JsonObject:
    return deploying.ask("autonomy.pause", _EMIL, lasts="4h", reason="the clinic moves", model=MODEL)


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_what_a_person_agreed_to_is_released_however_much_was_done_today(deploying: Deploying) -> None:
    _agreed(deploying)
    _policy(deploying.world, limits="actions_per_day: 0, per_model: 0")
    assert _ended(deploying)[0]


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_pause_that_began_since_the_agreement_holds_the_release(deploying: Deploying) -> None:
    _agreed(deploying)
    deploying.world.clock.advance(timedelta(minutes=1))
    _pause(deploying)
    released, outcome = _ended(deploying)
    assert not released
    assert outcome.endswith("waits for approval: emil paused autonomy until 2030-01-01T05:01+00:00: the clinic moves")
    assert deploying.world.versions()[-1] == (2, "pending")


def test_who_agreed_while_autonomy_was_paused_knew_of_it(deploying: Deploying) -> None:
    _pause(deploying)
    deploying.world.clock.advance(timedelta(minutes=1))
    _agreed(deploying)
    assert _ended(deploying)[0]


@pytest.mark.parametrize(
    ("hours", "released"), [("{from: '01:30', to: '06:00'}", False), ("{from: '00:30', to: '06:00'}", True)]
)
def test_quiet_hours_hold_what_was_agreed_to_before_they_began(
    deploying: Deploying, hours: str, *, released: bool
) -> None:
    _policy(deploying.world, limits=f"quiet_hours: {hours}")
    _agreed(deploying)
    deploying.world.clock.advance(timedelta(hours=1))
    found, outcome = _ended(deploying)
    assert found is released
    assert released or "quiet hours, 01:30 to 06:00 (UTC)" in outcome


def test_quiet_hours_let_through_what_they_name(deploying: Deploying) -> None:
    _policy(deploying.world, limits="quiet_hours: {from: '01:30', to: '06:00', always: deploy}")
    _agreed(deploying)
    deploying.world.clock.advance(timedelta(hours=1))
    assert _ended(deploying)[0]


@pytest.mark.parametrize(("by", "released"), [(_DANA, False), (_EVE, True)])
def test_a_release_that_reaches_too_far_needs_the_agreement_of_an_admin(
    deploying: Deploying, by: Actor, *, released: bool
) -> None:
    _policy(deploying.world, limits="max_traffic_share: 0.5")
    _agreed(deploying, by)
    found, outcome = _ended(deploying)
    assert found is released
    assert released or "touches a share that is not known of the traffic, more than 50%" in outcome


@pytest.mark.parametrize(
    ("answer", "released"),
    [
        ("{tier: refuse}", False),
        ("{tier: approval, approval: {role: admin}}", True),
        ("{tier: approval, approval: {role: admin, approvers: 2}}", False),
        ("{tier: person_only}", True),
        ("{tier: automatic}", True),
    ],
)
def test_a_rule_that_names_releases_is_asked_when_one_goes_out(
    deploying: Deploying, answer: str, *, released: bool
) -> None:
    _agreed(deploying, _EVE)
    _policy(deploying.world, rules=f"  - {{name: No release, when: {{action: deploy}}, then: {answer}}}\n")
    found, outcome = _ended(deploying)
    assert found is released
    assert released or "No release" in outcome


def test_rules_that_do_not_name_releases_say_nothing_of_them(deploying: Deploying) -> None:
    _policy(deploying.world, rules="  - {name: Nothing else, when: {}, then: {tier: refuse}}\n")
    _agreed(deploying)
    assert _ended(deploying)[0]


def test_what_cannot_be_read_covers_nothing(deploying: Deploying) -> None:
    _agreed(deploying)
    (deploying.world.platform.project.root / "policy.yaml").write_text("rules: [", encoding="utf-8")
    released, outcome = _ended(deploying)
    assert (released, "the policy cannot be read any more" in outcome) == (False, True)


@pytest.mark.parametrize(
    ("top", "limits", "released"),
    [
        (_BY_ITSELF, "", True),
        ("allow_automatic: [retrain]", "", False),
        (f"{_BY_ITSELF}\nautonomy: false", "", False),
        (_BY_ITSELF, "quiet_hours: {from: '01:00', to: '06:00'}", False),
        (_BY_ITSELF, "max_traffic_share: 0.5", False),
    ],
)
def test_what_the_policy_let_run_is_weighed_by_the_policy_as_it_is_when_it_goes_out(
    deploying: Deploying, top: str, limits: str, *, released: bool
) -> None:
    _policy(deploying.world, tier="automatic", top=_BY_ITSELF)
    _agreed(deploying)
    _policy(deploying.world, tier="automatic", top=top, limits=limits)
    assert _ended(deploying)[0] is released


def test_a_training_whose_version_went_out_is_remembered_as_a_change_of_its_endpoint(deploying: Deploying) -> None:
    _policy(deploying.world, tier="automatic", top=_BY_ITSELF)
    _agreed(deploying)
    assert _ended(deploying)[0]
    known = deploying.world.platform.database.read(lambda c: past_actions(c, since_us=0))
    assert [one.released for one in known if one.kind is ActionKind.RETRAIN] == [True]
    assert not any(one.released for one in known if one.kind is not ActionKind.RETRAIN)
