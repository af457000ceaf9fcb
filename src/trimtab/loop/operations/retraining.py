"""Retraining: ask for one by hand through the gate, say why conditions hold or not, and what came of those before."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError
from trimtab.loop.actor import Actor
from trimtab.loop.deciding import purposes
from trimtab.loop.expecting_now import expected_now
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.operation import operation
from trimtab.loop.operations.approvals import described
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.loop.requests import ModelRequest, OfModel, Reason
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.retraining.conditions import Firing, subject_of
from trimtab.retraining.store import RetrainingEvent, last_retrain_us, load_triggers, recent_events

_EVALUATIONS = 20


class Retrain(ModelRequest):
    """Which model, and why."""

    reason: Reason = Field(min_length=1)


class ListRetrainings(OfModel):
    """Which retrainings."""

    evaluations: bool = Field(default=False, description="Also the evaluations that asked for none.")


@operation("retraining.trigger", "POST", "/api/retraining/trigger", Role.OPERATOR, Retrain)
def trigger(platform: Platform, actor: Actor, request: Retrain) -> JsonObject:
    """Ask for a retraining by hand; the policy says who must agree."""
    files = platform.files(request.model)
    with platform.database.transaction() as connection:
        proposal = Proposal(
            origin=Origin.PERSON,
            model=request.model,
            action=ActionKind.RETRAIN,
            open_diagnoses=open_diagnoses(connection, request.model),
        )
        context = RequestContext(
            requested_by=actor.name,
            owner=actor.who,
            purpose=purposes(request.model, [], 0),
            endpoint=files.endpoint,
            params={ActionKind.RETRAIN: {"reason": request.reason}},
            impact=expected_now(connection, platform, request.model, ActionKind.RETRAIN, {}),
        )
        decision, created = propose(connection, platform, proposal, context)
        before = list_actions(connection, model=request.model, kind=ActionKind.RETRAIN, open_only=True, limit=1)
    if not created and before:
        raise ConflictError(_asked_already(before[0]))
    if not created:
        raise ConflictError(f"model {request.model!r}: no retraining was started: {decision.reason}")
    return described(created[0])


def _asked_already(action: ActionRequest) -> str:
    if action.state is ActionState.WAITING_APPROVAL:
        return (
            f"model {action.model!r}: retraining {action.id} waits for approval already; decide on that one: "
            f"trimtab approvals approve {action.id}"
        )
    return (
        f"model {action.model!r}: retraining {action.id} is {action.state} already; let it end, "
        "see 'trimtab approvals list --all'"
    )


@operation("retraining.conditions", "GET", "/api/retraining/conditions", Role.VIEWER, ModelRequest)
def conditions(platform: Platform, _actor: Actor, request: ModelRequest) -> JsonObject:
    """Say whether the retraining conditions of a model hold, why (not), since when, and what they answered before."""
    files = platform.files(request.model)
    with platform.database.reading() as connection:
        events = recent_events(connection, request.model, limit=_EVALUATIONS)
        kept = load_triggers(connection, request.model)
        asked_us = last_retrain_us(connection, request.model)
        retrainings = recent_events(connection, request.model, fired_only=True, with_others=True, limit=1)
        champion = aliases_of(connection, files.endpoint).get("champion")
    # A database from before conditions remembered anything has evaluations all the same.
    latest = kept.latest or next((event.firing for event in events), None)
    free_at = None if asked_us is None else from_micros(asked_us) + files.retrain.cooldown
    cools_down = free_at is not None and free_at > platform.clock.now() and files.retrain.cooldown > timedelta(0)
    return {
        "model": request.model,
        "latest": None if latest is None else _told(latest),
        "is_outdated": kept.latest is not None and kept.state.about != subject_of(files.retrain, champion),
        "schedule": files.monitoring.schedule,
        "cools_down_until": free_at.isoformat() if cools_down and free_at is not None else None,
        "last_retraining": next((_event(event) for event in retrainings), None),
        "evaluations": [_event(event) for event in events],
    }


@operation("retraining.events", "GET", "/api/retraining/events", Role.VIEWER, ListRetrainings)
def events(platform: Platform, _actor: Actor, request: ListRetrainings) -> JsonObject:
    """List what asked for retrainings, newest first: conditions, people, incidents; with cause, job and outcome."""
    with platform.database.reading() as connection:
        found = recent_events(
            connection,
            request.model,
            fired_only=not request.evaluations,
            with_others=True,
            after=request.place,
            limit=request.one_more,
        )
    shown, further = request.page(found, lambda event: event.place)
    return {"events": [{"model": event.firing.model, **_event(event)} for event in shown], "next": further}


def _told(firing: Firing) -> JsonObject:
    return {
        "at": firing.at.isoformat(),
        "fired": firing.fired,
        "reason": firing.reason,
        "cause": firing.cause,
        "explanation": firing.explanation.to_json(),
    }


def _event(event: RetrainingEvent) -> JsonObject:
    return {
        **_told(event.firing),
        "event_id": event.id,
        "action_id": event.action_id,
        "refused": event.refused,
        "job_id": event.job_id,
        "outcome": event.outcome,
    }
