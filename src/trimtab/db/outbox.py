"""Events, written in the transaction of the state that they tell of, and delivered at least once to each subscriber.

There is one delivery row for each event and subscriber. A worker leases one, does what it has to, and completes it with
the token that it got: a worker that was paused past its lease is refused. Deliveries of one aggregate keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, and_, exists, insert, or_, select, update

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConflictError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import event, event_delivery

__all__ = ["Delivery", "Event", "Outbox"]

_log = structlog.get_logger(__name__)

_RETRY_S = (0.2, 1, 5, 15, 60)
_MAX_ATTEMPTS = 8
_NEVER_LATER_US = 600_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to ``aggregate`` (``model:heart-disease``, ``incident:…``)."""

    kind: str
    aggregate: str
    payload: JsonObject
    at_us: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one subscriber, leased to whoever holds ``token``."""

    event: Event
    subscriber: str
    token: int
    attempts: int


class Outbox:
    """Publishes events to the subscribers that are named for their kind.

    Args:
        subscriptions: kind of event → names of subscribers. Kinds that nobody hears are stored all the same.
    """

    def __init__(self, subscriptions: Mapping[str, tuple[str, ...]]) -> None:
        self._subscriptions = subscriptions
        self.subscribers = tuple(sorted({name for names in subscriptions.values() for name in names}))

    def publish(self, connection: Connection, happened: Event, *, machine_us: int) -> str:
        """Store ``happened`` and its deliveries in the caller's transaction; return the event's id."""
        event_id = happened.id or new_id()
        position = connection.execute(
            insert(event).values(
                id=event_id,
                kind=happened.kind,
                aggregate=happened.aggregate,
                payload=happened.payload,
                at_us=happened.at_us,
            )
        ).inserted_primary_key
        if position is None:  # pragma: no cover - every dialect in use returns the key
            raise ConflictError(f"event {event_id}: the database returned no position; repeat the call")
        rows = [
            {
                "event_id": event_id,
                "subscriber": name,
                "aggregate": happened.aggregate,
                "position": position[0],
                "available_us": machine_us,
            }
            for name in self._subscriptions.get(happened.kind, ())
        ]
        if rows:
            connection.execute(insert(event_delivery), rows)
        return event_id

    def has_due(self, connection: Connection, subscriber: str, *, machine_us: int) -> bool:
        """Return whether `claim` may find something: cheap, and without a lock on writers."""
        due = select(event_delivery.c.event_id).where(
            event_delivery.c.subscriber == subscriber,
            event_delivery.c.state == "pending",
            _is_available(machine_us),
        )
        return connection.execute(due.limit(1)).first() is not None

    def who_has_due(self, connection: Connection, subscribers: Sequence[str], *, machine_us: int) -> frozenset[str]:
        """Return those of ``subscribers`` for whom `has_due` holds: one question, however many they are."""
        due = select(event_delivery.c.subscriber).where(
            event_delivery.c.subscriber.in_(subscribers),
            event_delivery.c.state == "pending",
            _is_available(machine_us),
        )
        return frozenset(connection.execute(due.distinct()).scalars())

    def claim(self, connection: Connection, subscriber: str, *, machine_us: int, lease_s: float) -> Delivery | None:
        """Lease the oldest delivery that is due for ``subscriber``, or return None.

        A delivery is not due while an older one of the same aggregate is still pending. One that was leased 8 times,
        and whose worker never came back, is dead.
        """
        self._give_up(connection, subscriber, machine_us)
        older = event_delivery.alias("older")
        blocked = exists().where(
            older.c.subscriber == event_delivery.c.subscriber,
            older.c.aggregate == event_delivery.c.aggregate,
            older.c.state == "pending",
            older.c.position < event_delivery.c.position,
        )
        row = connection.execute(
            select(event_delivery.c.event_id, event_delivery.c.lease_token, event_delivery.c.attempts, event)
            .join(event, event.c.id == event_delivery.c.event_id)
            .where(
                _is_available(machine_us),
                _is_free(subscriber, machine_us),
                ~blocked,
            )
            .order_by(event_delivery.c.position)
            .limit(1)
        ).first()
        if row is None:
            return None
        token = row.lease_token + 1
        taken = connection.execute(
            update(event_delivery)
            .where(_one(row.event_id, subscriber, row.lease_token))
            .values(
                lease_token=token,
                leased_until_us=machine_us + int(lease_s * 1_000_000),
                attempts=event_delivery.c.attempts + 1,
            )
        )
        if taken.rowcount != 1:
            return None
        happened = Event(kind=row.kind, aggregate=row.aggregate, payload=row.payload, at_us=row.at_us, id=row.id)
        return Delivery(event=happened, subscriber=subscriber, token=token, attempts=row.attempts + 1)

    def complete(self, connection: Connection, done: Delivery) -> None:
        """Mark ``done``, in the transaction of the effects it had.

        Raises:
            ConflictError: the lease ran out and somebody else took the delivery; roll back.
        """
        changed = connection.execute(
            update(event_delivery)
            .where(_one(done.event.id, done.subscriber, done.token), event_delivery.c.state == "pending")
            .values(state="done", leased_until_us=None, error=None)
        )
        if changed.rowcount != 1:
            raise ConflictError(
                f"delivery of event {done.event.id} to {done.subscriber!r}: token {done.token} is not the newest; "
                "another worker took it over, nothing was written"
            )

    def fail(
        self, connection: Connection, failed: Delivery, error: str, *, machine_us: int, outage: bool = False
    ) -> bool:
        """Put ``failed`` back for a later attempt; after 8 attempts it is dead. Return whether it is dead.

        An ``outage`` is waited out, however long it takes: it uses up the five attempts whose waits grow, and no more,
        so that three are left for what comes after it.
        """
        dead = failed.attempts >= _MAX_ATTEMPTS and not outage
        attempts = min(failed.attempts, len(_RETRY_S)) if outage else failed.attempts
        wait_s = _RETRY_S[min(failed.attempts, len(_RETRY_S)) - 1]
        changed = connection.execute(
            update(event_delivery)
            .where(_one(failed.event.id, failed.subscriber, failed.token))
            .values(
                state="dead" if dead else "pending",
                leased_until_us=None,
                attempts=attempts,
                available_us=machine_us + int(wait_s * 1_000_000),
                error=error[:2000],
            )
        )
        return dead and changed.rowcount == 1

    def _give_up(self, connection: Connection, subscriber: str, machine_us: int) -> None:
        """Declare dead what was leased often enough and took its worker down each time."""
        given_up = connection.execute(
            update(event_delivery)
            .where(_is_free(subscriber, machine_us), event_delivery.c.attempts >= _MAX_ATTEMPTS)
            .values(state="dead", leased_until_us=None, error="its worker was lost each time")
        )
        if given_up.rowcount:
            _log.error("delivery.dead", subscriber=subscriber, deliveries=given_up.rowcount, error="workers were lost")

    def is_coming(self, connection: Connection, kind: str, aggregate: str) -> bool:
        """Return whether somebody is still to be told of an event of ``kind`` about ``aggregate``, or just is."""
        coming = (
            select(event.c.id)
            .join(event_delivery, event_delivery.c.event_id == event.c.id)
            .where(event.c.aggregate == aggregate, event.c.kind == kind, event_delivery.c.state == "pending")
        )
        return connection.execute(coming.limit(1)).first() is not None

    def pending(self, connection: Connection) -> int:
        """Return how many deliveries are still to be made."""
        rows = connection.execute(select(event_delivery.c.event_id).where(event_delivery.c.state == "pending"))
        return len(rows.all())


def _is_free(subscriber: str, machine_us: int) -> ColumnElement[bool]:
    return and_(
        event_delivery.c.subscriber == subscriber,
        event_delivery.c.state == "pending",
        or_(
            event_delivery.c.leased_until_us.is_(None),
            event_delivery.c.leased_until_us < machine_us,
            event_delivery.c.leased_until_us > machine_us + _NEVER_LATER_US,
        ),
    )


def _is_available(machine_us: int) -> ColumnElement[bool]:
    """Whether its time has come; or lies so far ahead that the machine's clock must have gone back since."""
    return or_(
        event_delivery.c.available_us <= machine_us, event_delivery.c.available_us > machine_us + _NEVER_LATER_US
    )


def _one(event_id: str, subscriber: str, token: int) -> ColumnElement[bool]:
    return and_(
        event_delivery.c.event_id == event_id,
        event_delivery.c.subscriber == subscriber,
        event_delivery.c.lease_token == token,
    )
