"""What every request passes before it reaches a route: whom it was addressed to, and how much it brings."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.api.errors import problem
from trimtab.core.ids import new_id

__all__ = ["Door", "Limits", "names_of"]

_log = structlog.get_logger(__name__)

_REQUEST_ID = "x-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may bring: a file of rows, a shipped segment, or fields as JSON."""

    upload_bytes: int = 2_000_000_000
    segment_bytes: int = 64_000_000
    body_bytes: int = 1_000_000


def names_of(host: str) -> frozenset[str] | None:
    """Return the names by which a service that listens on ``host`` may be asked; None means any.

    A web page can make its own name resolve to 127.0.0.1 and so have a browser ask a service on its user's machine.
    The browser then still sends the page's name as ``Host``: on loopback no foreign name is answered.

    >>> sorted(names_of("127.0.0.1"))
    ['127.0.0.1', '::1', 'localhost']
    >>> names_of("0.0.0.0") is None
    True
    """
    return _LOOPBACK | {host} if host in _LOOPBACK or host.startswith("127.") else None


class Door:
    """Refuses requests for other hosts (421) and bodies that are too large (413), and adds headers to every answer.

    Each request has an id, the caller's (``X-Request-Id``) if it is a sane one: it stands in the answer and in every
    log line that the request leads to.

    Args:
        app: what answers the rest.
        hosts: see `names_of`.
        body_bytes: limit of a body.
        unlimited: ends of paths whose route watches its own limit.
        unlimited_below: beginnings of such paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] | None,
        body_bytes: int,
        unlimited: tuple[str, ...],
        unlimited_below: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._body_bytes = body_bytes
        self._unlimited = unlimited
        self._unlimited_below = unlimited_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        given = Headers(scope=scope).get(_REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else new_id()

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (*_HEADERS.items(), (_REQUEST_ID, request_id)):
                    headers[name] = value
                if scope["method"] != "GET":
                    _log.info("request", method=scope["method"], path=scope["path"], status=message["status"])
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._let_in(scope, receive, send_guarded)

    async def _let_in(self, scope: Scope, receive: Receive, send_guarded: Send) -> None:
        asked = _host_of(Headers(scope=scope).get("host", ""))
        if self._hosts is not None and asked not in self._hosts:
            refusal = problem(421, "PermissionDeniedError", f"host {asked[:80]!r}: not one of ours; ask for 127.0.0.1")
            await refusal(scope, receive, send_guarded)
        elif scope["path"].endswith(self._unlimited) or scope["path"].startswith(self._unlimited_below):
            await self._app(scope, receive, send_guarded)
        else:
            await self._app(scope, _bounded(receive, self._body_bytes), send_guarded)


def _host_of(header: str) -> str:
    """Return a ``Host`` header without its port.

    >>> _host_of("localhost:8765"), _host_of("[::1]:8765"), _host_of("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _bounded(receive: Receive, limit: int) -> Receive:
    size = 0

    async def receive_bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, f"body: more than {limit} bytes; send less at once")
        return message

    return receive_bounded
