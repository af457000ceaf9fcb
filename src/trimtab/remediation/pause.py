"""Pauses of autonomy: until when nothing runs by itself, for one model or all, who said so, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from trimtab.core.clock import from_micros
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import autonomy_pause

__all__ = ["EVERYTHING", "Pause", "end_pause", "list_pauses", "pauses_in_force", "save_pause"]

EVERYTHING = "*"
"""The scope of a pause that holds for all models."""


@dataclass(frozen=True, slots=True)
class Pause:
    """From when until when nothing of ``scope`` (a model, or ``*``) runs by itself."""

    id: str
    scope: str
    from_us: int
    until_us: int
    reason: str
    actor: str
    ended_us: int | None = None
    ended_by: str | None = None

    def holds(self, at_us: int) -> bool:
        """Return whether it is in force; it begins with ``from_us`` and is over at ``until_us``."""
        return self.ended_us is None and self.from_us <= at_us < self.until_us

    def __str__(self) -> str:
        until = from_micros(self.until_us).isoformat(timespec="minutes")
        return f"{self.actor} paused autonomy until {until}: {self.reason}"


def save_pause(connection: Connection, pause: Pause) -> None:
    """Store a pause."""
    connection.execute(insert(autonomy_pause).values(**dataclasses.asdict(pause)))


def end_pause(connection: Connection, pause: Pause, *, at_us: int, by: str) -> Pause:
    """End a pause before its time.

    Raises:
        ConflictError: somebody has ended it since it was read.
    """
    changed = connection.execute(
        update(autonomy_pause)
        .where(autonomy_pause.c.id == pause.id, autonomy_pause.c.ended_us.is_(None))
        .values(ended_us=at_us, ended_by=by)
    )
    if changed.rowcount != 1:
        raise ConflictError(f"pause {pause.id}: ended since it was read; see 'trimtab autonomy status'")
    return dataclasses.replace(pause, ended_us=at_us, ended_by=by)


def pauses_in_force(connection: Connection, at_us: int, *, model: str | None = None) -> list[Pause]:
    """Return what is paused at ``at_us``, what lasts longest first; with ``model``: what holds that model back."""
    table = autonomy_pause.c
    query = select(autonomy_pause).where(table.ended_us.is_(None), table.from_us <= at_us, table.until_us > at_us)
    if model is not None:
        query = query.where(table.scope.in_([EVERYTHING, model]))
    return _pauses(connection.execute(query.order_by(table.until_us.desc(), table.id.desc())).mappings())


def list_pauses(connection: Connection, *, limit: int) -> list[Pause]:
    """Return the newest pauses, also those that are over."""
    query = select(autonomy_pause).order_by(autonomy_pause.c.from_us.desc(), autonomy_pause.c.id.desc()).limit(limit)
    return _pauses(connection.execute(query).mappings())


def _pauses(rows: Iterable[Any]) -> list[Pause]:
    return [Pause(**row) for row in rows]
