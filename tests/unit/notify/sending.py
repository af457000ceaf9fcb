"""Writes messages, lets them leave, and looks what became of them."""

from __future__ import annotations

import time

from sqlalchemy import select

from trimtab.config.notifications import NotificationRoute
from trimtab.core.enums import Severity
from trimtab.db.engine import Database
from trimtab.db.tables import notification
from trimtab.notify.message import Message
from trimtab.notify.messenger import Messenger
from trimtab.notify.sender import Sender
from trimtab.notify.store import enqueue

S = 1_000_000
LOG = NotificationRoute(name="log", url="log://")


def a_message(key: str = "incident:1:opened", severity: Severity = Severity.HIGH, route: str | None = None) -> Message:
    return Message(
        title="chol is in another unit", body="÷ 38.67", severity=severity, dedup_key=key, model="heart", route=route
    )


def enqueued(database: Database, message: Message, *routes: NotificationRoute) -> tuple[str, ...]:
    with database.transaction() as connection:
        return enqueue(connection, message, routes, at_us=7)


def finish(messenger: Messenger) -> None:
    while messenger.run() or messenger.busy:
        time.sleep(0.005)


def send(database: Database, *routes: NotificationRoute, at_us: int = 0, sender: Sender | None = None) -> Messenger:
    """Send all that is due at ``at_us``, and wait until it is known how that went."""
    messenger = Messenger(database, routes, now_us=lambda: at_us, sender=sender)
    finish(messenger)
    return messenger


def states(database: Database) -> list[tuple[str, int, str | None]]:
    with database.reading() as connection:
        rows = connection.execute(select(notification).order_by(notification.c.id)).all()
    return [(row.state, row.attempts, row.error) for row in rows]
