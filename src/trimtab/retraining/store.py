"""The history of retrainings: what conditions answered, what people and incidents asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import retraining_event, trigger_state
from trimtab.retraining.conditions import Firing
from trimtab.retraining.durations import TriggerState
from trimtab.retraining.facts import Explanation

__all__ = [
    "KeptTriggers",
    "RetrainingEvent",
    "is_answered",
    "last_retrain_us",
    "load_triggers",
    "note_job",
    "note_outcome",
    "recent_events",
    "save_firing",
    "save_request",
    "save_triggers",
]

_OTHERS = ("person", "incident")
"""Causes of requests that no condition made: they are history, and say nothing of the conditions."""


@dataclass(frozen=True, slots=True)
class RetrainingEvent:
    """A stored evaluation or a request by others, and the action request that came of it, if any.

    ``refused`` says why there may be none; ``job_id`` and ``outcome`` what became of the action.
    """

    id: str
    firing: Firing
    action_id: str | None
    refused: str | None = None
    job_id: str | None = None
    outcome: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands among the others."""
        return Place(to_micros(self.firing.at), self.id)


@dataclass(frozen=True, slots=True)
class KeptTriggers:
    """What a model's conditions remember, what they answered last, and how often that was written."""

    state: TriggerState
    latest: Firing | None
    version: int


def save_firing(
    connection: Connection, event_id: str, firing: Firing, *, action_id: str | None = None, refused: str | None = None
) -> None:
    """Store one evaluation; of an action that others asked for, with the job that does it already."""
    others = select(retraining_event.c.job_id).where(
        retraining_event.c.action_id == action_id, retraining_event.c.job_id.is_not(None)
    )
    job_id = None if action_id is None else connection.execute(others.limit(1)).scalar_one_or_none()
    connection.execute(
        insert(retraining_event).values(
            id=event_id,
            model=firing.model,
            held=firing.fired,
            action_id=action_id,
            at_us=to_micros(firing.at),
            job_id=job_id,
            cause=firing.cause,
            spec={"reason": firing.reason, "explanation": firing.explanation.to_json(), "refused": refused},
        )
    )


def save_request(
    connection: Connection, event_id: str, model: str, *, at: datetime, cause: str, reason: str, action_id: str
) -> None:
    """Store that a person or an incident (``cause``) asked for a retraining."""
    firing = Firing(model, at, True, reason, Explanation(cause, True, reason), cause)
    save_firing(connection, event_id, firing, action_id=action_id)


def note_job(connection: Connection, action_id: str, job_id: str) -> None:
    """Store which job does what this action asked for."""
    connection.execute(update(retraining_event).where(retraining_event.c.action_id == action_id).values(job_id=job_id))


def note_outcome(connection: Connection, action_id: str, outcome: str) -> None:
    """Store how this action ended; of one that is no retraining, nothing."""
    connection.execute(
        update(retraining_event).where(retraining_event.c.action_id == action_id).values(outcome=outcome)
    )


def is_answered(connection: Connection, action_id: str) -> bool:
    """Return whether this request answers a firing of the conditions already."""
    mine = retraining_event.c.action_id == action_id, _evaluated()
    return bool(connection.scalar(select(exists().where(*mine))))


def last_retrain_us(connection: Connection, model: str) -> int | None:
    """Return when a firing of ``model`` last led to an action request, None when none ever did."""
    moment = connection.execute(
        select(retraining_event.c.at_us)
        .where(
            retraining_event.c.model == model,
            retraining_event.c.held,
            retraining_event.c.action_id.is_not(None),
            _evaluated(),
        )
        .order_by(retraining_event.c.at_us.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if moment is None else int(moment)


def recent_events(
    connection: Connection,
    model: str | None,
    *,
    fired_only: bool = False,
    with_others: bool = False,
    after: Place | None = None,
    limit: int = 50,
) -> list[RetrainingEvent]:
    """Return the evaluations of ``model`` (of all, without one), newest first; perhaps with what others asked for.

    Only those behind ``after`` where it is given.
    """
    query = select(retraining_event)
    if model is not None:
        query = query.where(retraining_event.c.model == model)
    if fired_only:
        query = query.where(retraining_event.c.held)
    if not with_others:
        query = query.where(_evaluated())
    ordered = newest(query, retraining_event.c.at_us, retraining_event.c.id, after=after, limit=limit)
    return [_event(row) for row in connection.execute(ordered)]


def load_triggers(connection: Connection, model: str) -> KeptTriggers:
    """Return what the conditions of ``model`` remember; at first nothing."""
    row = connection.execute(select(trigger_state).where(trigger_state.c.model == model)).first()
    if row is None:
        return KeptTriggers(TriggerState(), None, 0)
    latest = row.spec["latest"]
    explanation = Explanation.from_json(latest["explanation"])
    firing = Firing(
        model, from_micros(latest["at_us"]), latest["fired"], latest["reason"], explanation, latest["cause"]
    )
    return KeptTriggers(TriggerState.from_json(row.spec["state"]), firing, row.version)


def save_triggers(
    connection: Connection, model: str, state: TriggerState, latest: Firing, *, before: KeptTriggers
) -> None:
    """Store what the conditions of ``model`` remember, in place of ``before``.

    Raises:
        ConflictError: another process has written it since ``before`` was read.
    """
    told: JsonObject = {
        "at_us": to_micros(latest.at),
        "fired": latest.fired,
        "reason": latest.reason,
        "cause": latest.cause,
        "explanation": latest.explanation.to_json(),
    }
    spec = {"state": state.to_json(), "latest": told}
    if before.version:
        known = trigger_state.c.model == model, trigger_state.c.version == before.version
        changed = update(trigger_state).where(*known).values(spec=spec, version=before.version + 1)
        written = connection.execute(changed).rowcount == 1
    else:
        written = _inserted(connection, model, spec)
    if not written:
        raise ConflictError(
            f"retraining conditions of {model!r}: another process evaluated them meanwhile; expected their state as it "
            "was read; evaluate them again"
        )


def _inserted(connection: Connection, model: str, spec: JsonObject) -> bool:
    try:
        connection.execute(insert(trigger_state).values(model=model, spec=spec, version=1))
    except IntegrityError:
        return False
    return True


def _evaluated() -> Any:
    """Return the condition of being an evaluation: those from before causes were kept have none."""
    return or_(retraining_event.c.cause.is_(None), retraining_event.c.cause.not_in(_OTHERS))


def _event(row: Any) -> RetrainingEvent:
    explanation = Explanation.from_json(row.spec["explanation"])
    firing = Firing(row.model, from_micros(row.at_us), row.held, row.spec["reason"], explanation, row.cause)
    return RetrainingEvent(
        id=row.id,
        firing=firing,
        action_id=row.action_id,
        refused=row.spec.get("refused"),
        job_id=row.job_id,
        outcome=row.outcome,
    )
