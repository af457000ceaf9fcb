"""Whoever wants something done asks the same gate: one request for one thing, cooled down, refused with broken data."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import ConflictError
from trimtab.loop.actor import Actor
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.operation import perform
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.decision import Decision, Proposal
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin, Ruling
from trimtab.remediation.requests import RequestContext

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

_DANA = Actor("dana", Role.ADMIN)


def _retrain(world: World, origin: Origin, by: str) -> tuple[Decision, tuple[ActionRequest, ...]]:
    with world.platform.database.transaction() as connection:
        proposal = Proposal(
            origin=origin,
            model=MODEL,
            action=ActionKind.RETRAIN,
            open_diagnoses=open_diagnoses(connection, MODEL),
        )
        return propose(connection, world.platform, proposal, RequestContext(requested_by=by, purpose={}))


def _by_hand(world: World) -> str:
    answer = perform(world.platform, _DANA, "retraining.trigger", {"model": MODEL, "reason": "I want it"})
    return str(answer["action_id"])


def _decide(world: World, action_id: str, *, approve: bool) -> None:
    perform(world.platform, _DANA, "approvals.decide", {"action_id": action_id, "approve": approve, "reason": ""})


def test_one_retraining_of_a_model_is_asked_for_whoever_wants_it(world: World) -> None:
    _decision, created = _retrain(world, Origin.TRIGGER, "trigger")
    assert [request.state.value for request in created] == ["waiting_approval"]
    with pytest.raises(ConflictError, match=f"{created[0].id} waits for approval already"):
        _by_hand(world)
    assert _retrain(world, Origin.PERSON, "dana")[1] == ()
    assert world.actions() == [("retrain", "waiting_approval")]


def test_a_trigger_does_not_ask_again_for_what_was_turned_down_and_a_person_may(world: World) -> None:
    _decide(world, _by_hand(world), approve=False)
    decision, created = _retrain(world, Origin.TRIGGER, "trigger")
    assert (decision.tiers[ActionKind.RETRAIN], created) == (Ruling.REFUSE, ())
    assert "may be asked for again in 1d" in decision.reason
    _decide(world, _by_hand(world), approve=False)
    world.clock.advance(timedelta(days=1))
    assert len(_retrain(world, Origin.TRIGGER, "trigger")[1]) == 1


def test_a_trigger_is_refused_while_a_unit_change_is_open(world: World) -> None:
    world.version(1)
    now_us = world.platform.now_us()
    cause = Cause(
        kind=CauseKind.UNIT_CHANGE,
        column="chol",
        factor=1 / 38.67,
        known_unit="mg/dL → mmol/L (÷ 38.67)",
        since_us=now_us,
        until_us=None,
        since_row_share=1.0,
        explanation="chol was multiplied by 0.02586",
    )
    world.checked(world.check(Verdict.BREACH, column="chol", detail={"causes": [cause.to_json()]}))
    world.deliver()
    diagnoses = world.platform.database.read(lambda connection: open_diagnoses(connection, MODEL))
    assert diagnoses == (DiagnosisKind.UNIT_CHANGE,)
    decision, created = _retrain(world, Origin.TRIGGER, "trigger")
    assert (decision.tier, created) == (Ruling.REFUSE, ())
    assert decision.rule == "A trigger does not retrain a model while its data are broken"
    assert ("retrain", "waiting_approval") not in world.actions()
    assert [state for kind, state in world.actions() if kind == "quarantine_feed"] == ["succeeded"]
    assert world.unfinished() == []


def test_what_no_rule_speaks_of_waits_for_an_admin(world: World) -> None:
    with world.platform.database.transaction() as connection:
        proposal = Proposal(origin=Origin.INCIDENT, model=MODEL, action=ActionKind.DELETE_DATA)
        decision, created = propose(connection, world.platform, proposal, RequestContext("policy", {}))
    assert decision.rule is None
    assert [request.tier.value for request in created] == ["person_only"]
