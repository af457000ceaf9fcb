"""uvicorn's protocol, without what a request that is answered at once need not pay for.

That is a task, a timer, checks of headers that are our own, and a write for each part of a response: answers to
requests that were read together are written together, so that a caller who waits for several is woken once.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Coroutine, Generator, Sequence
from functools import partial
from types import coroutine
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ["WHOLE", "EagerProtocol", "flush", "write_whole"]

WHOLE: Final = "trimtab.whole"
"""Where a request's scope holds what `write_whole` takes; absent in servers of others."""

MAX_UNREAD_BYTES: Final = 64 * 1024 * 1024
"""How much of a body is thrown away that was refused before it was read; who sends more is cut off."""

_LINGER_S: Final = 10.0
_UPGRADE: Final = re.compile(rb"(\r\n)upgrade:", re.IGNORECASE)


class EagerProtocol(HttpToolsProtocol):
    """Begins to answer as soon as the request is whole, in the very callback that brought its last byte.

    The application is a coroutine that seldom has to wait: one that does not is run to its end at once, and never
    becomes a task. One that does goes on as a task, as it would in uvicorn.
    """

    _held: tuple[RequestResponseCycle, Any] | None = None
    _parsing = False
    _is_between = True
    _discarded: int | None = None
    is_idle = False
    """Whether it waits for the first byte of a request. Who closes idle connections has to look: there is no timer."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection."""
        if self._discarded is not None:
            self._discarded += len(data)
            if self._discarded > MAX_UNREAD_BYTES:
                self.transport.abort()
            return
        if self._is_between and (b"pgrade" in data or b"PGRADE" in data):
            data = _without_upgrade(data)
        self._parsing, self.is_idle = True, False
        try:
            super().data_received(data)
        finally:
            self._parsing = False
        if self._held is not None:
            # Its body comes later: it is read, and judged, as it comes.
            self._begin()

    def on_message_begin(self) -> None:
        """Turn to a request."""
        self._is_between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Answer the request that is whole now."""
        self._is_between = True
        super().on_message_complete()
        if self._held is not None:
            self._begin()

    def on_response_complete(self) -> None:
        """Turn to the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.is_idle = True

    def linger(self) -> None:
        """Hang up on a caller who is still sending: what comes is thrown away for a while.

        A connection that is closed with bytes unread is reset, and the answer with it.
        """
        if self.transport.is_closing():
            return
        self._discarded = 0
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Tell that this is no HTTP, and hang up."""
        flush()
        told = b'{"error":"request: not HTTP that can be read; expected HTTP/1.1; correct it"}'
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(told)
        self.transport.write(STATUS_LINE[400] + head + told)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        # Its header came in pieces, so that it was not seen in time: the parser has given up on what follows.
        flush()
        self.transport.close()

    def shutdown(self) -> None:
        """Close the connection as soon as what it was asked is answered."""
        flush()
        super().shutdown()

    def _begin(self) -> None:
        if self._held is None:
            return
        (cycle, app), self._held = self._held, None
        if self.transport.is_closing():
            return  # nobody would get the answer
        task = _begun(cycle.run_asgi(app), self.loop)
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope[WHOLE] = cycle, self  # type: ignore[typeddict-unknown-key]
        if self._parsing:
            self._held = (cycle, app)
        else:
            # It came before the one that was just answered was: a task of its own keeps the stack from growing.
            super()._start_asgi_task(cycle, app)


def write_whole(
    whole: tuple[RequestResponseCycle, EagerProtocol],
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
) -> bool:
    """Write a whole response at once, whose headers are ours and so need no check; return False where it cannot be.

    Then it has to be sent in messages: the answer to a HEAD, or while the caller is too slow to take what there is.
    """
    cycle, protocol = whole
    if cycle.response_started or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        flush()
        return False
    if cycle.disconnected:
        return True
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    parts = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        parts += (name, b": ", value, b"\r\n")
    for name, value in headers:
        if name == b"connection":
            cycle.keep_alive = False  # it is only ever closed
        else:
            parts += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", body)
    if not _unsent:
        asyncio.get_running_loop().call_soon(flush)
    _unsent.append((cycle.transport, b"".join(parts)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        flush()
        if cycle.more_body:
            protocol.linger()
        else:
            cycle.transport.close()
    cycle.on_response()
    return True


def _without_upgrade(data: bytes) -> bytes:
    """Return a request whose wish to change to another protocol is not heard: the parser would drop its body.

    Java's client asks for HTTP/2 so with every first request.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(rb"\1x-asked:", head) + separator + rest


_unsent: list[tuple[asyncio.Transport, bytes]] = []


def flush() -> None:
    """Send what waits to be sent; whoever writes to a connection by itself calls this first, to keep the order."""
    waiting = _unsent.copy()
    _unsent.clear()
    for transport, content in waiting:
        # uvloop refuses to write to what is closed by now: one caller who hung up would keep all others' answers here.
        if not transport.is_closing():
            transport.write(content)


if sys.version_info >= (3, 12):

    def _begun(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
        """Run ``work`` until it has to wait, and return the task that it goes on as; None where it has ended."""
        task = asyncio.Task(work, loop=loop, eager_start=True)
        return None if task.done() else task

else:

    def _begun(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
        """Run ``work`` until it has to wait, and return the task that it goes on as; None where it has ended."""
        try:
            awaited = work.send(None)
        except StopIteration:
            return None
        return loop.create_task(_continued(work, awaited))

    @coroutine
    def _continued(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
        """Go on with ``work``, which was begun by hand and waits for ``awaited``."""
        while True:
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 - a cancellation, too, is for the work itself
                step = partial(work.throw, error)
            else:
                step = partial(work.send, value)
            try:
                awaited = step()
            except StopIteration:
                return
