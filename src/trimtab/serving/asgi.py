"""The little of HTTP that the server needs, straight on ASGI: read a bounded body, send one response."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from trimtab.core.errors import TrimtabError
from trimtab.serving.http_protocol import WHOLE, write_whole

__all__ = [
    "ASKER",
    "BUDGET",
    "JSON",
    "REQUEST_ID",
    "Asker",
    "Budget",
    "ClientGoneError",
    "Headers",
    "Message",
    "Receive",
    "RefusedError",
    "Response",
    "Scope",
    "Send",
    "error_response",
    "has_left",
    "header",
    "json_response",
    "read_body",
    "send_response",
    "while_connected",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ResultT = TypeVar("ResultT")
Headers = tuple[tuple[bytes, bytes], ...]

JSON: Final = b"application/json"
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
"""What a caller may call a request."""

BUDGET: Final = "trimtab.budget"
"""Where a request's scope holds the room for its body."""

ASKER: Final = "trimtab.asker"
"""Where a request's scope says whose key it came with; absent where no keys are asked for."""

_TURNS: Final = 5

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Asker(NamedTuple):
    """Whose key a request came with. ``key_id`` tells keys apart and nothing of their text."""

    key_id: str
    is_admin: bool


class RefusedError(TrimtabError):
    """A request that HTTP itself has a status for. ``column``: the feature that it is refused for, "" if for none."""

    def __init__(self, status: int, message: str, headers: Headers = (), column: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.column = column


class ClientGoneError(Exception):
    """The caller hung up before the body was whole: there is nobody to answer."""


# A struct, since one is made a request: a frozen dataclass takes ten times as long.
class Response(msgspec.Struct, frozen=True):
    """A whole response."""

    status: int
    body: bytes
    headers: Headers = ()
    content_type: bytes = JSON


def json_response(value: Any, *, status: int = 200, headers: Headers = ()) -> Response:
    """Return ``value`` as a JSON response; NaN becomes null."""
    return Response(status, _encode(value), headers)


def error_response(status: int, message: str, headers: Headers = ()) -> Response:
    """Return one sentence as a response."""
    return Response(status, _encode({"error": message.encode("utf-8", "replace").decode()}), headers)


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


class Budget(Protocol):
    """Room for bodies that are half read."""

    def take(self, size: int) -> None:
        """Reserve ``size`` bytes, or raise RefusedError."""

    def give_back(self, size: int) -> None:
        """Return what was taken."""


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Return the request's body.

    ``scope["trimtab.budget"]``, where there is one, bounds what all half-read bodies take together.

    Raises:
        RefusedError: it is, or says that it is, larger than ``limit_bytes``, or there is no room to read it now; the
            rest is not read.
        ClientGoneError: the caller hung up.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and (len(announced) > 18 or int(announced) > limit_bytes):
        raise _too_large(limit_bytes)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= limit_bytes:
        return body
    return await _read_parts(receive, message, limit_bytes, scope.get(BUDGET))


async def _read_parts(receive: Receive, first: Message, limit_bytes: int, budget: Budget | None) -> bytes:
    # One buffer: as parts in a list, a body that comes byte by byte would take many times what the budget counts.
    message, body, taken = first, bytearray(), 0
    try:
        while True:
            body += message.get("body", b"")
            if len(body) > limit_bytes:
                raise _too_large(limit_bytes)
            if budget is not None:
                budget.take(len(body) - taken)
                taken = len(body)
            if not message.get("more_body", False):
                return bytes(body)
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
    finally:
        if budget is not None:
            budget.give_back(taken)


async def while_connected(work: Coroutine[Any, Any, ResultT], receive: Receive) -> ResultT:
    """Return the result of ``work``, for a request whose body is read; it is given up when the caller hangs up.

    Raises:
        ClientGoneError: the caller hung up before.
    """
    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(receive())
    try:
        await asyncio.wait([working, listening], return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and listening.result()["type"] == "http.disconnect":
            raise ClientGoneError
        return await working
    finally:
        # Cancelling what is done changes nothing.
        listening.cancel()
        working.cancel()


async def has_left(receive: Receive) -> bool:
    """Return whether the caller has hung up, for a request whose body is read and whose work held up the event loop."""
    listening = asyncio.ensure_future(receive())
    try:
        # The loop has to look at its connections, to close what has ended, and to tell who waits for that.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if listening.done():
                return bool(listening.result()["type"] == "http.disconnect")
        return False
    finally:
        listening.cancel()


async def send_response(scope: Scope, send: Send, response: Response, said: Headers) -> None:
    """Send ``response`` with the headers ``said`` before its own: in one piece where the server can, else in two."""
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        *said,
        *response.headers,
    ]
    # Taken out: scope and cycle hold each other, and thousands of such pairs cost a collection that stops everything.
    whole = scope.pop(WHOLE, None)
    if whole is not None and write_whole(whole, response.status, headers, response.body):
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _too_large(limit_bytes: int) -> RefusedError:
    # Closing keeps the server from having to swallow what is still on its way.
    return RefusedError(
        413, f"body: larger than {limit_bytes} bytes, which is the limit; split it", ((b"connection", b"close"),)
    )
