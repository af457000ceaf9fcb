"""What the server gives a caller of time and room, so that slow ones cost the others nothing."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

from trimtab.serving.asgi import RefusedError
from trimtab.serving.http_protocol import MAX_UNREAD_BYTES, EagerProtocol, flush
from trimtab.serving.options import ServerOptions

__all__ = ["BoundedProtocol", "Bounds", "ByteBudget", "ConnectionWatch", "bounded_protocol", "raise_file_limit"]

RETRY_AFTER: Final = ((b"retry-after", b"1"),)
_LOOK_INTERVAL_S: Final = 0.5
_SPARE_FILES: Final = 256
_MAX_HEADER_BYTES: Final = 256 * 1024
_FRAMING_PER_BYTE: Final = 8
"""Of a body in chunks of one byte, each has five around it."""


class ByteBudget:
    """Bytes that requests hold together, such as bodies that are half read: memory that callers fill.

    ``told`` says of a refusal what the bytes are, with the limit in its ``{}``.
    """

    def __init__(self, limit_bytes: int, told: str) -> None:
        self._limit = limit_bytes
        self._told = told
        self.used = 0

    def take(self, size: int) -> None:
        """Reserve ``size`` bytes; whoever took them gives them back.

        Raises:
            RefusedError: 429, there are not that many left.
        """
        if self.used + size > self._limit:
            raise RefusedError(429, f"{self._told.format(self._limit)}, which is the limit; try later", RETRY_AFTER)
        self.used += size

    def give_back(self, size: int) -> None:
        """Return what was taken."""
        self.used -= size


class Bounds:
    """How much is taken on at one time."""

    def __init__(self, options: ServerOptions) -> None:
        self.max_in_flight = options.max_in_flight
        self.budget = ByteBudget(
            options.max_reading_bytes, "body: {} bytes of other requests are being read, or wait for an answer"
        )
        self.tensors = ByteBudget(
            options.max_tensor_bytes, "image: {} bytes of other requests' images are being answered"
        )

    def refusal(self) -> RefusedError:
        """Return what a request too many is told."""
        return RefusedError(
            429, f"requests: {self.max_in_flight} are being answered, which is the limit; try later", RETRY_AFTER
        )


def raise_file_limit(connections: int) -> int:
    """Let this process open ``connections`` sockets beside its own files, as far as it may; return how many it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _SPARE_FILES))


class BoundedProtocol(EagerProtocol):
    """The protocol with a bound on open connections, and on whatever comes that is no part of a body."""

    _max_connections: int
    _headed: Any = None
    _unasked_bytes = 0
    _is_reading = False
    _body_bytes = _framing_bytes = _standing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        if len(self.connections) > self._max_connections:
            _refuse(self, 503, f"connections: {self._max_connections} are open, which is the limit; try later")

    def on_chunk_header(self) -> None:
        """Begin a part of a body that comes in chunks."""
        # A proxy before this server has judged the headers alone: what stands behind a body must not be among them.
        self.headers = []

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection."""
        held = len(self.cycle.body) if self._is_reading else 0
        super().data_received(data)
        cycle: Any = self.cycle  # None before the first request
        if cycle is not self._headed:
            self._headed, self._unasked_bytes, self._is_reading = cycle, 0, cycle.more_body
            if self._is_reading:
                self._body_bytes = self._framing_bytes = self._standing_bytes = 0
        elif cycle is None or cycle.response_complete:
            self._is_reading = False
            self._count_unasked(len(data))
        elif self._is_reading:
            self._is_reading = cycle.more_body
            self._count_framing(len(data), len(cycle.body) - held)

    def _count_unasked(self, size: int) -> None:
        self._unasked_bytes += size
        cycle: Any = self.cycle
        is_refused = cycle is not None and cycle.more_body
        most = MAX_UNREAD_BYTES if is_refused else _MAX_HEADER_BYTES
        if self._unasked_bytes <= most or self.transport.is_closing():
            return
        if is_refused:
            # It was refused before its body was read, and sends on and on.
            self.transport.abort()
        else:
            _refuse(self, 431, f"headers: more than {_MAX_HEADER_BYTES} bytes, which is the limit; send less")

    def _count_framing(self, size: int, body_size: int) -> None:
        """Count what comes between and behind the chunks of a body, which the bound of the body knows nothing of."""
        self._body_bytes += body_size
        self._framing_bytes += size - body_size
        self._standing_bytes = 0 if body_size else self._standing_bytes + size
        if (
            self._framing_bytes > _MAX_HEADER_BYTES + _FRAMING_PER_BYTE * self._body_bytes
            or self._standing_bytes > _MAX_HEADER_BYTES
        ) and not self.transport.is_closing():
            told = f"body: chunk extensions or trailers of more than {_MAX_HEADER_BYTES} bytes; send it without"
            _refuse(self, 413, told, lingers=True)


def bounded_protocol(max_connections: int) -> type[BoundedProtocol]:
    """Return the protocol for at most so many connections."""

    class Bounded(BoundedProtocol):
        _max_connections = max_connections

    return Bounded


@dataclass(slots=True)
class _Seen:
    """What a connection was doing when it was looked at, and since when."""

    cycle: object
    phase: str
    unsent: int
    since: float


class ConnectionWatch:
    """Closes connections that make the server wait.

    uvicorn bounds only how long a connection is idle between two requests. One look at all of them every half second
    costs less than a timer a request.
    """

    def __init__(self, connections: set[Any], options: ServerOptions) -> None:
        self._connections = connections
        self._limits = {
            "headers": (options.header_timeout_s, "headers: not whole after {:g} s; send them at once"),
            "body": (options.body_timeout_s, "body: not whole after {:g} s; send it faster, or in parts"),
            "unsent": (options.write_timeout_s, ""),
            "idle": (options.keep_alive_s, ""),
        }
        self._seen: dict[Any, _Seen] = {}

    async def watch(self) -> None:
        """Look at all connections again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_INTERVAL_S)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Close what has been in one phase for too long."""
        seen: dict[Any, _Seen] = {}
        for connection in tuple(self._connections):
            phase, unsent = _phase(connection)
            before = self._seen.get(connection)
            stands = before is not None and before.phase == phase and before.cycle is connection.cycle
            if before is None or not stands or unsent < before.unsent:
                before = _Seen(connection.cycle, phase, unsent, now)
            seen[connection] = before
            limit = self._limits.get(phase)
            if limit is not None and now - before.since > limit[0]:
                _close(connection, phase, limit[1].format(limit[0]))
        self._seen = seen


def _phase(connection: Any) -> tuple[str, int]:
    """Return what the server waits for on this connection, and how many bytes wait to be sent."""
    unsent: int = connection.transport.get_write_buffer_size()
    if unsent:
        return "unsent", unsent
    cycle = connection.cycle
    if cycle is not None and not cycle.response_complete:
        return ("body" if cycle.more_body else "answer"), 0
    return ("idle" if connection.is_idle else "headers"), 0


def _close(connection: Any, phase: str, told: str) -> None:
    if phase == "idle":
        connection.transport.close()
        return
    if phase == "unsent" or connection.transport.is_closing():
        connection.transport.abort()
        return
    cycle = connection.cycle
    if phase == "body" and cycle.response_started:
        connection.transport.abort()
        return
    _refuse(connection, 408, told)


def _refuse(connection: Any, status: int, told: str, *, lingers: bool = False) -> None:
    """Answer on the connection itself, where no request is whole that could be answered, and close it."""
    flush()
    body = msgspec.json.encode({"error": told})
    reason = HTTPStatus(status).phrase
    connection.transport.write(
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\nretry-after: 1\r\n\r\n".encode()
        + body
    )
    if lingers:
        connection.linger()
    else:
        connection.transport.close()
