"""Between an agreement and its execution the world moves on: what was agreed to is done, or nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, POLICY, World

from trimtab.core.enums import Role, Verdict
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState, PredictedImpact
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import list_incidents, load_incident

_PROMISE = PredictedImpact("accuracy", 0.7, 0.8, True, "its holdout")
_EMIL = Actor("emil", Role.APPROVER)


def _rules(world: World, actions: str, tier: str = "approval", more: str = "") -> None:
    """Have a unit change answered by ``actions``."""
    text = POLICY.replace("[quarantine_feed, notify_owner], tier: automatic", f"[{actions}], tier: {tier}")
    (world.platform.project.root / "policy.yaml").write_text(f"{more}\n{text}", encoding="utf-8")


def _trouble(world: World) -> str:
    """Open a case by a feed that changed its unit; return its id."""
    cause = Cause(
        kind=CauseKind.UNIT_CHANGE,
        column="chol",
        factor=1 / 38.67,
        known_unit="mg/dL → mmol/L (÷ 38.67)",
        since_us=world.platform.now_us(),
        until_us=None,
        since_row_share=1.0,
        explanation="chol was multiplied by 0.02586",
    )
    world.checked(world.check(Verdict.BREACH, column="chol", detail={"causes": [cause.to_json()]}))
    world.deliver()
    [incident] = world.platform.database.read(lambda c: list_incidents(c, model=MODEL, open_only=True))
    return incident.id


def _recovery(world: World) -> None:
    world.clock.advance(timedelta(hours=2))
    world.checked(world.check(Verdict.OK, column="chol", value=0.0))
    world.deliver()
    assert world.platform.database.read(lambda c: list_incidents(c, model=MODEL, open_only=True)) == []


def _newest(world: World, kind: ActionKind) -> ActionRequest:
    return world.platform.database.read(lambda c: list_actions(c, model=MODEL, kind=kind))[0]


def _approve(deploying: Deploying, request: ActionRequest) -> ActionRequest:
    deploying.ask("approvals.decide", DANA, action_id=request.id, approve=True, reason="yes")
    deploying.world.deliver()
    deploying.settle()
    deploying.world.deliver()
    return _newest(deploying.world, request.kind)


def _serving(world: World, *numbers: int) -> Deploying:
    deploying = Deploying.on(world)
    deploying.bring_in(*numbers)
    world.deliver()
    return deploying


def _way_back(deploying: Deploying) -> ActionRequest:
    _rules(deploying.world, "roll_back")
    _trouble(deploying.world)
    found = _newest(deploying.world, ActionKind.ROLL_BACK)
    assert found.state is ActionState.WAITING_APPROVAL
    return found


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_way_back_leaves_what_its_purpose_says_it_leaves(world: World) -> None:
    deploying = _serving(world, 1, 2)
    asked = _way_back(deploying)
    assert asked.purpose == "go back from version 2 of tiny to the one that served before"
    assert _approve(deploying, asked).state is ActionState.SUCCEEDED
    assert deploying.weights() == {"v1": 100}


def test_a_way_back_from_a_version_that_serves_no_more_leaves_no_other(world: World) -> None:
    deploying = _serving(world, 1, 2)
    asked = _way_back(deploying)
    deploying.ask("approvals.decide", DANA, action_id=asked.id, approve=True, reason="yes")
    deploying.bring_in(3)
    world.deliver("actions")
    deploying.settle()
    after = _newest(world, ActionKind.ROLL_BACK)
    assert (after.state, deploying.weights()) == (ActionState.CANCELLED, {"v3": 100})
    assert after.outcome == "it was to leave version 2 of tiny, and version 3 serves now; nothing was done"


def test_a_way_back_out_of_a_rollout_that_was_aborted_leaves_nothing_else(world: World) -> None:
    deploying = _serving(world, 1, 2)
    deploying.by_canary()
    deploying.register(3)
    deploying.deploy(3)
    asked = _way_back(deploying)
    assert asked.purpose == "take version 3 of tiny back, which is being rolled out"
    running = deploying.running()
    assert running is not None
    deploying.ask("rollouts.operate", rollout_id=running.id, operation="abort", reason="seen")
    deploying.settle()
    after = _approve(deploying, asked)
    assert (after.state, deploying.weights()) == (ActionState.CANCELLED, {"v2": 100})


def test_a_way_back_out_of_one_rollout_does_not_end_the_next(world: World) -> None:
    deploying = _serving(world, 1, 2)
    deploying.by_canary()
    deploying.register(3)
    deploying.deploy(3)
    asked = _way_back(deploying)
    first = deploying.running()
    assert first is not None
    deploying.ask("rollouts.operate", rollout_id=first.id, operation="abort", reason="not yet")
    deploying.settle()
    deploying.deploy(3)
    again = deploying.running()
    assert _approve(deploying, asked).state is ActionState.CANCELLED
    after = deploying.running()
    assert again is not None
    assert after is not None
    assert (after.id, first.id == again.id) == (again.id, False)


def test_a_version_that_was_promoted_while_its_way_back_waited_is_left_all_the_same(world: World) -> None:
    deploying = _serving(world, 1, 2)
    deploying.by_canary()
    deploying.register(3)
    deploying.deploy(3)
    asked = _way_back(deploying)
    running = deploying.running()
    assert running is not None
    deploying.ask("rollouts.operate", rollout_id=running.id, operation="promote", reason="looks well")
    deploying.settle()
    assert deploying.weights() == {"v3": 100}
    assert _approve(deploying, asked).state is ActionState.SUCCEEDED
    assert deploying.weights() == {"v2": 100}


def test_a_way_back_that_waits_for_a_version_that_was_left_is_cancelled_and_another_can_be_asked_for(
    world: World,
) -> None:
    deploying = _serving(world, 1, 2)
    asked = _way_back(deploying)
    deploying.bring_in(3)
    world.deliver()
    assert _newest(world, ActionKind.ROLL_BACK).state is ActionState.CANCELLED
    world.clock.advance(timedelta(hours=1))
    _recovery(world)
    world.clock.advance(timedelta(hours=2))
    _trouble(world)
    again = _newest(world, ActionKind.ROLL_BACK)
    assert (again.id == asked.id, again.purpose[:30]) == (False, "go back from version 3 of tiny")


def test_a_persons_way_back_that_waits_means_the_version_that_served_when_they_asked(world: World) -> None:
    deploying = _serving(world, 1, 2)
    rule = (
        "  - name: Nobody goes back alone\n    when: {origin: person, action: roll_back}\n    then: {tier: approval}\n"
    )
    (world.platform.project.root / "policy.yaml").write_text(POLICY + rule, encoding="utf-8")
    with world.platform.database.transaction() as connection:
        for person in (DANA, _EMIL):
            keys.create_key(connection, person.name, person.role, at_us=world.platform.now_us())
    asked = deploying.roll_back()
    deploying.register(3)
    waits = deploying.ask("rollouts.start", model=MODEL, number=3)
    deploying.ask("approvals.decide", _EMIL, action_id=waits["action_id"], approve=True, reason="yes")
    world.deliver("actions")
    deploying.settle()
    assert (asked["waits"], deploying.weights()) == (True, {"v3": 100})
    deploying.ask("approvals.decide", _EMIL, action_id=asked["action_id"], approve=True, reason="yes")
    world.deliver()
    deploying.settle()
    assert deploying.weights() == {"v3": 100}


def test_a_release_that_did_not_help_and_serves_no_more_is_not_left_again(world: World) -> None:
    acting = Acting(world)
    deploying = _serving(world, 1, 2)
    world.checked(*_quality(world, Verdict.OK, 0.7, 2))
    deploying.register(3)
    acting.agreed(ActionKind.DEPLOY, {"number": 3}, impact=_PROMISE)
    world.deliver()
    deploying.settle()
    acting.settle()
    deploying.bring_in(4)
    world.deliver()
    world.clock.advance(timedelta(hours=2))
    world.checked(*_quality(world, Verdict.BREACH, 0.6, 3))
    world.deliver("verification")
    assert world.platform.database.read(lambda c: list_actions(c, kind=ActionKind.ROLL_BACK)) == []
    [told] = acting.asked_for_people()
    assert told.endswith("going back is not proposed: it would leave version 4 now, and not version 3")


def _quality(world: World, verdict: Verdict, value: float, version: int) -> list[Check]:
    detail = {"metric": "accuracy", "labelled": 120, "baseline": 0.8}
    return [world.check(verdict, kind="model_quality", version=version, value=value, detail=detail)]


_FOR_THE_CASE = (
    ActionKind.QUARANTINE_FEED,
    ActionKind.PAUSE_ENDPOINT,
    ActionKind.SCALE,
    ActionKind.CLEAR_CACHE,
    ActionKind.ROLL_BACK,
)


def _asked_for_the_case(world: World, kind: ActionKind) -> ActionRequest:
    """Have the policy ask for something while a case is open that would fail if it ran."""
    incident_id = _trouble(world)
    acting = Acting(world)
    params = {"feeds": ["clinic"], "since_us": 0, "reason": "units", "number": 7}
    return acting.action(acting.agreed(kind, params, incident_id=incident_id))


@pytest.mark.parametrize("kind", _FOR_THE_CASE)
def test_what_a_person_agreed_to_for_a_case_is_dropped_once_the_case_is_over(world: World, kind: ActionKind) -> None:
    _serving(world, 1)
    _rules(world, "log", "automatic")
    asked = _asked_for_the_case(world, kind)
    world.clock.advance(timedelta(hours=2))
    world.checked(world.check(Verdict.OK, column="chol", value=0.0))
    world.deliver("incidents")
    world.deliver("actions")
    after = _newest(world, kind)
    assert (after.id, after.state) == (asked.id, ActionState.CANCELLED)
    assert after.outcome == "its case was over before it ran; nothing was done"


@pytest.mark.parametrize("kind", [ActionKind.OPEN_LABELLING, ActionKind.RELEASE_FEED])
def test_what_makes_sense_after_a_case_as_well_is_done_all_the_same(world: World, kind: ActionKind) -> None:
    _serving(world, 1)
    _rules(world, "log", "automatic")
    incident_id = _trouble(world)
    acting = Acting(world)
    acting.agreed(kind, {"feeds": ["clinic"], "until_us": 0}, incident_id=incident_id)
    world.clock.advance(timedelta(hours=2))
    world.checked(world.check(Verdict.OK, column="chol", value=0.0))
    world.deliver("incidents")
    world.deliver("actions")
    assert _newest(world, kind).state not in {ActionState.CANCELLED, ActionState.APPROVED}


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_what_still_waits_for_a_case_that_is_over_is_cancelled_and_noted(world: World) -> None:
    _serving(world, 1, 2)
    _rules(world, "quarantine_feed, pause_endpoint, roll_back, open_labelling, retrain")
    incident_id = _trouble(world)
    assert {state for _kind, state in world.actions()} == {"waiting_approval"}
    _recovery(world)
    left = {kind for kind, state in world.actions() if state == "waiting_approval"}
    assert left == {"open_labelling", "retrain"}
    timeline = world.platform.database.read(lambda c: load_incident(c, incident_id)).timeline
    gone = [(entry.what, entry.why) for entry in timeline if "cancelled" in entry.what]
    why = "its case was over before anybody agreed; nothing was done"
    assert sorted(gone) == [(f"{kind} cancelled", why) for kind in ("pause_endpoint", "quarantine_feed", "roll_back")]
    assert world.unfinished() == []


@pytest.mark.parametrize("tier", ["approval", "automatic"])
def test_the_way_back_of_a_release_that_was_judged_outlives_the_case_that_asked_for_the_release(
    world: World, tier: str
) -> None:
    acting, deploying = Acting(world), _serving(world, 1, 2)
    text = POLICY.replace(
        "    when: {action: roll_back}\n    then: {tier: approval}",
        f"    when: {{action: roll_back}}\n    then: {{tier: {tier}}}",
    )
    _rules(world, "log", "automatic")
    (world.platform.project.root / "policy.yaml").write_text(f"allow_automatic: [roll_back]\n{text}", encoding="utf-8")
    world.checked(*_quality(world, Verdict.OK, 0.7, 2))
    incident_id = _trouble(world)
    deploying.register(3)
    acting.agreed(ActionKind.DEPLOY, {"number": 3}, impact=_PROMISE, incident_id=incident_id)
    world.deliver()
    deploying.settle()
    acting.settle()
    _recovery(world)
    world.checked(*_quality(world, Verdict.BREACH, 0.6, 3))
    world.deliver("verification")
    world.deliver("remediation", "actions")
    back = _newest(world, ActionKind.ROLL_BACK)
    assert back.incident_id == incident_id
    if tier == "approval":
        assert back.state is ActionState.WAITING_APPROVAL
        back = _approve(deploying, back)
    deploying.settle()
    world.deliver()
    assert deploying.weights() == {"v2": 100}


_QUARANTINE = {"feeds": ["clinic"], "since_us": 5, "reason": "units"}


@pytest.mark.parametrize(
    ("kind", "top", "state"),
    [
        (ActionKind.QUARANTINE_FEED, "limits: {quiet_hours: {from: '00:30', to: '06:00'}}", "waiting_approval"),
        (
            ActionKind.QUARANTINE_FEED,
            "limits: {quiet_hours: {from: '00:30', to: '06:00', always: quarantine_feed}}",
            "succeeded",
        ),
        (ActionKind.PAUSE_ENDPOINT, "", "waiting_approval"),
        (ActionKind.PAUSE_ENDPOINT, "allow_automatic: [pause_endpoint]", "running"),
    ],
)
def test_what_the_policy_let_run_is_held_by_what_the_policy_says_when_it_runs(
    world: World, kind: ActionKind, top: str, state: str
) -> None:
    _serving(world, 1)
    acting = Acting(world)
    acting.agreed(kind, _QUARANTINE, by="policy")
    (world.platform.project.root / "policy.yaml").write_text(f"{top}\nrules: []\n", encoding="utf-8")
    world.deliver("actions")
    assert world.actions() == [(kind.value, state)]
