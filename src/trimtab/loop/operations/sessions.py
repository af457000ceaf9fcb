"""Sessions of people at the console: who is signed in, and ending it."""

from __future__ import annotations

from pydantic import Field

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import machine_us
from trimtab.loop import sessions
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.operations.keys import KeyName
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, Nothing, Reason


class EndSessions(Strict):
    """Which sessions, and why."""

    session_id: Id | None = Field(default=None, description="The session; null: all that fit the rest.")
    name: KeyName | None = Field(default=None, description="Only those of this key; null: everybody's.")
    reason: Reason = ""


@operation("sessions.list", "GET", "/api/sessions", Role.ADMIN, Nothing)
def list_sessions(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """List who is signed in at the console, newest first."""
    with platform.database.reading() as connection:
        return {"sessions": sessions.list_sessions(connection, now_us=machine_us())}


@operation("sessions.end", "POST", "/api/sessions/end", Role.ADMIN, EndSessions)
def end_sessions(platform: Platform, actor: Actor, request: EndSessions) -> JsonObject:
    """End one session, or all of a key, or all there are: whoever used it has to sign in again."""
    with platform.database.transaction() as connection:
        ended = sessions.end_sessions(connection, session_id=request.session_id, name=request.name, now_us=machine_us())
        if not ended and request.session_id is not None:
            raise NotFoundError(f"session {request.session_id}: none that goes on; see 'trimtab sessions list'")
        if ended:
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor=actor.name,
                action="session.ended",
                subject=f"session:{ended[0]}" if len(ended) == 1 else f"sessions:{request.name or 'all'}",
                reason=request.reason,
                detail={"sessions": list(ended)[:100], "count": len(ended)},
            )
    return {"ended": len(ended)}
