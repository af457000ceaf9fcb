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
from trimtab.loop.leaving import why_not_left
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import grant_of, save_action, withdraw_grant
from trimtab.remediation.actions import ActionRequest, ActionState, Grant, advance
from trimtab.remediation.decision import Decision
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import load_incident
from trimtab.rollout import endpoint_store

__all__ = ["Held", "ends_with_its_case", "held_back", "hold_back"]

_BY_POLICY = "policy"
_AFTER_A_CASE = frozenset({ActionKind.RELEASE_FEED, ActionKind.RESUME_ENDPOINT})
_DURING_A_CASE = frozenset(
    {
        ActionKind.QUARANTINE_FEED,
        ActionKind.PAUSE_ENDPOINT,
        ActionKind.SCALE,
        ActionKind.CLEAR_CACHE,
        ActionKind.ROLL_BACK,
    }
)
"""What answers trouble while it lasts: done later, it harms what is well again, and nobody is there to take it back."""


@dataclass(frozen=True, slots=True)
class Held:
    """Why an approved action does not run now, and what becomes of it: it waits, expires or is cancelled."""

    to: ActionState
    why: str


def held_back(connection: Connection, platform: Platform, request: ActionRequest) -> Held | None:
    """Return why an approved request must not run now, None if it may.

    A grant that has ended allows nothing. An endpoint that is another model's now is not touched, nor is a version left
    that was not meant. What is of use only while its case lasts is dropped where that is over, whoever agreed to it,
    and so is all that the policy let run by itself; what is left of that waits for a person while autonomy is paused.
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
    moot = why_not_left(connection, request)
    if moot is not None:
        return Held(ActionState.CANCELLED, moot)
    if request.kind.only_tells:
        return None
    if _case_is_over(connection, request):
        return Held(ActionState.CANCELLED, "its case was over before it ran; nothing was done")
    paused = autonomy.held_back(connection, platform, request)
    return None if paused is None else Held(ActionState.WAITING_APPROVAL, f"{paused}; a person decides")


def ends_with_its_case(request: ActionRequest) -> bool:
    """Return whether the policy asked for it on account of a case, and it is of use only while that lasts.

    A training, rows to be labelled, and what follows a case are of use after it as well. The way back of a release that
    was judged is about the release, and what undoes an action is about that.
    """
    asked_for_it = request.requested_by == _BY_POLICY and request.incident_id is not None
    return asked_for_it and request.kind in _DURING_A_CASE and not _is_about_an_action(request)


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
    if request.incident_id is None or request.kind in _AFTER_A_CASE or _is_about_an_action(request):
        return False
    if request.decided_by != _BY_POLICY and not ends_with_its_case(request):
        return False
    return not load_incident(connection, request.incident_id).state.is_open


def _is_about_an_action(request: ActionRequest) -> bool:
    return request.undoes is not None or "verified" in request.params
