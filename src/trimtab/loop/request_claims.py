"""Requests that carry an idempotency key: the first one does the work, those after it are told its answer.

All times are machine time. What a request does is not in the transaction that remembers its answer, since an operation
may need several: a request is claimed, then done, then remembered. Whoever does it renews the claim meanwhile; whoever
was killed leaves one that nobody renews. That is free again after `ABANDONED`, and then the work is done again, which
every operation bears: it finds what it made by the claim's id, does nothing new the second time, or says that it
conflicts. The audit log and the history of a case tell of both times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, ConflictError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import request_once

__all__ = [
    "ABANDONED",
    "KEPT",
    "Asked",
    "Claim",
    "Remembered",
    "claim",
    "forget_requests",
    "release",
    "remember",
    "renew",
]

ABANDONED = timedelta(minutes=1)
"""How long after its claim was renewed last a request that was not answered may be done by another."""
KEPT = timedelta(days=1)
"""How long answers are remembered."""

_US = timedelta(microseconds=1)
_CLAIM_ID = "claim_id"
"""Stands in the place of the answer until there is one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who asks (the id of their API key), their word for it, the operation, the SHA-256 of all it says."""

    actor: str
    key: str
    operation: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do what was asked; ``id`` is the same when it is done again after whoever had it was killed."""

    id: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """How the first request with this key was answered."""

    status: int
    answer: JsonObject


def claim(connection: Connection, asked: Asked, *, now_us: int) -> Remembered | Claim:
    """Return the answer that is remembered; or the claim: the work is the caller's to do, and its end to `remember`.

    Raises:
        ConfigError: the key was used for another request.
        ConflictError: the work is being done.
    """
    found = connection.execute(select(request_once).where(_is(asked))).first()
    if found is not None and now_us - found.at_us >= KEPT // _US:
        release(connection, asked)
        found = None
    if found is None:
        claimed = Claim(new_id())
        connection.execute(
            insert(request_once).values(
                actor=asked.actor,
                idempotency_key=asked.key,
                operation=asked.operation,
                request_hash=asked.request_hash,
                answer={_CLAIM_ID: claimed.id},
                at_us=now_us,
            )
        )
        return claimed
    if (found.operation, found.request_hash) != (asked.operation, asked.request_hash):
        raise ConfigError(
            f"Idempotency-Key {asked.key[:40]!r}: was used for another request ({found.operation}) in the last "
            f"{KEPT // timedelta(hours=1)} hours; take a new key for each request"
        )
    if found.status is not None:
        return Remembered(found.status, found.answer)
    if now_us - found.at_us < ABANDONED // _US:
        raise ConflictError(
            f"Idempotency-Key {asked.key[:40]!r}: the request is being worked on; ask again in a few seconds"
        )
    connection.execute(update(request_once).where(_is(asked)).values(at_us=now_us))
    return Claim(found.answer.get(_CLAIM_ID, ""))


def renew(connection: Connection, asked: Asked, *, now_us: int) -> None:
    """Say that the request is being worked on still."""
    connection.execute(update(request_once).where(_is(asked), request_once.c.status.is_(None)).values(at_us=now_us))


def remember(connection: Connection, asked: Asked, told: Remembered) -> None:
    """Remember how the request was answered."""
    connection.execute(update(request_once).where(_is(asked)).values(status=told.status, answer=told.answer))


def release(connection: Connection, asked: Asked) -> None:
    """Forget the request: it may be tried again with the same key."""
    connection.execute(delete(request_once).where(_is(asked)))


def forget_requests(connection: Connection, *, now_us: int) -> int:
    """Delete what is remembered for longer than `KEPT`; return how many."""
    return connection.execute(delete(request_once).where(request_once.c.at_us < now_us - KEPT // _US)).rowcount


def _is(asked: Asked) -> ColumnElement[bool]:
    return and_(request_once.c.actor == asked.actor, request_once.c.idempotency_key == asked.key)
