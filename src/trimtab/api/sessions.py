"""``/api/session``: sign in with an API key, see who is signed in, sign out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from trimtab.api.caller import Caller, KnownFirst, address_of, count_wrong_key, session_of
from trimtab.api.origins import Origins
from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import UnknownCallerError
from trimtab.db.engine import machine_us
from trimtab.loop.actor import Actor
from trimtab.loop.keys import authenticate
from trimtab.loop.platform import Platform
from trimtab.loop.sessions import Begun, Session, begin_session, csrf_token_of, end_sessions

__all__ = ["session_routes"]


class SignIn(Strict):
    """What a person signs in with."""

    key: Annotated[str, Field(min_length=1, max_length=200, description="An API key of theirs.")]


class Who(Strict):
    """Who asks, and what their next change has to bring."""

    name: str = Field(description="As the audit log will name them.")
    role: str = Field(description="What they may do.")
    csrf_token: str | None = Field(description="To be sent as X-CSRF-Token; null for who holds an API key.")
    expires_us: int | None = Field(description="When the session ends at the latest, by the machine's clock.")


def session_routes(platform: Platform, origins: Origins) -> APIRouter:
    """Return the routes of ``/api/session``."""
    router = APIRouter(tags=["session"], route_class=KnownFirst)

    @router.post("/api/session", summary="Sign in: an API key for a cookie", response_model=Who)
    def sign_in(request: Request, given: SignIn) -> Response:
        """Needs an API key in the body. A session that the browser had ends; the new one has an id of its own."""
        origins.require_own_page(request, origin_needed=False)
        origins.require_private_way()
        begun = _begun(platform, request, given.key)
        answer = JSONResponse(_told(begun.session.actor, begun.session, begun.token))
        hours = platform.project.config.api.session_hours
        _set_cookie(answer, origins, begun.token, max_age_s=hours * 3600)
        return answer

    @router.get("/api/session", summary="Who is signed in, and their CSRF token", response_model=Who)
    def who(request: Request, actor: Caller) -> JsonObject:
        """Needs an API key or a session, of any role."""
        return _told(actor, session_of(request), request.cookies.get(origins.cookie.name, ""))

    @router.delete("/api/session", summary="Sign out")
    def sign_out(request: Request, actor: Caller) -> Response:
        """Needs a session."""
        found = session_of(request)
        if found is None:
            raise UnknownCallerError("session: none came with the request; 'trimtab keys revoke' ends an API key")
        with platform.database.transaction() as connection:
            end_sessions(connection, session_id=found.id, now_us=machine_us())
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor=actor.name,
                action="session.ended",
                subject=f"session:{found.id}",
                reason="signed out",
            )
        answer = JSONResponse({"ended": True})
        _set_cookie(answer, origins, "", max_age_s=0)
        return answer

    return router


def _begun(platform: Platform, request: Request, key: str) -> Begun:
    address, before, now_us = address_of(request), session_of(request), machine_us()
    hours = platform.project.config.api.session_hours
    try:
        # Before the one writer's turn is taken: whoever guesses keys must not make those wait who have one.
        platform.database.read(lambda connection: authenticate(connection, key))
        with platform.database.transaction() as connection:
            begun = begin_session(connection, key, address=address, hours=hours, now_us=now_us)
            if before is not None:
                end_sessions(connection, session_id=before.id, now_us=now_us)
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor=begun.session.actor.name,
                action="session.begun",
                subject=f"session:{begun.session.id}",
                detail={"address": address, "replaces": None if before is None else before.id},
            )
    except UnknownCallerError:
        count_wrong_key(request)
        raise
    return begun


def _told(actor: Actor, session: Session | None, token: str) -> JsonObject:
    return {
        "name": actor.name,
        "role": actor.role.value,
        "csrf_token": None if session is None else csrf_token_of(token),
        "expires_us": None if session is None else session.expires_us,
    }


def _set_cookie(answer: Response, origins: Origins, token: str, *, max_age_s: int) -> None:
    cookie = origins.cookie
    answer.set_cookie(
        cookie.name, token, max_age=max_age_s, path="/", secure=cookie.secure, httponly=True, samesite="strict"
    )
