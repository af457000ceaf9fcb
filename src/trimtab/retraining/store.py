"""The history of retraining conditions: each evaluation, why it held or did not, and the action that followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from trimtab.core.clock import from_micros, to_micros
from trimtab.db.engine import Connection
from trimtab.db.tables import retraining_event
from trimtab.retraining.conditions import Explanation, Firing

__all__ = ["RetrainingEvent", "last_retrain_us", "recent_events", "save_firing"]


@dataclass(frozen=True, slots=True)
class RetrainingEvent:
    """A stored evaluation, and the action request that came of it, if any; ``refused`` says why none may."""

    id: str
    firing: Firing
    action_id: str | None
    refused: str | None = None


def save_firing(
    connection: Connection, event_id: str, firing: Firing, *, action_id: str | None = None, refused: str | None = None
) -> None:
    """Store one evaluation."""
    connection.execute(
        insert(retraining_event).values(
            id=event_id,
            model=firing.model,
            held=firing.fired,
            action_id=action_id,
            at_us=to_micros(firing.at),
            spec={"reason": firing.reason, "explanation": firing.explanation.to_json(), "refused": refused},
        )
    )


def last_retrain_us(connection: Connection, model: str) -> int | None:
    """Return when a firing of ``model`` last led to an action request, None when none ever did."""
    moment = connection.execute(
        select(retraining_event.c.at_us)
        .where(retraining_event.c.model == model, retraining_event.c.held, retraining_event.c.action_id.is_not(None))
        .order_by(retraining_event.c.at_us.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if moment is None else int(moment)


def recent_events(
    connection: Connection, model: str, *, fired_only: bool = False, limit: int = 50
) -> list[RetrainingEvent]:
    """Return the evaluations of ``model``, newest first."""
    query = select(retraining_event).where(retraining_event.c.model == model)
    if fired_only:
        query = query.where(retraining_event.c.held)
    ordered = query.order_by(retraining_event.c.at_us.desc(), retraining_event.c.id.desc()).limit(limit)
    return [_event(row) for row in connection.execute(ordered)]


def _event(row: Any) -> RetrainingEvent:
    explanation = Explanation.from_json(row.spec["explanation"])
    firing = Firing(row.model, from_micros(row.at_us), row.held, row.spec["reason"], explanation)
    return RetrainingEvent(id=row.id, firing=firing, action_id=row.action_id, refused=row.spec.get("refused"))
