"""The one gate: what anybody wants done is proposed to the policy, and becomes action requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from trimtab.audit import log as audit
from trimtab.config.loading import Loaded
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import load_policy
from trimtab.loop.platform import Platform
from trimtab.loop.policy_state import note_policy, standing_beside
from trimtab.remediation.action_store import create_action, past_actions, save_action, save_grant
from trimtab.remediation.actions import ActionRequest, ActionState, advance
from trimtab.remediation.approvals import granted_by_policy
from trimtab.remediation.changes import changes_of
from trimtab.remediation.decision import Decision, Proposal, decide
from trimtab.remediation.decision_store import StoredDecision, keep_decision
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin
from trimtab.remediation.limits import looked_back
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.proposal import Standing
from trimtab.remediation.requests import RequestContext, requests_of
from trimtab.remediation.store import list_incidents
from trimtab.retraining.store import note_outcome, save_request

__all__ = ["finish_action", "open_diagnoses", "propose", "publish_action", "weigh"]


def propose(
    connection: Connection,
    platform: Platform,
    proposal: Proposal,
    context: RequestContext,
    *,
    ids: Callable[[], str] | None = None,
) -> tuple[Decision, tuple[ActionRequest, ...]]:
    """Ask the policy, store its decision and the requests that follow, and tell the loop, in the caller's transaction.

    Returns the decision and the requests that are new; one that is open already for the same thing is not doubled.
    """
    now = platform.clock.now()
    loaded = _policy_for(platform, proposal)
    policy = loaded.value
    decision, standing = weigh(connection, policy, proposal, context, now=now)
    created = []
    for request in requests_of(decision, proposal, context, now=now, ids=ids or platform.new_id):
        if create_action(connection, request).id != request.id:
            continue
        created.append(request)
        if request.state is ActionState.APPROVED:
            save_grant(connection, granted_by_policy(request, policy, now=now, grant_id=platform.new_id()))
        publish_action(connection, platform, request)
        if request.kind is ActionKind.RETRAIN and proposal.origin is not Origin.TRIGGER:
            _note_request(connection, platform, proposal, request)
        _note(connection, platform, request, decision)
    made = StoredDecision(
        id=platform.new_id(),
        at_us=to_micros(now),
        proposal=proposal,
        decision=decision,
        policy_hash=loaded.digest,
        incident_id=context.incident_id,
        standing=standing,
        action_ids=tuple(request.id for request in created),
    )
    # Before the decision is kept: it is told by the one before that the policy is another.
    if loaded.digest:
        note_policy(connection, platform, loaded)
    keep_decision(connection, made)
    reached("decision.made")
    return decision, tuple(created)


def _policy_for(platform: Platform, proposal: Proposal) -> Loaded[PolicyConfig]:
    """Return the policy that stands in the file; where it cannot be read, an approver still goes back.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return load_policy(platform.project)
    except ConfigError:
        # Whoever broke the file an hour ago must not keep a bad version in front of the callers.
        if not proposal.is_own_way_back:
            raise
        return Loaded(value=PolicyConfig(), path=platform.project.root / "policy.yaml", digest="")


def weigh(
    connection: Connection, policy: PolicyConfig, proposal: Proposal, context: RequestContext, *, now: datetime
) -> tuple[Decision, Standing]:
    """Return what the policy says of a proposal as of now, and how things stand; nothing is stored."""
    history = past_actions(connection, since_us=to_micros(now - looked_back(policy.limits)))
    standing = standing_beside(connection, policy, proposal, context, now=now)
    return decide(policy, proposal, history, now, standing), standing


def finish_action(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    state: ActionState,
    outcome: str,
    *,
    by: str = "conductor",
) -> ActionRequest:
    """Store how an action ended, and by whose hand, and tell the loop, in the caller's transaction."""
    after = save_action(connection, advance(request, state, at_us=platform.now_us(), outcome=outcome))
    note_outcome(connection, after.id, f"{state}: {outcome}")
    payload = {"action_id": after.id, "model": after.model, "incident_id": after.incident_id, "state": state.value}
    platform.publish(connection, "action.finished", f"action:{after.id}", payload)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=by,
        action=f"action.{state.value}",
        subject=f"action:{after.id}",
        reason=outcome,
        detail={"kind": after.kind.value, "model": after.model, "incident_id": after.incident_id},
    )
    return after


def publish_action(connection: Connection, platform: Platform, request: ActionRequest) -> None:
    """Tell the loop that a request waits, or may run."""
    kind = "action.approved" if request.state is ActionState.APPROVED else "action.waiting"
    payload = {"action_id": request.id, "model": request.model, "incident_id": request.incident_id}
    platform.publish(connection, kind, f"action:{request.id}", payload)


def open_diagnoses(connection: Connection, model: str) -> tuple[DiagnosisKind, ...]:
    """Return the diagnoses of the model's open incidents."""
    found = list_incidents(connection, model=model, open_only=True)
    return tuple(incident.diagnosis.kind for incident in found if incident.diagnosis is not None)


def _note_request(connection: Connection, platform: Platform, proposal: Proposal, request: ActionRequest) -> None:
    """Enter a retraining that no condition asked for into the history of retrainings: conditions enter their own."""
    reason = str(request.params.get("reason") or proposal.diagnosis or request.purpose)
    save_request(
        connection,
        platform.new_id(),
        request.model,
        at=platform.clock.now(),
        cause=proposal.origin.value,
        reason=reason,
        action_id=request.id,
    )


def _note(connection: Connection, platform: Platform, request: ActionRequest, decision: Decision) -> None:
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=request.requested_by,
        action="action.requested",
        subject=f"action:{request.id}",
        reason=decision.reason,
        after={"state": request.state.value, "tier": request.tier.value},
        detail={
            "kind": request.kind.value,
            "model": request.model,
            "incident_id": request.incident_id,
            "rule": decision.rule,
            "purpose": request.purpose,
            "changes": changes_of(request),
        },
    )
