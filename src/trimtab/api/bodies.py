"""Bodies of requests while they come in: how large, for how long, and how many of one address at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from trimtab.api.rate_limits import network_of

__all__ = ["Bodies"]

_HAVE_NONE = frozenset({"GET", "HEAD", "OPTIONS"})


class Bodies:
    """The bodies that are being received. For one event loop.

    Args:
        most_bytes: how large one may be.
        within_s: how long its sender may take, from when it is first asked for.
        at_once: how many of one address (see `network_of`) may be on their way.
        address_of: where a request comes from.
    """

    def __init__(self, *, most_bytes: int, within_s: float, at_once: int, address_of: Callable[[Scope], str]) -> None:
        self.most_bytes = most_bytes
        self.within_s = within_s
        self._at_once = at_once
        self._address_of = address_of
        self._coming: Counter[str] = Counter()

    @contextmanager
    def bounded(self, scope: Scope, receive: Receive) -> Iterator[Receive]:
        """Yield what receives the body of one request, and raises HTTPException where that is more than allowed.

        413: too large; 408: not here in time; 503: too many of its address are on their way.
        """
        if scope["method"] in _HAVE_NONE:
            yield receive
            return
        body = _Body(self, network_of(self._address_of(scope)), receive)
        try:
            yield body.receive
        finally:
            body.end()

    def begin(self, network: str) -> None:
        """Count one more of ``network``."""
        if self._coming[network] >= self._at_once:
            told = f"body: {self._at_once} of your address are on their way already; send it again"
            raise HTTPException(503, told, {"Retry-After": "1", "Connection": "close"})
        self._coming[network] += 1

    def end(self, network: str) -> None:
        """Count one less."""
        self._coming[network] -= 1
        if not self._coming[network]:
            del self._coming[network]


class _Body:
    """One of them; it counts from when it is first asked for until its end is here, or nobody wants it any more."""

    def __init__(self, bodies: Bodies, network: str, receive: Receive) -> None:
        self._bodies = bodies
        self._network = network
        self._receive = receive
        self._size = 0
        self._until_s: float | None = None
        self._ended = False

    async def receive(self) -> Message:
        if self._ended:
            # What follows a body is that its sender hangs up, and that may take its time.
            return await self._receive()
        if self._until_s is None:
            self._bodies.begin(self._network)
            self._until_s = asyncio.get_running_loop().time() + self._bodies.within_s
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            why = f"body: not here within {self._bodies.within_s:g} s; send it at once"
            raise HTTPException(408, why, {"Connection": "close"}) from None
        self._size += len(message.get("body", b""))
        if self._size > self._bodies.most_bytes:
            raise HTTPException(413, f"body: more than {self._bodies.most_bytes} bytes; send less at once")
        if not message.get("more_body", False):
            self.end()
        return message

    def end(self) -> None:
        if self._until_s is not None and not self._ended:
            self._bodies.end(self._network)
        self._ended = True
