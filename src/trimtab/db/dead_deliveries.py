"""Deliveries that were given up: what they were, why, and another round of attempts for them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import event, event_delivery

__all__ = ["DeadDelivery", "dead_deliveries", "retry_deliveries"]


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """An event that ``subscriber`` could not take, after ``attempts``; ``at_us`` is when it happened."""

    event_id: str
    kind: str
    aggregate: str
    subscriber: str
    attempts: int
    error: str
    at_us: int
    position: int

    @property
    def place(self) -> Place:
        """Where it stands among the others."""
        return Place(self.position, self.subscriber)


def dead_deliveries(connection: Connection, *, after: Place | None = None, limit: int = 50) -> list[DeadDelivery]:
    """Return the newest ``limit`` dead deliveries, newest first; those behind ``after``."""
    dead = (
        select(event_delivery, event.c.kind, event.c.at_us)
        .join(event, event.c.id == event_delivery.c.event_id)
        .where(event_delivery.c.state == "dead")
    )
    ordered = newest(dead, event_delivery.c.position, event_delivery.c.subscriber, after=after, limit=limit)
    rows = connection.execute(ordered).all()
    return [
        DeadDelivery(
            event_id=row.event_id,
            kind=row.kind,
            aggregate=row.aggregate,
            subscriber=row.subscriber,
            attempts=row.attempts,
            error=row.error or "",
            at_us=row.at_us,
            position=row.position,
        )
        for row in rows
    ]


def retry_deliveries(connection: Connection, *, event_id: str | None, machine_us: int) -> int:
    """Give dead deliveries, of one event or all, as many attempts as new ones have; return how many there were.

    The lease's token goes up, so that a worker who still holds one from before can write nothing.
    """
    dead = event_delivery.c.state == "dead"
    changed = connection.execute(
        update(event_delivery)
        .where(dead if event_id is None else dead & (event_delivery.c.event_id == event_id))
        .values(
            state="pending",
            attempts=0,
            available_us=machine_us,
            leased_until_us=None,
            lease_token=event_delivery.c.lease_token + 1,
        )
    )
    return changed.rowcount
