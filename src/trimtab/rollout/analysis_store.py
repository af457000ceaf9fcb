"""What a rollout's judgement rests on, in the database: how far it has counted, and each look that was taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import rollout_analysis as analysis_table
from trimtab.db.tables import rollout_look as look_table
from trimtab.rollout.phases import Phase

__all__ = ["Analysis", "Look", "list_looks", "load_analysis", "newest_look", "save_analysis"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """How far a rollout has been judged: ``content`` (cursors and sums) after ``looks`` looks.

    The last one was at ``updated_us``. ``version`` 0: nothing is stored yet.
    """

    rollout_id: str
    content: JsonObject = field(default_factory=dict)
    looks: int = 0
    updated_us: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a rollout, for plots and replay: where it stood, and in ``content`` what was new and what it says.

    ``sequence`` counts the looks of a rollout from 1 on; it is given when a look is stored.
    """

    at_us: int
    generation: int | None
    step_index: int
    phase: Phase
    verdict: Verdict | None
    content: JsonObject
    sequence: int = 0


def load_analysis(connection: Connection, rollout_id: str) -> Analysis:
    """Return how far the rollout has been judged; an empty one before its first look."""
    row = connection.execute(select(analysis_table).where(analysis_table.c.rollout_id == rollout_id)).first()
    if row is None:
        return Analysis(rollout_id)
    return Analysis(rollout_id, dict(row.spec), row.looks, row.updated_us, row.version)


def save_analysis(
    connection: Connection, before: Analysis, content: JsonObject, look: Look | None, *, at_us: int
) -> Analysis:
    """Store what is known now, and the look that told it, in the transaction of what was decided on it.

    Raises:
        ConflictError: somebody else stored a look since ``before`` was read; look again.
    """
    looks = before.looks + (look is not None)
    after = Analysis(before.rollout_id, content, looks, at_us, before.version + 1)
    values = {"updated_us": at_us, "looks": looks, "spec": content, "version": after.version}
    changed = f"rollout {before.rollout_id}: somebody else looked since look {before.looks}; look again"
    try:
        if before.version == 0:
            connection.execute(insert(analysis_table).values(rollout_id=before.rollout_id, **values))
        else:
            same = (analysis_table.c.rollout_id == before.rollout_id) & (analysis_table.c.version == before.version)
            if connection.execute(update(analysis_table).where(same).values(**values)).rowcount != 1:
                raise ConflictError(changed)
        if look is not None:
            connection.execute(insert(look_table).values(_row(before.rollout_id, looks, look)))
    except IntegrityError as error:
        raise ConflictError(changed) from error
    return after


def list_looks(connection: Connection, rollout_id: str, *, after: int = 0, limit: int = 5_000) -> list[Look]:
    """Return the looks behind number ``after``, oldest first."""
    rows = connection.execute(
        select(look_table)
        .where(look_table.c.rollout_id == rollout_id, look_table.c.sequence > after)
        .order_by(look_table.c.sequence)
        .limit(limit)
    )
    return [_look(row) for row in rows]


def newest_look(connection: Connection, rollout_id: str) -> Look | None:
    """Return the last look that was kept, None before the first."""
    query = select(look_table).where(look_table.c.rollout_id == rollout_id).order_by(look_table.c.sequence.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _look(row)


def _look(row: Any) -> Look:
    return Look(
        row.at_us,
        row.generation,
        row.step_index,
        Phase(row.phase),
        None if row.verdict is None else Verdict(row.verdict),
        dict(row.spec),
        row.sequence,
    )


def _row(rollout_id: str, sequence: int, look: Look) -> dict[str, object]:
    return {
        "rollout_id": rollout_id,
        "sequence": sequence,
        "at_us": look.at_us,
        "generation": look.generation,
        "step_index": look.step_index,
        "phase": look.phase.value,
        "verdict": None if look.verdict is None else look.verdict.value,
        "spec": look.content,
    }
