"""What is to be sent on a route now: single messages, and digests of what was gathered or is too much for an hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from trimtab.config.notifications import MessageKind, NotificationRoute
from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.db.tables import notification
from trimtab.notify.message import LINK_MARK

__all__ = ["Parcel", "Pending", "claim", "due_routes", "give_back", "mark_sent", "put_back"]

_HOUR_US = 3_600_000_000
_NEVER_LATER_US = 2 * _HOUR_US
"""Twice the longest wait between two attempts."""
_NEVER_GATHERED_LONGER_US = 8 * 24 * _HOUR_US
_READ_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A message on its way to one route, leased to whoever made its ``attempt``."""

    id: str
    route: str
    severity: Severity
    title: str
    body: str
    attempt: int
    at_us: int
    model: str | None = None
    kind: MessageKind = MessageKind.PLATFORM
    attachment: str | None = None
    is_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """What leaves in one piece: a message, or several as a digest."""

    messages: tuple[Pending, ...]

    @property
    def severity(self) -> Severity:
        """That of the loudest."""
        return max((message.severity for message in self.messages), key=lambda one: one.rank)


def due_routes(connection: Connection, *, machine_us: int) -> frozenset[str]:
    """Return the routes for which `claim` may find something: cheap, and without a lock on writers."""
    return frozenset(connection.execute(select(notification.c.route).where(_is_due(machine_us)).distinct()).scalars())


def claim(
    connection: Connection, route: NotificationRoute, *, machine_us: int, lease_s: float, at_most: int = 20
) -> tuple[Parcel, ...]:
    """Lease what is to leave on ``route`` now, the critical ones first, then the oldest; at most ``at_most`` parcels.

    A sender that dies loses its lease after ``lease_s``. Where a route gathers, all that was gathered leaves when the
    first of it is due. What is more than the route takes in an hour waits, and its last place is taken by a digest.
    """
    alone = _rows(connection, route, _is_due(machine_us), _goes_alone(), limit=at_most)
    single = _rows(connection, route, _is_due(machine_us), ~_goes_alone(), notification.c.digest_key.is_(None))
    in_digest = notification.c.digest_key.is_not(None)
    gathered = _rows(connection, route, _is_due(machine_us), in_digest)
    if gathered:
        # One that was tried and failed waits for its next attempt; what was never tried goes along at once.
        gathered = _rows(connection, route, in_digest, or_(notification.c.attempts == 0, _is_due(machine_us)))
    left = _left_of_the_hour(connection, route, machine_us) - len(alone)
    parcels = [[row] for row in alone] + list(_within(gathered, single, left))
    return tuple(_leased(connection, rows, machine_us, lease_s) for rows in parcels[:at_most])


def mark_sent(connection: Connection, sent: Parcel, *, machine_us: int) -> None:
    """Record that ``sent`` has left, now: once, however many messages it gathered."""
    for position, message in enumerate(sent.messages):
        connection.execute(
            update(notification)
            .where(notification.c.id == message.id)
            .values(state="sent" if position == 0 else "gathered", available_us=machine_us, error=None)
        )


def give_back(connection: Connection, failed: Pending, error: str, *, available_us: int, dead: bool) -> None:
    """Record why ``failed`` did not leave: it is tried again from ``available_us`` on, or never when ``dead``.

    Without effect when another sender took the message over meanwhile.
    """
    connection.execute(
        update(notification)
        .where(_still_leased(failed))
        .values(state="dead" if dead else "pending", available_us=available_us, error=error[:2000])
    )


def put_back(connection: Connection, untried: Parcel) -> None:
    """Return what was leased and not tried; it counts as no attempt."""
    for message in untried.messages:
        connection.execute(
            update(notification).where(_still_leased(message)).values(attempts=message.attempt - 1, available_us=0)
        )


def _rows(
    connection: Connection, route: NotificationRoute, *wanted: ColumnElement[bool], limit: int = _READ_AT_ONCE
) -> list[Any]:
    waiting = and_(notification.c.route == route.name, notification.c.state == "pending", *wanted)
    query = select(notification).where(waiting).order_by(notification.c.at_us, notification.c.id).limit(limit)
    return list(connection.execute(query).all())


def _goes_alone() -> ColumnElement[bool]:
    """What neither waits for others nor for room in the hour: critical, or of use only whole."""
    critical = notification.c.severity == Severity.CRITICAL.value
    return or_(critical, notification.c.attachment.is_not(None), notification.c.body.contains(LINK_MARK))


def _within(gathered: Sequence[Any], single: Sequence[Any], left: int) -> Iterator[list[Any]]:
    """Share out the places that are left in the hour: one for what was gathered, the last one for what is too much."""
    if left <= 0:
        return
    if gathered:
        yield list(gathered)
        left -= 1
    if len(single) <= left:
        yield from ([row] for row in single)
    elif left > 0:
        yield from ([row] for row in single[: left - 1])
        yield list(single[left - 1 :])


def _left_of_the_hour(connection: Connection, route: NotificationRoute, machine_us: int) -> int:
    if route.per_hour is None:
        return _READ_AT_ONCE
    lately = notification.c.available_us.between(machine_us - _HOUR_US, machine_us)
    sent = and_(notification.c.state == "sent", notification.c.route == route.name, lately)
    used: int = connection.execute(select(func.count()).select_from(notification).where(sent)).scalar_one()
    return route.per_hour - used


def _leased(connection: Connection, rows: Sequence[Any], machine_us: int, lease_s: float) -> Parcel:
    until_us = machine_us + int(lease_s * 1_000_000)
    # What left together and fails is tried again together.
    together = {"digest_key": rows[0].route} if len(rows) > 1 else {}
    for row in rows:
        leased = {"attempts": row.attempts + 1, "available_us": until_us, **together}
        connection.execute(update(notification).where(notification.c.id == row.id).values(**leased))
    return Parcel(tuple(_pending(row) for row in rows))


def _pending(row: Any) -> Pending:
    return Pending(
        id=row.id,
        route=row.route,
        severity=Severity(row.severity),
        title=row.title,
        body=row.body,
        attempt=row.attempts + 1,
        at_us=row.at_us,
        model=row.model,
        kind=MessageKind(row.kind) if row.kind else MessageKind.PLATFORM,
        attachment=row.attachment,
        is_fallback=row.fallback_of is not None,
    )


def _still_leased(message: Pending) -> ColumnElement[bool]:
    mine = notification.c.attempts == message.attempt
    return and_(notification.c.id == message.id, notification.c.state == "pending", mine)


def _is_due(machine_us: int) -> ColumnElement[bool]:
    # So far ahead that the machine's clock must have gone back since: its time has come, too.
    at = notification.c.available_us
    single_ahead = and_(notification.c.digest_key.is_(None), at > machine_us + _NEVER_LATER_US)
    soon = or_(at <= machine_us, single_ahead, at > machine_us + _NEVER_GATHERED_LONGER_US)
    return and_(notification.c.state == "pending", soon)
