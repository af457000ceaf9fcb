"""The little of HTTP that the server needs, straight on ASGI: read a bounded body, send one response."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trimtab.core.errors import TrimtabError

__all__ = [
    "JSON",
    "REQUEST_ID",
    "ClientGoneError",
    "Headers",
    "Message",
    "Receive",
    "RefusedError",
    "Response",
    "Scope",
    "Send",
    "error_response",
    "header",
    "json_response",
    "read_body",
    "send_response",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON: Final = b"application/json"
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
"""What a caller may call a request."""

_DIGITS: Final = re.compile(rb"\d{1,18}")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class RefusedError(TrimtabError):
    """A request that HTTP itself has a status for."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class ClientGoneError(Exception):
    """The caller hung up before the body was whole: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Response:
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


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Return the request's body.

    Raises:
        RefusedError: it is, or says that it is, larger than ``limit_bytes``; the rest is not read.
        ClientGoneError: the caller hung up.
    """
    announced = header(scope, b"content-length")
    if announced is not None and _DIGITS.fullmatch(announced) and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= limit_bytes:
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        if size > limit_bytes:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit_bytes:
        raise _too_large(limit_bytes)
    return b"".join(parts)


async def send_response(send: Send, response: Response) -> None:
    """Send ``response`` in two messages."""
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [
                (b"content-type", response.content_type),
                (b"content-length", str(len(response.body)).encode()),
                *response.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": response.body})


def _too_large(limit_bytes: int) -> RefusedError:
    # Closing keeps the server from having to swallow what is still on its way.
    return RefusedError(
        413, f"body: larger than {limit_bytes} bytes, which is the limit; split it", ((b"connection", b"close"),)
    )
