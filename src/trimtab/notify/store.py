"""Messages on their way: written with the change that they tell of, one row a route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from trimtab.config.notifications import NotificationRoute
from trimtab.core.canonical import digest_of
from trimtab.core.enums import Severity
from trimtab.core.ids import new_id
from trimtab.core.wording import shortened
from trimtab.db.engine import Connection, machine_us
from trimtab.db.tables import notification
from trimtab.notify.message import LINK_MARK, Message
from trimtab.notify.routes import routes_for

__all__ = ["enqueue", "enqueue_instead", "enqueued_us", "let_go"]

_INSERT: dict[str, Any] = {"sqlite": insert_sqlite, "postgresql": insert_postgresql}
_MAX_TITLE_CHARS, _MAX_BODY_CHARS = 300, 20_000


def enqueue(
    connection: Connection,
    message: Message,
    routes: Sequence[NotificationRoute],
    *,
    at_us: int,
    wait_s: float = 0.0,
) -> tuple[str, ...]:
    """Store ``message`` for each of its routes, in the caller's transaction; return the names of those that are new.

    Safe to repeat: one row for each ``dedup_key`` and route, however often it is called. ``at_us`` is domain time. The
    title becomes one line of at most 300 characters (a line break in it would end an e-mail's subject, and begin a
    header of the sender's choice), the body is cut after a word at 20 000. It leaves after ``wait_s``, or
    when `let_go` is called for its attachment.
    """
    return tuple(
        route.name
        for route in routes_for(message, routes)
        if _stored(connection, message, route, at_us=at_us, wait_s=wait_s)
    )


def let_go(connection: Connection, attachment: str, *, instead: str | None = None) -> int:
    """Have what waits with ``attachment`` leave now, with the file ``instead`` where there is one; return how many.

    What has been tried already stays as it is.
    """
    waits = (
        notification.c.attachment == attachment,
        notification.c.state == "pending",
        notification.c.attempts == 0,
    )
    changed = update(notification).where(*waits).values(attachment=instead or attachment, available_us=0)
    return connection.execute(changed).rowcount


def enqueue_instead(
    connection: Connection, message: Message, route: NotificationRoute, *, at_us: int, failed_id: str
) -> None:
    """Store for ``route`` what another did not take (``failed_id``: that row); without effect when it is there."""
    _stored(connection, message, route, at_us=at_us, fallback_of=failed_id)


def enqueued_us(connection: Connection, dedup_key: str, routes: Sequence[NotificationRoute]) -> int | None:
    """Return when a message with this key was last stored for one of ``routes``, in domain time; None if none was."""
    keys = [_row_key(dedup_key, route.name) for route in routes]
    newest = select(func.max(notification.c.at_us)).where(notification.c.dedup_key.in_(keys))
    return connection.execute(newest).scalar_one_or_none()


def _stored(
    connection: Connection,
    message: Message,
    route: NotificationRoute,
    *,
    at_us: int,
    fallback_of: str | None = None,
    wait_s: float = 0.0,
) -> bool:
    whole = message.attachment is not None or LINK_MARK in message.body
    gathered = route.digest is not None and message.severity is not Severity.CRITICAL and not whole
    if gathered and route.digest is not None:
        wait_s = max(wait_s, route.digest.total_seconds())
    added = connection.execute(
        _INSERT[connection.dialect.name](notification)
        .values(
            id=new_id(),
            dedup_key=_row_key(message.dedup_key, route.name),
            route=route.name,
            severity=message.severity.value,
            model=message.model,
            kind=message.kind.value,
            title=shortened(" ".join(message.title.split()), _MAX_TITLE_CHARS),
            body=shortened(message.body, _MAX_BODY_CHARS),
            state="pending",
            attempts=0,
            available_us=machine_us() + int(wait_s * 1_000_000) if wait_s > 0 else 0,
            digest_key=route.name if gathered else None,
            attachment=message.attachment,
            fallback_of=fallback_of,
            at_us=at_us,
        )
        .on_conflict_do_nothing(index_elements=["dedup_key"])
        .returning(notification.c.id)
    )
    # PostgreSQL's driver counts no inserted rows.
    return added.first() is not None


def _row_key(dedup_key: str, route: str) -> str:
    """Return the row's key: readable where it fits the column, hashed where it does not."""
    key = f"{route}:{dedup_key}"
    return key if len(key) <= 200 else f"{key[:130]}#{digest_of(key)}"
