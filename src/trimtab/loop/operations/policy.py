"""What the policy says: its rules as they stand, and why it decided as it did."""

from __future__ import annotations

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop.actor import Actor
from trimtab.loop.deciding import say_again
from trimtab.loop.model_files import load_policy
from trimtab.loop.operation import operation
from trimtab.loop.operations.autonomy import autonomy_now
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, Nothing
from trimtab.remediation.action_store import load_action
from trimtab.remediation.decision import Decision
from trimtab.remediation.decision_store import StoredDecision, decisions_about
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.promises import promise_in_words
from trimtab.remediation.store import load_incident

__all__ = ["ExplainIncident", "explain_incident", "show_policy"]


class ExplainIncident(Strict):
    """Which incident, and how much of it."""

    incident_id: Id
    limit: int = Field(default=20, ge=1, le=200, description="How many decisions, the newest first.")


@operation("policy.show", "GET", "/api/policy", Role.VIEWER, Nothing)
def show_policy(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """Show the rules in their order, the limits over them, and whether anything may run by itself now."""
    loaded = load_policy(platform.project)
    policy = loaded.value
    with platform.database.reading() as connection:
        told = autonomy_now(connection, platform)
    return {
        "path": loaded.path.name,
        "policy_hash": loaded.digest,
        "autonomy": told,
        "limits": policy.limits.model_dump(mode="json", by_alias=True),
        "allow_automatic": [action.value for action in policy.allow_automatic],
        "floors": {action.value: policy.floor_of(action).value for action in ActionKind},
        "rules": [
            {
                "name": rule.name,
                "line": loaded.lines.get(("rules", place)),
                "when": rule.when.model_dump(mode="json", exclude_unset=True),
                "then": rule.then.model_dump(mode="json", exclude_unset=True),
            }
            for place, rule in enumerate(policy.rules)
        ],
    }


@operation("policy.explain", "GET", "/api/incidents/{incident_id}/decisions", Role.VIEWER, ExplainIncident)
def explain_incident(platform: Platform, _actor: Actor, request: ExplainIncident) -> JsonObject:
    """Say which rules were asked about an incident, why each did or did not match, and what would be said now."""
    try:
        in_force = load_policy(platform.project).digest
    except ConfigError:
        in_force = None
    with platform.database.reading() as connection:
        incident = load_incident(connection, request.incident_id)
        stored = decisions_about(connection, incident.id, limit=request.limit)
        decisions = [_stored(connection, incident, one, in_force) for one in stored]
        now = _said_now(connection, platform, incident)
    return {
        "incident_id": incident.id,
        "model": incident.model,
        "title": incident.title,
        "state": incident.state.value,
        "policy_hash": in_force,
        "decisions": decisions,
        "now": now,
    }


def _said_now(connection: Connection, platform: Platform, incident: Incident) -> JsonObject:
    """Return what the policy would say at this moment, or why it cannot be asked; nothing is stored."""
    if incident.diagnosis is None:
        return {"error": "the incident has no diagnosis yet, so that there is nothing to ask about"}
    try:
        proposal, decision = say_again(connection, platform, incident, incident.diagnosis)
    except ConfigError as error:
        return {"error": str(error)}
    return {"proposal": _proposal_told(proposal.diagnosis, proposal.severity, proposal.action), **_told(decision)}


def _stored(connection: Connection, incident: Incident, made: StoredDecision, in_force: str | None) -> JsonObject:
    proposal = made.proposal
    return {
        "decision_id": made.id,
        "at_us": made.at_us,
        "times": made.times,
        "last_us": made.last_us,
        "policy_hash": made.policy_hash,
        "policy_is_in_force": made.policy_hash == in_force,
        "origin": proposal.origin.value,
        "proposal": _proposal_told(proposal.diagnosis, proposal.severity, proposal.action),
        **_told(made.decision),
        "requests": [_request(connection, incident, action_id) for action_id in made.action_ids],
    }


def _proposal_told(diagnosis: str | None, severity: float, action: ActionKind | None) -> JsonObject:
    return {"diagnosis": diagnosis, "severity": severity, "action": action}


def _told(decision: Decision) -> JsonObject:
    return {
        "rule": decision.rule,
        "tier": decision.tier.value,
        "reason": decision.reason,
        "actions": [{"action": action.value, "tier": decision.tiers[action].value} for action in decision.actions],
        "covers": [action.value for action in decision.covers],
        "asked": [{"rule": one.rule, "matched": one.matched, "why": one.why} for one in decision.asked],
        "raised": [
            {"action": one.action.value, "tier": one.tier.value, "limit": one.limit.value, "why": one.why}
            for one in decision.raised
        ],
    }


def _request(connection: Connection, incident: Incident, action_id: str) -> JsonObject:
    action = load_action(connection, action_id)
    impact = action.predicted_impact
    return {
        "action_id": action.id,
        "action": action.kind.value,
        "tier": action.tier.value,
        "state": action.state.value,
        "outcome": action.outcome,
        "promise": promise_in_words(action, incident.evidence),
        "predicted_impact": None
        if impact is None
        else {"metric": impact.metric, "now": impact.now, "expected": impact.expected, "basis": impact.basis},
    }
