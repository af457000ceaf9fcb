"""Requests so large that they would hold up everybody else: answered in a thread, one at a time, and few may wait."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from typing import Final

from trimtab.serving.asgi import RefusedError
from trimtab.serving.exchange import Records

__all__ = ["LARGE_BYTES", "InLoop", "Lane"]

LARGE_BYTES: Final = 100_000
"""Bodies beyond it take tens of milliseconds to read and answer: as JSON, one to two thousand rows."""

_MOST_WAITING: Final = 64
_SWITCH_S: Final = 0.0005
"""How long the thread may keep the interpreter from the event loop; Python's own 5 ms would be felt by every caller."""


class Lane:
    """Lets one large request after the other through. For the event loop's thread."""

    def __init__(self, most_waiting: int = _MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._taken = 0
        self._free = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it.

        Raises:
            RefusedError: 429, as many wait as may.
        """
        if self._taken > self._most_waiting:
            raise RefusedError(
                429,
                f"body: larger than {LARGE_BYTES} bytes, of which one is answered at a time, and {self._most_waiting} "
                "wait, which is the limit; send fewer at a time, or smaller ones",
                ((b"retry-after", b"1"),),
            )
        self._taken += 1
        try:
            async with self._free:
                usual_s = sys.getswitchinterval()
                sys.setswitchinterval(_SWITCH_S)
                try:
                    yield
                finally:
                    sys.setswitchinterval(usual_s)
        finally:
            self._taken -= 1


class InLoop:
    """Records from another thread, in the event loop's thread: the journal belongs to it."""

    def __init__(self, records: Records, loop: asyncio.AbstractEventLoop) -> None:
        self.new_id = records.new_id
        self.framed = records.framed
        self._append = records.append_framed
        self._loop = loop

    def append_framed(self, framed: Sequence[bytes]) -> None:
        """See `JournalWriter.append_framed`. Returns when it is done."""
        done: Future[None] = Future()

        def append() -> None:
            try:
                self._append(framed)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_soon_threadsafe(append)
        done.result()
