"""Messages to people: what is under way, what could not be delivered, and whether a route works."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sqlalchemy import select, update

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.config.notifications import MessageKind
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Severity
from trimtab.core.errors import NotFoundError
from trimtab.db.paging import Place, newest
from trimtab.db.tables import notification
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Paged
from trimtab.notify.message import Message
from trimtab.notify.routes import LOG_ROUTE
from trimtab.notify.store import enqueue


class ListNotifications(Paged):
    """Which messages."""

    route: Name | None = Field(default=None, description="Only those of this route.")
    state: Literal["pending", "sent", "gathered", "dead", "forgotten"] | None = Field(
        default=None,
        description="Only those that wait, were sent, left in a digest, were given up (dead) or put away.",
    )


class TryRoute(Strict):
    """Which route, and how loud."""

    route: Name = Field(description="A name under `notifications` in trimtab.yaml.")
    severity: Severity = Field(default=Severity.LOW, description="How loud the message is to be.")


class Again(Strict):
    """Which of the messages that were given up."""

    route: Name | None = Field(default=None, description="Only those of this route.")
    forget: bool = Field(default=False, description="Put them away instead: nobody needs them any more.")


@operation("notifications.list", "GET", "/api/notifications", Role.VIEWER, ListNotifications)
def list_notifications(platform: Platform, _actor: Actor, request: ListNotifications) -> JsonObject:
    """List messages to people, newest first, with the error of those that did not leave."""
    at, name = notification.c.at_us, notification.c.id
    query = newest(select(notification), at, name, after=request.place, limit=request.one_more)
    if request.route is not None:
        query = query.where(notification.c.route == request.route)
    if request.state is not None:
        query = query.where(notification.c.state == request.state)
    with platform.database.reading() as connection:
        found = connection.execute(query).all()
    shown, following = request.page(found, lambda row: Place(row.at_us, row.id))
    return {"notifications": [_described(row) for row in shown], "next": following}


@operation("notifications.test", "POST", "/api/notifications/test", Role.OPERATOR, TryRoute)
def try_route(platform: Platform, actor: Actor, request: TryRoute) -> JsonObject:
    """Send a test message on one route; how that went stands in the list of messages a moment later."""
    routes = platform.project.config.notifications or (LOG_ROUTE,)
    route = next((one for one in routes if one.name == request.route), None)
    if route is None:
        known = ", ".join(one.name for one in routes)
        raise NotFoundError(f"route {request.route!r}: not in trimtab.yaml; it has: {known}")
    test_id = actor.claim_id or platform.new_id()
    message = Message(
        title=f"Trimtab: a test of route {route.name}",
        body=f"{actor.name} asked for this message. If you can read it, the route works.",
        severity=request.severity,
        dedup_key=f"test:{test_id}",
        route=route.name,
        kind=MessageKind.PLATFORM,
    )
    with platform.database.transaction() as connection:
        is_new = enqueue(connection, message, routes, at_us=platform.now_us())
        row = connection.execute(select(notification.c.id).where(notification.c.dedup_key.contains(test_id))).one()
        if is_new:
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor=actor.name,
                action="notification.tested",
                subject=f"route:{route.name}",
            )
    gathered = route.digest is not None and request.severity is not Severity.CRITICAL
    return {"notification_id": row.id, "route": route.name, "gathered": gathered}


@operation("notifications.retry", "POST", "/api/notifications/retry", Role.OPERATOR, Again)
def send_again(platform: Platform, actor: Actor, request: Again) -> JsonObject:
    """Send messages again that were given up, or put them away."""
    change = {"state": "forgotten"} if request.forget else {"state": "pending", "attempts": 0, "available_us": 0}
    given_up = update(notification).where(notification.c.state == "dead").values(**change)
    if request.route is not None:
        given_up = given_up.where(notification.c.route == request.route)
    with platform.database.transaction() as connection:
        count = connection.execute(given_up).rowcount
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor=actor.name,
            action="notification.forgotten" if request.forget else "notification.retried",
            subject=f"route:{request.route or '*'}",
            detail={"count": count},
        )
    return {"count": count}


def _described(row: Any) -> JsonObject:
    return {
        "notification_id": row.id,
        "route": row.route,
        "kind": row.kind or MessageKind.PLATFORM.value,
        "severity": row.severity,
        "model": row.model,
        "title": row.title,
        "state": row.state,
        "attempts": row.attempts,
        "error": row.error,
        "instead_of": row.fallback_of,
        "at_us": row.at_us,
    }
