"""Who sent a request, and whether that one may ask for what was asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from trimtab.api.origins import SAFE_METHODS, Origins
from trimtab.api.rate_limits import RateLimits
from trimtab.core.errors import BackendError, PermissionDeniedError, UnknownCallerError
from trimtab.db.engine import machine_us
from trimtab.loop.actor import Actor
from trimtab.loop.keys import authenticate, recognised
from trimtab.loop.operation import OPERATIONS
from trimtab.loop.platform import Platform
from trimtab.loop.sessions import Session, open_session, see_session

__all__ = [
    "CSRF_HEADER",
    "Caller",
    "KnownFirst",
    "address_of",
    "caller_of",
    "count_wrong_key",
    "session_of",
    "still_in",
]

CSRF_HEADER = "X-CSRF-Token"

_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer tt_…`")
_cookie = APIKeyCookie(
    name="trimtab_session",
    auto_error=False,
    scheme_name="Session",
    description=(
        "A session, as POST /api/session begins it; over https the cookie is called `__Host-trimtab`. What changes "
        f"something also needs `{CSRF_HEADER}` and an `Origin` of our own."
    ),
)


def address_of(request: Request) -> str:
    """Return where ``request`` comes from, as the connection says, or a proxy that is ours."""
    rates: RateLimits = request.app.state.rates
    return rates.address_of(request.scope)


def count_wrong_key(request: Request) -> None:
    """Count a key that was nobody's, by where it came from.

    Raises:
        HTTPException: 429, it is one too many from there.
    """
    platform: Platform = request.app.state.platform
    platform.refusals.count(address_of(request))
    _count_failure(request, "wrong key")


def caller_of(request: Request, bearer: str | None) -> Actor:
    """Return who holds the API key ``bearer``, or the session whose cookie came with ``request``.

    Raises:
        UnknownCallerError: there is neither, or it is nobody's.
        PermissionDeniedError: there are both, or the session is used by a page that is not ours.
    """
    platform: Platform = request.app.state.platform
    token = _token_in(request)
    if bearer is not None and token is not None:
        _count_failure(request, "key and session")
        raise PermissionDeniedError("request: brings both an API key and a session; send one of the two")
    if token is not None:
        return _within_session(request, token).actor
    if bearer is None:
        if "authorization" in request.headers:
            _count_failure(request, "no key")
        raise UnknownCallerError("no API key; pass one as 'Authorization: Bearer tt_…', see 'trimtab keys create'")
    try:
        return recognised(platform.database, bearer)
    except UnknownCallerError:
        count_wrong_key(request)
        raise


def _count_failure(request: Request, why: str) -> None:
    rates: RateLimits = request.app.state.rates
    rates.failed(address_of(request), why=why)


def session_of(request: Request) -> Session | None:
    """Return the session whose cookie came with ``request``, whatever page sent it; None where there is none."""
    token = _token_in(request)
    if token is None:
        return None
    platform: Platform = request.app.state.platform
    with suppress(UnknownCallerError), platform.database.reading() as connection:
        return open_session(connection, token, now_us=machine_us())
    return None


def still_in(request: Request) -> bool:
    """Return whether whoever was let in with ``request`` would be now. Looking on keeps no session alive.

    Raises:
        BackendError: the database cannot be reached.
    """
    bearer: str | None = request.state.bearer
    if bearer is None:
        return session_of(request) is not None
    platform: Platform = request.app.state.platform
    try:
        platform.database.read(lambda connection: authenticate(connection, bearer))
    except UnknownCallerError:
        return False
    return True


def _token_in(request: Request) -> str | None:
    origins: Origins = request.app.state.origins
    return request.cookies.get(origins.cookie.name)


def _within_session(request: Request, token: str) -> Session:
    platform: Platform = request.app.state.platform
    origins: Origins = request.app.state.origins
    changes, now_us = request.method not in SAFE_METHODS, machine_us()
    # First, so that a cookie that somebody made up is counted whatever else is wrong with the request.
    try:
        with platform.database.reading() as connection:
            found = open_session(connection, token, now_us=now_us)
    except UnknownCallerError:
        _count_failure(request, "no session")
        raise
    origins.require_own_page(request, origin_needed=changes)
    if changes:
        found.require_csrf(request.headers.get(CSRF_HEADER, ""))
    if found.is_to_be_seen(now_us):
        # Where nothing can be written now (a full disk), people must be able to look at what is wrong.
        with suppress(BackendError), platform.database.transaction() as connection:
            see_session(connection, found.id, now_us=now_us)
    return found


def _caller(
    request: Request,
    _credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _cookie: Annotated[str | None, Depends(_cookie)],
) -> Actor:
    actor: Actor = request.state.actor
    return actor


Caller = Annotated[Actor, Depends(_caller)]
"""Whoever holds the request's API key, or its session; for functions whose route is a `KnownFirst`."""


class KnownFirst(APIRoute):
    """A route that knows who asks before it receives or reads anything else of the request.

    That holds for one whose function takes a `Caller`. One that has the name of an operation also looks at their role:
    whoever may not ask makes nobody work, and learns nothing about the rest of the request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers."""
        answer = super().get_route_handler()
        if not any(needed.call is _caller for needed in self.dependant.dependencies):
            return answer

        async def known_first(request: Request) -> Response:
            credentials = await _bearer(request)
            request.state.bearer = None if credentials is None else credentials.credentials
            request.state.actor = await run_in_threadpool(_let_in, request, self.name)
            return await answer(request)

        return known_first


def _let_in(request: Request, name: str) -> Actor:
    actor = caller_of(request, request.state.bearer)
    rates: RateLimits = request.app.state.rates
    rates.spend(actor, request.method, address_of(request))
    asked = OPERATIONS.get(name)
    if asked is not None:
        actor.require(asked.role, name.replace(".", " "))
    return actor
