"""Events that could not be delivered: list them, try them again."""

from __future__ import annotations

import dataclasses

from pydantic import Field

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.db.dead_deliveries import dead_deliveries, retry_deliveries
from trimtab.db.engine import machine_us
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, Paged, Reason


class RetryEvents(Strict):
    """Which event, and why it may work now."""

    event_id: Id | None = Field(default=None, description="The event; null: all that were given up.")
    reason: Reason = Field(min_length=1)


@operation("events.dead", "GET", "/api/events/dead", Role.VIEWER, Paged)
def list_dead(platform: Platform, _actor: Actor, request: Paged) -> JsonObject:
    """List events that a part of the loop could not take after many attempts, newest first."""
    with platform.database.reading() as connection:
        found = dead_deliveries(connection, after=request.place, limit=request.one_more)
    shown, further = request.page(found, lambda one: one.place)
    return {"events": [dataclasses.asdict(one) for one in shown], "next": further}


@operation("events.retry", "POST", "/api/events/retry", Role.OPERATOR, RetryEvents)
def retry(platform: Platform, actor: Actor, request: RetryEvents) -> JsonObject:
    """Try events that were given up again, as if they were new."""
    with platform.database.transaction() as connection:
        count = retry_deliveries(connection, event_id=request.event_id, machine_us=machine_us())
        if not count and request.event_id is not None:
            raise NotFoundError(f"event {request.event_id}: is not among those given up; see 'trimtab events list'")
        if count:
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor=actor.name,
                action="events.retried",
                subject="events:dead" if request.event_id is None else f"event:{request.event_id}",
                reason=request.reason,
                detail={"deliveries": count},
            )
    platform.wake.set()
    return {"retried": count}
