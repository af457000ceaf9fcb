"""UUIDv7 ids: unique, and sorted by the time at which they were made (RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

__all__ = ["IdFactory", "new_id"]


def _system_ms() -> int:
    return time.time_ns() // 1_000_000


class IdFactory:
    """Makes UUIDv7 strings from an injected clock and source of randomness; safe across threads.

    Ids of one factory rise strictly: within a millisecond the 74 random bits count up from a random start.

    >>> ids = IdFactory(now_ms=lambda: 0, random_bytes=lambda n: bytes(n))
    >>> ids(), ids()
    ('00000000-0000-7000-8000-000000000000', '00000000-0000-7000-8000-000000000001')
    """

    def __init__(
        self,
        now_ms: Callable[[], int] = _system_ms,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._last_ms = -1
        self._tail = 0

    def __call__(self) -> str:
        """Return the next id, 36 characters, lower case."""
        with self._lock:
            now_ms = self._now_ms()
            if now_ms > self._last_ms:
                self._last_ms = now_ms
                # The top bit stays free, so that counting up within the millisecond cannot overflow.
                self._tail = int.from_bytes(self._random_bytes(10), "big") & ((1 << 73) - 1)
            else:
                self._tail += 1
            tail = self._tail
            value = (self._last_ms << 80) | (0x7 << 76) | ((tail >> 62) << 64) | (0b10 << 62) | (tail & ((1 << 62) - 1))
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


new_id = IdFactory()
"""The process's own factory, for places where no other clock is injected."""
