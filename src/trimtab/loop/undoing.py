"""What becomes of an action that did not help: it is taken back where that is better, and people are told."""

from __future__ import annotations

from trimtab.audit import log as audit
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Tier
from trimtab.db.engine import Connection
from trimtab.loop.actions.base import Undo
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.cases import note
from trimtab.loop.deciding import propose_and_note
from trimtab.loop.escalating import escalate
from trimtab.loop.gate import open_diagnoses, publish_action
from trimtab.loop.leaving import in_words, left_by_going_back
from trimtab.loop.platform import Platform
from trimtab.loop.predecessors import would_do_better
from trimtab.monitoring.check import Check
from trimtab.remediation.action_store import PlannedVerification, create_action, grant_of, list_actions, save_grant
from trimtab.remediation.actions import ActionRequest, ActionState, Grant, advance
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.promises import BRINGS_A_VERSION
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.verification import Verified

__all__ = ["take_back"]


def take_back(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    result: Verified,
    planned: PlannedVerification,
    after: tuple[Check, ...],
) -> None:
    """Undo an action that did not help, in the caller's transaction, where that can be, and ask people to take over.

    A version that was brought out is left only where the one before it would do better: that is proposed to the policy,
    like every other way back. All else takes its own undo along: whoever agreed to the action agreed to that. Nothing
    that undoes is undone, and a case has at most one undo.
    """
    handler = ACTION_HANDLERS.get(request.kind)
    undo = None if handler is None else handler.undo(request)
    why = f"{request.kind} of {request.model} did not help: {result.explanation}"
    if undo is None:
        _ask(connection, platform, request, f"{why}; nothing takes it back")
    elif request.kind in BRINGS_A_VERSION:
        better, known = would_do_better(connection, platform, request, planned, after)
        if not better:
            _ask(connection, platform, request, f"{why}; it stays, since {known}")
            return
        _propose_way_back(connection, platform, request, planned, f"{result.explanation}; {known}")
    elif _undone_before(connection, request):
        _ask(connection, platform, request, f"{why}; this case had an undo already")
    else:
        _undo(connection, platform, request, undo, why)


def _propose_way_back(
    connection: Connection, platform: Platform, request: ActionRequest, planned: PlannedVerification, why: str
) -> None:
    """Propose to leave the version that the action brought, and no other: by now another one may serve."""
    back, brought = ActionKind.ROLL_BACK, planned.params.get("version")
    left = left_by_going_back(connection, request.endpoint or request.model)
    would_leave = left.get("leaves", {}).get("version")
    if would_leave != brought:
        other = f"going back is not proposed: it would leave version {would_leave} now, and not version {brought}"
        _ask(connection, platform, request, f"{request.kind} of {request.model} did not help: {why}; {other}")
        return
    proposal = Proposal(
        origin=Origin.INCIDENT,
        model=request.model,
        action=back,
        severity=1.0,
        open_diagnoses=open_diagnoses(connection, request.model),
    )
    context = RequestContext(
        requested_by="policy",
        purpose={back: in_words(request.model, left)},
        endpoint=request.endpoint,
        incident_id=request.incident_id,
        params={back: {**left, "because": why, "verified": request.id}},
    )
    proposed = propose_and_note(connection, platform, proposal, context)
    what = "going back is proposed" if proposed else "going back was not proposed, see the case"
    _ask(connection, platform, request, f"{request.kind} of {request.model} did not help: {why}; {what}")


def _undo(connection: Connection, platform: Platform, request: ActionRequest, undo: Undo, why: str) -> None:
    """Store the undo as approved by the grant of the action that it takes back."""
    grant = grant_of(connection, request.id)
    by = request.decided_by or request.requested_by if grant is None else grant.granted_by
    now_us = platform.now_us()
    asked = ActionRequest(
        id=platform.new_id(),
        dedup_key=f"{undo.kind}:{request.model}:undoes:{request.id}",
        kind=undo.kind,
        model=request.model,
        tier=Tier.AUTOMATIC,
        purpose=undo.purpose,
        requested_by="policy",
        created_us=now_us,
        endpoint=request.endpoint,
        incident_id=request.incident_id,
        params=undo.params,
        reason=f"{why}; whoever agreed to {request.kind} agreed to taking it back",
        undoes=request.id,
    )
    approved = advance(asked, ActionState.APPROVED, at_us=now_us, by=by)
    if create_action(connection, approved).id != approved.id:
        return
    save_grant(connection, Grant(platform.new_id(), approved.id, approved.purpose, (undo.kind,), by, now_us))
    publish_action(connection, platform, approved)
    note(connection, platform, request.incident_id, f"{request.kind} is taken back by {undo.kind}", why)
    _ask(connection, platform, request, f"{why}; it is taken back by {undo.kind}")
    audit.append(
        connection,
        at_us=now_us,
        actor="conductor",
        action="action.requested",
        subject=f"action:{approved.id}",
        reason=approved.reason,
        after={"state": approved.state.value, "tier": approved.tier.value},
        detail={
            "kind": undo.kind.value,
            "model": request.model,
            "incident_id": request.incident_id,
            "undoes": request.id,
            "purpose": undo.purpose,
        },
    )
    reached("action.undone")


def _undone_before(connection: Connection, request: ActionRequest) -> bool:
    if request.incident_id is None:
        return False
    return any(one.undoes is not None for one in list_actions(connection, incident_id=request.incident_id))


def _ask(connection: Connection, platform: Platform, request: ActionRequest, why: str) -> None:
    escalate(connection, platform, request.model, why, about=f"verified:{request.id}", incident_id=request.incident_id)
