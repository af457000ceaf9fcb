"""Messages on their way: written with the change that they tell of, one row a route, leased to one sender at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from trimtab.config.project import NotificationRoute
from trimtab.core.canonical import digest_of
from trimtab.core.enums import Severity
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import notification
from trimtab.notify.message import Message
from trimtab.notify.routes import routes_for

__all__ = ["Pending", "claim", "enqueue", "enqueued_us", "give_back", "has_due", "mark_sent"]

_INSERT: dict[str, Any] = {"sqlite": insert_sqlite, "postgresql": insert_postgresql}
_MAX_BODY_CHARS = 20_000
_NEVER_LATER_US = 2 * 3_600_000_000
"""Twice the longest wait between two attempts."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A message on its way to one route, leased to whoever made its ``attempt``."""

    id: str
    route: str
    severity: Severity
    title: str
    body: str
    attempt: int


def enqueue(
    connection: Connection, message: Message, routes: Sequence[NotificationRoute], *, at_us: int
) -> tuple[str, ...]:
    """Store ``message`` for each of its routes, in the caller's transaction; return the names of those that are new.

    Safe to repeat: one row for each ``dedup_key`` and route, however often it is called. ``at_us`` is domain time. The
    body is cut at 20 000 characters.
    """
    new = []
    for route in routes_for(message, routes):
        added = connection.execute(
            _INSERT[connection.dialect.name](notification)
            .values(
                id=new_id(),
                dedup_key=_row_key(message.dedup_key, route.name),
                route=route.name,
                severity=message.severity.value,
                model=message.model,
                title=message.title,
                body=message.body[:_MAX_BODY_CHARS],
                state="pending",
                attempts=0,
                available_us=0,
                at_us=at_us,
            )
            .on_conflict_do_nothing(index_elements=["dedup_key"])
            .returning(notification.c.id)
        )
        # PostgreSQL's driver counts no inserted rows.
        if added.first() is not None:
            new.append(route.name)
    return tuple(new)


def has_due(connection: Connection, *, machine_us: int) -> bool:
    """Return whether `claim` may find something: cheap, and without a lock on writers."""
    return connection.execute(select(notification.c.id).where(_is_due(machine_us)).limit(1)).first() is not None


def claim(connection: Connection, *, machine_us: int, lease_s: float) -> Pending | None:
    """Lease the oldest message that is due, or return None. A sender that dies loses it after ``lease_s``."""
    row = connection.execute(
        select(notification).where(_is_due(machine_us)).order_by(notification.c.at_us, notification.c.id).limit(1)
    ).first()
    if row is None:
        return None
    taken = connection.execute(
        update(notification)
        .where(notification.c.id == row.id, notification.c.state == "pending", notification.c.attempts == row.attempts)
        .values(attempts=row.attempts + 1, available_us=machine_us + int(lease_s * 1_000_000))
    )
    if taken.rowcount != 1:
        return None
    return Pending(
        id=row.id,
        route=row.route,
        severity=Severity(row.severity),
        title=row.title,
        body=row.body,
        attempt=row.attempts + 1,
    )


def mark_sent(connection: Connection, sent: Pending) -> None:
    """Record that ``sent`` has left."""
    connection.execute(
        update(notification).where(notification.c.id == sent.id).values(state="sent", available_us=0, error=None)
    )


def give_back(connection: Connection, failed: Pending, error: str, *, available_us: int, dead: bool) -> None:
    """Record why ``failed`` did not leave: it is tried again from ``available_us`` on, or never when ``dead``.

    Without effect when another sender took the message over meanwhile.
    """
    connection.execute(
        update(notification)
        .where(
            notification.c.id == failed.id,
            notification.c.state == "pending",
            notification.c.attempts == failed.attempt,
        )
        .values(state="dead" if dead else "pending", available_us=available_us, error=error[:2000])
    )


def _is_due(machine_us: int) -> ColumnElement[bool]:
    # So far ahead that the machine's clock must have gone back since: its time has come, too.
    soon = or_(notification.c.available_us <= machine_us, notification.c.available_us > machine_us + _NEVER_LATER_US)
    return and_(notification.c.state == "pending", soon)


def enqueued_us(connection: Connection, dedup_key: str, routes: Sequence[NotificationRoute]) -> int | None:
    """Return when a message with this key was last stored for one of ``routes``, in domain time; None if none was."""
    keys = [_row_key(dedup_key, route.name) for route in routes]
    newest = select(func.max(notification.c.at_us)).where(notification.c.dedup_key.in_(keys))
    return connection.execute(newest).scalar_one_or_none()


def _row_key(dedup_key: str, route: str) -> str:
    """Return the row's key: readable where it fits the column, hashed where it does not."""
    key = f"{route}:{dedup_key}"
    return key if len(key) <= 200 else f"{key[:130]}#{digest_of(key)}"
