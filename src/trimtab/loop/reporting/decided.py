"""What was decided of a case, and who said what of its actions, for its report."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.db.engine import Connection
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.decision_store import StoredDecision, decisions_about
from trimtab.remediation.vote_store import votes_of
from trimtab.reports.incident import DecisionData, VoteData

__all__ = ["decisions_on", "votes_on"]


def decisions_on(connection: Connection, incident_id: str) -> tuple[DecisionData, ...]:
    """Return what the policy said of the case, in order of time; also where nothing followed from it."""
    return tuple(map(_decision, reversed(decisions_about(connection, incident_id))))


def votes_on(connection: Connection, actions: Sequence[ActionRequest]) -> tuple[VoteData, ...]:
    """Return who said what of the actions, in order of time."""
    found = [
        VoteData(one.at_us, one.owner, one.actor, action.kind.value, one.word.value, one.via.value, one.comment)
        for action in actions
        for one in votes_of(connection, action.id)
    ]
    return tuple(sorted(found, key=lambda one: one.at_us))


def _decision(stored: StoredDecision) -> DecisionData:
    decision = stored.decision
    return DecisionData(
        at_us=stored.at_us,
        rule=decision.rule,
        answers={action.value: tier.value for action, tier in decision.tiers.items()},
        reason=decision.reason,
        policy_hash=stored.policy_hash,
        raised=tuple(f"{one.action.value}: {one.why}" for one in decision.raised),
        times=stored.times,
    )
