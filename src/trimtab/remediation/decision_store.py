"""What the policy said, kept: each decision with its proposal and the policy that it was made under."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import insert, select, update

from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Connection
from trimtab.db.tables import policy_decision
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.decision import Decision
from trimtab.remediation.proposal import Proposal, Standing

__all__ = ["StoredDecision", "decision_behind", "decisions_about", "decisions_of", "keep_decision", "policy_in_force"]


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A proposal, what the policy of ``policy_hash`` said of it, and the requests that followed.

    The same answer again, from which nothing followed either, is not stored again: it counts in ``times``, and
    ``last_us`` is its newest.
    """

    id: str
    at_us: int
    proposal: Proposal
    decision: Decision
    policy_hash: str
    incident_id: str | None = None
    standing: Standing = dataclasses.field(default_factory=Standing)
    action_ids: tuple[str, ...] = ()
    times: int = 1
    last_us: int = 0

    @property
    def held(self) -> bool:
        """Whether something was stricter than the rule."""
        return bool(self.decision.raised)

    def to_json(self) -> JsonObject:
        """Return it as JSON values."""
        return dict(_STORED.dump_python(self, mode="json"))

    @staticmethod
    def from_json(content: Any) -> StoredDecision:
        """Return the decision that `to_json` wrote."""
        return _STORED.validate_python(content)


def keep_decision(connection: Connection, made: StoredDecision) -> StoredDecision:
    """Store a decision, or count it with the one before that said the same; return what is stored now."""
    if not made.action_ids:
        before = _newest_alike(connection, made)
        if before is not None and _says_the_same(before, made):
            again = dataclasses.replace(before, times=before.times + 1, last_us=made.at_us)
            connection.execute(
                update(policy_decision).where(policy_decision.c.id == before.id).values(spec=again.to_json())
            )
            return again
    made = dataclasses.replace(made, last_us=made.at_us)
    connection.execute(
        insert(policy_decision).values(
            id=made.id,
            at_us=made.at_us,
            origin=made.proposal.origin.value,
            model=made.proposal.model,
            incident_id=made.incident_id,
            action=None if made.proposal.action is None else made.proposal.action.value,
            policy_hash=made.policy_hash,
            held=made.held,
            spec=made.to_json(),
        )
    )
    return made


def decisions_about(connection: Connection, incident_id: str, *, limit: int = 100) -> list[StoredDecision]:
    """Return what was decided about a case, newest first."""
    query = select(policy_decision.c.spec).where(policy_decision.c.incident_id == incident_id)
    rows = connection.execute(query.order_by(policy_decision.c.id.desc()).limit(limit)).scalars()
    return [StoredDecision.from_json(spec) for spec in rows]


def decisions_of(connection: Connection, model: str, *, limit: int = 100) -> list[StoredDecision]:
    """Return what was decided about a model, newest first."""
    query = select(policy_decision.c.spec).where(policy_decision.c.model == model)
    ordered = query.order_by(policy_decision.c.at_us.desc(), policy_decision.c.id.desc())
    return [StoredDecision.from_json(spec) for spec in connection.execute(ordered.limit(limit)).scalars()]


def decision_behind(connection: Connection, request: ActionRequest) -> StoredDecision | None:
    """Return the decision from which ``request`` followed; None where none did, or it is not stored."""
    mine = policy_decision.c.model == request.model, policy_decision.c.at_us == request.created_us
    found = connection.execute(select(policy_decision.c.spec).where(*mine)).scalars()
    made = (StoredDecision.from_json(spec) for spec in found)
    return next((one for one in made if request.id in one.action_ids), None)


def policy_in_force(connection: Connection) -> str | None:
    """Return the hash of the policy that the newest decision was made under, None before the first decision."""
    query = select(policy_decision.c.policy_hash).order_by(policy_decision.c.id.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none()


def _newest_alike(connection: Connection, made: StoredDecision) -> StoredDecision | None:
    table = policy_decision.c
    query = select(table.spec).where(table.model == made.proposal.model, table.origin == made.proposal.origin.value)
    if made.incident_id is None:
        query = query.where(table.incident_id.is_(None))
    else:
        query = query.where(table.incident_id == made.incident_id)
    spec = connection.execute(query.order_by(table.at_us.desc(), table.id.desc()).limit(1)).scalar_one_or_none()
    return None if spec is None else StoredDecision.from_json(spec)


def _says_the_same(before: StoredDecision, now: StoredDecision) -> bool:
    # How long a cool-down still lasts is told in words, and differs each time: it is no other answer.
    return not before.action_ids and _gist(before) == _gist(now)


def _gist(made: StoredDecision) -> object:
    proposal, decision = made.proposal, made.decision
    raised = [(one.action, one.tier, one.limit) for one in decision.raised]
    asked = proposal.action, proposal.diagnosis, proposal.level, proposal.open_diagnoses
    return made.policy_hash, asked, decision.rule, dict(decision.tiers), raised


_STORED: TypeAdapter[StoredDecision] = TypeAdapter(StoredDecision)
