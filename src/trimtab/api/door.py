"""What every request passes before it reaches a route: whom it was addressed to, and how much it brings."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.api.bodies import Bodies
from trimtab.api.errors import problem
from trimtab.api.logged_path import logged_path
from trimtab.core.ids import new_id

__all__ = ["LOOPBACK", "PAGE_POLICY", "Door", "Limits", "is_loopback", "name_in", "names_of"]

_log = structlog.get_logger(__name__)

_REQUEST_ID = "x-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_NOT_LET_IN = frozenset({401, 429})
_POLICY = "content-security-policy"
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
"""For what is no page, but may be opened as one; a page of ours brings a policy of its own."""
PAGE_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""What a page of ours may do: show itself, and send its own forms home. It has no script."""
_ONE_YEAR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may bring: a file of rows, a shipped segment, or fields as JSON; and how many may look on.

    ``body_s``: how long the fields may take to come; ``bodies_at_once``: of how many requests of one address they may
    be on their way. ``beat_s``: how often a stream is sent a beat, and it is looked whether its reader may still read.
    """

    upload_bytes: int = 2_000_000_000
    segment_bytes: int = 64_000_000
    body_bytes: int = 1_000_000
    body_s: float = 10.0
    bodies_at_once: int = 64
    streams: int = 100
    streams_each: int = 8
    beat_s: float = 15.0


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``.

    >>> is_loopback("127.0.0.2"), is_loopback("localhost"), is_loopback("127.evil.example")
    (True, True, False)
    """
    return host in LOOPBACK or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def names_of(host: str, public_url: str | None = None) -> frozenset[str] | None:
    """Return the names by which a service that listens on ``host`` may be asked; None means any.

    A web page can make its own name resolve to 127.0.0.1 and so have a browser ask a service on its user's machine.
    The browser then still sends the page's name as ``Host``: on loopback no foreign name is answered.

    >>> sorted(names_of("127.0.0.1"))
    ['127.0.0.1', '::1', 'localhost']
    >>> sorted(names_of("::1", "https://ops.example.com:8443"))
    ['127.0.0.1', '::1', 'localhost', 'ops.example.com']
    >>> names_of("0.0.0.0") is None
    True
    """
    if not is_loopback(host):
        return None
    return LOOPBACK | {host} | ({urlsplit(public_url).hostname or ""} if public_url is not None else set())


class Door:
    """Refuses requests for other hosts (421), bounds their bodies (see `Bodies`), and adds headers to every answer.

    What we did not foresee is logged, and told without its insides (500).

    Each request has an id, the caller's (``X-Request-Id``) if it is a sane one: it stands in the answer and in every
    log line that the request leads to.

    Args:
        app: what answers the rest.
        hosts: see `names_of`.
        bodies: what bounds them.
        unlimited: ends of paths whose route watches its own limit.
        unlimited_below: beginnings of such paths.
        https: whether browsers are to ask over https only from now on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] | None,
        bodies: Bodies,
        unlimited: tuple[str, ...],
        unlimited_below: tuple[str, ...] = (),
        https: bool = False,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._bodies = bodies
        self._unlimited = unlimited
        self._unlimited_below = unlimited_below
        self._headers = {**_HEADERS, "strict-transport-security": f"max-age={_ONE_YEAR_S}"} if https else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        given = Headers(scope=scope).get(_REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else new_id()

        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (*self._headers.items(), (_REQUEST_ID, request_id)):
                    headers[name] = value
                headers.setdefault(_POLICY, _NO_PAGE)
                # Whoever is not let in is counted elsewhere, and must not fill the log.
                if scope["method"] != "GET" and message["status"] not in _NOT_LET_IN:
                    _log.info(
                        "request", method=scope["method"], path=logged_path(scope["path"]), status=message["status"]
                    )
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._let_in(scope, receive, send_guarded)
            except Exception as error:
                # Here rather than around us all, where an answer would lack its headers.
                _log.error("request.crashed", path=logged_path(scope["path"]), exc_info=error)
                if started:
                    raise
                told = "an error that we did not foresee; it is in the control plane's log"
                await problem(500, "InternalError", told)(scope, receive, send_guarded)

    async def _let_in(self, scope: Scope, receive: Receive, send_guarded: Send) -> None:
        asked = name_in(Headers(scope=scope).get("host", ""))
        if self._hosts is not None and asked not in self._hosts:
            refusal = problem(421, "PermissionDeniedError", f"host {asked[:80]!r}: not one of ours; ask for 127.0.0.1")
            await refusal(scope, receive, send_guarded)
        elif scope["path"].endswith(self._unlimited) or scope["path"].startswith(self._unlimited_below):
            await self._app(scope, receive, send_guarded)
        else:
            with self._bodies.bounded(scope, receive) as bounded:
                await self._app(scope, bounded, send_guarded)


def name_in(header: str) -> str:
    """Return a ``Host`` header without its port.

    >>> name_in("localhost:8765"), name_in("[::1]:8765"), name_in("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()
