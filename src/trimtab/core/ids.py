"""UUIDv7 ids: unique, and sorted by the time at which they were made (RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

__all__ = ["IdFactory", "id_before", "new_id"]


def _system_ms() -> int:
    return time.time_ns() // 1_000_000


class IdFactory:
    """Makes UUIDv7 strings from an injected clock and source of randomness; safe across threads.

    Ids of one factory rise strictly: within a millisecond the last of the 74 random bits count up from a random start.

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
        self._head = ""
        self._tail = 0

    def __call__(self) -> str:
        """Return the next id, 36 characters, lower case."""
        with self._lock:
            now_ms = self._now_ms()
            if now_ms > self._last_ms:
                self._last_ms = now_ms
                self._head, self._tail = _start(now_ms, int.from_bytes(self._random_bytes(10), "big"))
            else:
                self._tail += 1
            return f"{self._head}{self._tail:012x}"


def id_before(moment_us: int) -> str:
    """Return what ids that were made before ``moment_us`` (to the millisecond) sort before, and no later ones.

    >>> early, late = IdFactory(now_ms=lambda: 41), IdFactory(now_ms=lambda: 42)
    >>> early() < id_before(42_000) <= late()
    True
    """
    now_ms = max(moment_us, 0) // 1_000
    return f"{now_ms >> 16:08x}-{now_ms & 0xFFFF:04x}-"


def _start(now_ms: int, random: int) -> tuple[str, int]:
    """Return the first 24 characters of a millisecond's ids, and the number that the last 12 begin at."""
    # The number's top bit stays free, so that counting up within the millisecond cannot overflow.
    tail = random & ((1 << 47) - 1)
    high, middle = (random >> 48) & 0x3FFF, (random >> 62) & 0xFFF
    return f"{now_ms >> 16:08x}-{now_ms & 0xFFFF:04x}-7{middle:03x}-{0x8000 | high:04x}-", tail


new_id = IdFactory()
"""The process's own factory, for places where no other clock is injected."""
