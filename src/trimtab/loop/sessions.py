"""Sessions of people at the console: who signed in, until when, and what ends it. All times are machine time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from trimtab.core.errors import PermissionDeniedError, UnknownCallerError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import api_key, session
from trimtab.loop.actor import Actor
from trimtab.loop.keys import authenticate, holder_of

__all__ = [
    "IDLE",
    "Begun",
    "Session",
    "begin_session",
    "csrf_token_of",
    "end_sessions",
    "forget_sessions",
    "list_sessions",
    "open_session",
    "see_session",
]

IDLE = timedelta(hours=1)
"""How long a session lasts in which nothing is asked."""

_KEPT = timedelta(days=30)
_SEEN_EVERY = timedelta(minutes=1)
_US = timedelta(microseconds=1)
_ENDED = "session: none, or it has ended; sign in again"


@dataclass(frozen=True, slots=True)
class Session:
    """One that goes on, and who it belongs to."""

    id: str
    actor: Actor
    csrf_hash: str
    seen_us: int
    expires_us: int

    def require_csrf(self, token: str) -> None:
        """Do nothing if ``token`` is this session's own.

        Raises:
            PermissionDeniedError: it is not.
        """
        if not hmac.compare_digest(_hash(token), self.csrf_hash):
            raise PermissionDeniedError(
                "session: X-CSRF-Token is missing or of another session; send the one that GET /api/session tells"
            )

    def is_to_be_seen(self, now_us: int) -> bool:
        """Return whether `see_session` is due: a write for each request would be one too many."""
        return now_us - self.seen_us >= _SEEN_EVERY // _US


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has just begun, and the token that opens it: it can never be read again."""

    session: Session
    token: str


def begin_session(connection: Connection, key: str, *, address: str, hours: float, now_us: int) -> Begun:
    """Return a new session for whoever holds ``key``; its token is made here, whatever the caller brought.

    Raises:
        UnknownCallerError: the key is nobody's.
    """
    actor = authenticate(connection, key)
    key_id = connection.execute(select(api_key.c.id).where(api_key.c.name == actor.name)).scalar_one()
    token = secrets.token_urlsafe(32)
    begun = Session(
        id=new_id(),
        actor=actor,
        csrf_hash=_hash(csrf_token_of(token)),
        seen_us=now_us,
        expires_us=now_us + timedelta(hours=hours) // _US,
    )
    connection.execute(
        insert(session).values(
            id=begun.id,
            token_hash=_hash(token),
            key_id=key_id,
            csrf_hash=begun.csrf_hash,
            address=address[:64],
            created_us=now_us,
            seen_us=now_us,
            expires_us=begun.expires_us,
        )
    )
    return Begun(begun, token)


def csrf_token_of(token: str) -> str:
    """Return what has to come with each change of the session that ``token`` opens.

    It follows from the token, so that every tab of a browser can be told it; the token does not follow from it.
    """
    return hmac.new(token.encode(), b"trimtab-csrf-v1", hashlib.sha256).hexdigest()


def open_session(connection: Connection, token: str, *, now_us: int) -> Session:
    """Return the session that ``token`` opens.

    Raises:
        UnknownCallerError: there is none, its time is over, nothing was asked for too long, or its key is gone.
    """
    found = connection.execute(
        select(session).where(session.c.token_hash == _hash(token), session.c.ended_us.is_(None))
    ).first()
    actor = (
        None
        if found is None or not _goes_on(found.seen_us, found.expires_us, now_us)
        else holder_of(connection, found.key_id)
    )
    if found is None or actor is None:
        raise UnknownCallerError(_ENDED)
    return Session(
        id=found.id, actor=actor, csrf_hash=found.csrf_hash, seen_us=found.seen_us, expires_us=found.expires_us
    )


def see_session(connection: Connection, session_id: str, *, now_us: int) -> None:
    """Remember that something was asked in this session."""
    connection.execute(update(session).where(session.c.id == session_id).values(seen_us=now_us))


def end_sessions(
    connection: Connection, *, now_us: int, session_id: str | None = None, name: str | None = None
) -> tuple[str, ...]:
    """End one session, or all of the key ``name``, or all; return the ids of those that went on until now."""
    going = select(session.c.id, session.c.seen_us, session.c.expires_us).where(session.c.ended_us.is_(None))
    if session_id is not None:
        going = going.where(session.c.id == session_id)
    if name is not None:
        going = going.where(session.c.key_id.in_(select(api_key.c.id).where(api_key.c.name == name)))
    ids = tuple(
        row.id
        for row in connection.execute(going.order_by(session.c.id))
        if _goes_on(row.seen_us, row.expires_us, now_us)
    )
    for one in ids:
        connection.execute(update(session).where(session.c.id == one).values(ended_us=now_us))
    return ids


def list_sessions(connection: Connection, *, now_us: int) -> list[dict[str, object]]:
    """Return the sessions that go on, newest first: whose, from where, and since when."""
    rows = connection.execute(
        select(session, api_key.c.name, api_key.c.role)
        .join(api_key, api_key.c.id == session.c.key_id)
        .where(session.c.ended_us.is_(None), api_key.c.revoked_us.is_(None))
        .order_by(session.c.id.desc())
    )
    return [
        {
            "session_id": row.id,
            "name": row.name,
            "role": row.role,
            "address": row.address,
            "created_us": row.created_us,
            "seen_us": row.seen_us,
            "expires_us": row.expires_us,
        }
        for row in rows
        if _goes_on(row.seen_us, row.expires_us, now_us) and holder_of(connection, row.key_id) is not None
    ]


def forget_sessions(connection: Connection, *, now_us: int) -> int:
    """Delete sessions that are over since a month; the audit log still tells of them. Return how many."""
    return connection.execute(delete(session).where(session.c.expires_us < now_us - _KEPT // _US)).rowcount


def _goes_on(seen_us: int, expires_us: int, now_us: int) -> bool:
    return now_us < expires_us and now_us - seen_us < IDLE // _US


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
