"""The embedded queue: a table of the metadata database."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, insert, or_, select, update

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConflictError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection, Database
from trimtab.db.engine import machine_us as _machine_us
from trimtab.db.tables import queue_message
from trimtab.lake.queues.base import MAX_ATTEMPTS, Message

__all__ = ["EmbeddedQueue"]

_RETRY_S = (0.2, 1, 5, 15, 60)
_DEAD_SHOWN = 100
_NEVER_LATER_US = 3_600_000_000


class EmbeddedQueue:
    """A `Queue` on the table ``queue_message``; ``machine_us`` is what leases and retries go by."""

    def __init__(self, database: Database, machine_us: Callable[[], int] = _machine_us) -> None:
        self._database = database
        self._machine_us = machine_us

    def send(self, topic: str, body: JsonObject, dedup_key: str) -> bool:
        """See `Queue.send`."""
        now_us = self._machine_us()
        with self._database.transaction() as connection:
            known = select(queue_message.c.id).where(
                queue_message.c.topic == topic, queue_message.c.dedup_key == dedup_key
            )
            if connection.execute(known).first() is not None:
                return False
            connection.execute(
                insert(queue_message).values(
                    id=new_id(), topic=topic, dedup_key=dedup_key, body=body, enqueued_us=now_us, available_us=now_us
                )
            )
        return True

    def receive(self, topic: str, *, limit: int, lease_s: float) -> list[Message]:
        """See `Queue.receive`."""
        now_us = self._machine_us()
        # Looked at first in a read transaction: an idle worker must not take the write lock several times a second.
        if not self._database.read(lambda connection: _due(connection, topic, now_us, 1)):
            return []
        with self._database.transaction() as connection:
            self._give_up(connection, topic, now_us)
            leased = [
                _lease(connection, row, topic, now_us + int(lease_s * 1_000_000))
                for row in _due(connection, topic, now_us, limit)
            ]
        return [message for message in leased if message is not None]

    def ack(self, message: Message) -> None:
        """See `Queue.ack`."""
        with self._database.transaction() as connection:
            _settle(connection, message, {"state": "done", "leased_until_us": None, "error": None})

    def nack(self, message: Message, error: str, *, outage: bool = False) -> bool:
        """See `Queue.nack`; the waits grow from 0.2 s to a minute. An outage uses up no more than those attempts."""
        dead = message.attempts >= MAX_ATTEMPTS and not outage
        wait_s = _RETRY_S[min(message.attempts, len(_RETRY_S)) - 1]
        values: JsonObject = {
            "state": "dead" if dead else "pending",
            "attempts": min(message.attempts, len(_RETRY_S)) if outage else message.attempts,
            "leased_until_us": None,
            "available_us": self._machine_us() + int(wait_s * 1_000_000),
            "error": error[:2000],
        }
        with self._database.transaction() as connection:
            _settle(connection, message, values)
        return dead

    def dead(self, topic: str) -> list[Message]:
        """See `Queue.dead`."""
        query = (
            select(queue_message)
            .where(queue_message.c.topic == topic, queue_message.c.state == "dead")
            .order_by(queue_message.c.position)
            .limit(_DEAD_SHOWN)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [Message(row.id, topic, row.body, str(row.lease_token), row.attempts) for row in rows]

    def bury(self, message: Message) -> None:
        """See `Queue.bury`."""
        with self._database.transaction() as connection:
            connection.execute(
                update(queue_message)
                .where(queue_message.c.id == message.id, queue_message.c.state == "dead")
                .values(state="buried")
            )

    def _give_up(self, connection: Connection, topic: str, now_us: int) -> None:
        """Declare dead what was handed out often enough and came back each time with its worker lost."""
        connection.execute(
            update(queue_message)
            .where(_is_due(topic, now_us), queue_message.c.attempts >= MAX_ATTEMPTS)
            .values(state="dead", leased_until_us=None, error="its worker was lost each time")
        )


def _is_due(topic: str, now_us: int) -> ColumnElement[bool]:
    return and_(
        queue_message.c.topic == topic,
        queue_message.c.state == "pending",
        # So far ahead that the machine's clock must have gone back since: its time has come, too.
        or_(queue_message.c.available_us <= now_us, queue_message.c.available_us > now_us + _NEVER_LATER_US),
        or_(
            queue_message.c.leased_until_us.is_(None),
            queue_message.c.leased_until_us < now_us,
            queue_message.c.leased_until_us > now_us + _NEVER_LATER_US,
        ),
    )


def _due(connection: Connection, topic: str, now_us: int, limit: int) -> list[tuple[str, JsonObject, int, int]]:
    rows = connection.execute(
        select(queue_message.c.id, queue_message.c.body, queue_message.c.lease_token, queue_message.c.attempts)
        .where(_is_due(topic, now_us))
        .order_by(queue_message.c.position)
        .limit(limit)
    )
    return [(row.id, row.body, row.lease_token, row.attempts) for row in rows]


def _lease(connection: Connection, row: tuple[str, JsonObject, int, int], topic: str, until_us: int) -> Message | None:
    message_id, body, token, attempts = row
    taken = connection.execute(
        update(queue_message)
        .where(queue_message.c.id == message_id, queue_message.c.lease_token == token)
        .values(lease_token=token + 1, attempts=attempts + 1, leased_until_us=until_us)
    )
    if taken.rowcount != 1:
        return None
    return Message(id=message_id, topic=topic, body=body, token=str(token + 1), attempts=attempts + 1)


def _settle(connection: Connection, message: Message, values: JsonObject) -> None:
    changed = connection.execute(
        update(queue_message)
        .where(
            queue_message.c.id == message.id,
            queue_message.c.lease_token == int(message.token),
            queue_message.c.state == "pending",
        )
        .values(**values)
    )
    if changed.rowcount != 1:
        raise ConflictError(
            f"message {message.id} of {message.topic!r}: token {message.token} is not the newest; "
            "another worker took it over"
        )
