"""uvicorn's protocol, without what a request that is answered at once need not pay for.

That is a task, a timer, checks of headers that are our own, and a write for each part of a response: answers to
requests that were read together are written together, so that a caller who waits for several is woken once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator, Sequence
from functools import partial
from types import coroutine
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ["WHOLE", "EagerProtocol", "flush", "write_whole"]

WHOLE: Final = "trimtab.whole"
"""Where a request's scope holds the cycle that `write_whole` takes; absent in servers of others."""


class EagerProtocol(HttpToolsProtocol):
    """Begins to answer as soon as the request is whole, in the very callback that brought its last byte.

    The application is a coroutine that seldom has to wait: one that does not is run to its end at once, and never
    becomes a task. One that does goes on as a task, as it would in uvicorn.
    """

    _held: tuple[RequestResponseCycle, Any] | None = None
    _parsing = False
    is_idle = False
    """Whether it waits for the first byte of a request. Who closes idle connections has to look: there is no timer."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection."""
        self._parsing, self.is_idle = True, False
        try:
            super().data_received(data)
        finally:
            self._parsing = False
        if self._held is not None:
            # Its body comes later: it is read, and judged, as it comes.
            self._begin()

    def on_message_complete(self) -> None:
        """Answer the request that is whole now."""
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
        cycle.scope[WHOLE] = cycle  # type: ignore[typeddict-unknown-key]
        if self._parsing:
            self._held = (cycle, app)
        else:
            # It came before the one that was just answered was: a task of its own keeps the stack from growing.
            super()._start_asgi_task(cycle, app)


def write_whole(cycle: RequestResponseCycle, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
    """Write a whole response at once, whose headers are ours and so need no check; return False where it cannot be.

    Then it has to be sent in messages: the answer to a HEAD, or while the caller is too slow to take what there is.
    """
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
        parts += (name, b": ", value, b"\r\n")
        if name == b"connection" and value == b"close":
            cycle.keep_alive = False
            break
    else:
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
    parts += (b"\r\n", body)
    if not _unsent:
        asyncio.get_running_loop().call_soon(flush)
    _unsent.append((cycle.transport, b"".join(parts)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        flush()
        cycle.transport.close()
    cycle.on_response()
    return True


_unsent: list[tuple[asyncio.Transport, bytes]] = []


def flush() -> None:
    """Send what waits to be sent; whoever writes to a connection by itself calls this first, to keep the order."""
    for transport, content in _unsent:
        transport.write(content)
    _unsent.clear()


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
