"""Actions that wait for a person: list, approve, reject."""

from __future__ import annotations

from pydantic import Field

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.cases import note
from trimtab.loop.gate import publish_action
from trimtab.loop.keys import other_approvers
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, OfModel, Reason
from trimtab.remediation.action_store import list_actions, load_action, save_action, save_grant
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.approvals import Person, approve, reject
from trimtab.retraining.store import note_outcome


class ListActions(OfModel):
    """Which requests."""

    state: ActionState | None = Field(default=None, description="Only those in this state, e.g. waiting_approval.")


class DecideAction(Strict):
    """Which request, and what is decided."""

    action_id: Id
    approve: bool = Field(description="True approves, false rejects.")
    reason: Reason = ""


@operation("approvals.list", "GET", "/api/approvals", Role.VIEWER, ListActions)
def list_approvals(platform: Platform, _actor: Actor, request: ListActions) -> JsonObject:
    """List action requests, newest first: what is proposed, what it should bring, who must agree."""
    with platform.database.reading() as connection:
        found = list_actions(connection, model=request.model, state=request.state, limit=request.limit)
    return {"actions": [described(action) for action in found]}


@operation("approvals.decide", "POST", "/api/approvals/{action_id}/decision", Role.APPROVER, DecideAction)
def decide(platform: Platform, actor: Actor, request: DecideAction) -> JsonObject:
    """Approve a request, so that it runs, or reject it."""
    person = Person(actor.name, actor.role)
    now = platform.clock.now()
    note_to_approver = ""
    with platform.database.transaction() as connection:
        action = load_action(connection, request.action_id)
        if request.approve:
            approval = approve(
                action,
                person,
                other_approvers=other_approvers(connection, actor.name),
                now=now,
                grant_id=platform.new_id(),
                comment=request.reason,
            )
            after = save_action(connection, approval.request)
            save_grant(connection, approval.grant)
            publish_action(connection, platform, after)
            reached("approval.granted")
            note_to_approver = approval.note
        else:
            after = save_action(connection, reject(action, person, now=now, reason=request.reason))
            note_outcome(connection, after.id, f"rejected by {actor.name}: {request.reason}".rstrip(": "))
            payload = {"action_id": after.id, "model": after.model, "incident_id": after.incident_id}
            platform.publish(connection, "action.rejected", f"action:{after.id}", payload)
        word = "approved" if request.approve else "rejected"
        note(connection, platform, after.incident_id, f"{after.kind} {word} by {actor.name}", request.reason)
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor=actor.name,
            action=f"action.{word}",
            subject=f"action:{after.id}",
            reason=request.reason,
            before={"state": action.state.value},
            after={"state": after.state.value},
            detail={"kind": after.kind.value, "purpose": after.purpose, "covers": [one.value for one in after.covers]},
        )
    reached("approval.answered")
    return {**described(after), "note": note_to_approver}


def described(action: ActionRequest) -> JsonObject:
    """Return a request as the API tells it."""
    impact = action.predicted_impact
    return {
        "action_id": action.id,
        "kind": action.kind.value,
        "model": action.model,
        "state": action.state.value,
        "tier": action.tier.value,
        "purpose": action.purpose,
        "reason": action.reason,
        "asked_because": str(action.params.get("trigger") or action.params.get("reason") or ""),
        "predicted_impact": None
        if impact is None
        else {"metric": impact.metric, "now": impact.now, "expected": impact.expected, "basis": impact.basis},
        "covers": [one.value for one in action.covers],
        "incident_id": action.incident_id,
        "requested_by": action.requested_by,
        "decided_by": action.decided_by,
        "created_us": action.created_us,
        "expires_us": action.expires_us,
        "finished_us": action.finished_us,
        "outcome": action.outcome,
        "rules": action.policy.get("asked", []),
    }
