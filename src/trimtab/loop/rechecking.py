"""What is looked at once more between an approval and its execution: minutes or days may lie between the two."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from trimtab.audit import log as audit
from trimtab.core.clock import from_micros, to_micros
from trimtab.db.engine import Connection
from trimtab.loop import autonomy
from trimtab.loop.cases import note
from trimtab.loop.gate import finish_action, publish_action
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import grant_of, save_action, withdraw_grant
from trimtab.remediation.actions import ActionRequest, ActionState, Grant, advance
from trimtab.remediation.decision import Decision
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import load_incident
from trimtab.rollout import endpoint_store

__all__ = ["Held", "held_back", "hold_back"]

_BY_POLICY = "policy"
_AFTER_A_CASE = frozenset({ActionKind.RELEASE_FEED, ActionKind.RESUME_ENDPOINT})


@dataclass(frozen=True, slots=True)
class Held:
    """Why an approved action does not run now, and what becomes of it: it waits, expires or is cancelled."""

    to: ActionState
    why: str


def held_back(connection: Connection, platform: Platform, request: ActionRequest) -> Held | None:
    """Return why an approved request must not run now, None if it may.

    What the policy let run by itself waits for a person while autonomy is paused, and is dropped where its case is
    over. A grant that has ended allows nothing. An endpoint that is another model's now is not touched.
    """
    grant = grant_of(connection, request.id)
    if grant is not None and not grant.allows(request.kind, platform.now_us()):
        return Held(ActionState.EXPIRED, _ended(grant))
    if request.endpoint is not None and not request.kind.only_tells:
        owner = endpoint_store.model_of(connection, request.endpoint)
        if owner not in {None, request.model}:
            return Held(
                ActionState.CANCELLED,
                f"endpoint {request.endpoint!r} serves model {owner!r} now, not {request.model!r}; nothing was done",
            )
    if request.decided_by != _BY_POLICY or request.kind.only_tells:
        return None
    paused = autonomy.held_back(connection, platform, request)
    if paused is not None:
        return Held(ActionState.WAITING_APPROVAL, f"{paused}; a person decides")
    if _case_is_over(connection, request):
        return Held(ActionState.CANCELLED, "its case was over before it ran; nothing was done")
    return None


def hold_back(connection: Connection, platform: Platform, request: ActionRequest, held: Held) -> None:
    """Store what becomes of a request that must not run now, in the caller's transaction."""
    if held.to is not ActionState.WAITING_APPROVAL:
        finish_action(connection, platform, request, held.to, held.why)
        note(connection, platform, request.incident_id, f"{request.kind} {held.to}", held.why)
        return
    withdraw_grant(connection, request.id)
    waiting = advance(request, ActionState.WAITING_APPROVAL, at_us=platform.now_us(), outcome=held.why)
    expires_us = to_micros(platform.clock.now() + _patience(request))
    waiting = save_action(connection, dataclasses.replace(waiting, decided_by=None, expires_us=expires_us))
    publish_action(connection, platform, waiting)
    note(connection, platform, request.incident_id, f"{request.kind} waits for a person", held.why)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="action.held",
        subject=f"action:{request.id}",
        reason=held.why,
        before={"state": request.state.value},
        after={"state": waiting.state.value},
        detail={"kind": request.kind.value, "model": request.model, "incident_id": request.incident_id},
    )


def _patience(request: ActionRequest) -> timedelta:
    """Return how long the rule waits for a person; an undo, which no rule decided on, a day."""
    return Decision.from_json(request.policy).expires if request.policy else timedelta(days=1)


def _ended(grant: Grant) -> str:
    if grant.expires_us is None:
        return f"the grant of {grant.granted_by} does not cover it; nothing was done"
    until = from_micros(grant.expires_us).isoformat(timespec="seconds")
    return f"the grant of {grant.granted_by} ended at {until}, before it could run; let it be requested again"


def _case_is_over(connection: Connection, request: ActionRequest) -> bool:
    if request.incident_id is None or request.undoes is not None or request.kind in _AFTER_A_CASE:
        return False
    return not load_incident(connection, request.incident_id).state.is_open
