"""Nulls that were computed once and are asked for again at the next look."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from trimtab.profiles.null import Null

__all__ = ["NullCache"]


class NullCache:
    """Keeps nulls by key, in memory, up to ``max_bytes`` altogether: those that were asked for last.

    A key is kept as long as its null, and is not counted: let it say what a null was made of, by a digest, and hold
    nothing of it. Safe for threads; two that ask for the same new null at once may both compute it. What is returned is
    shared: it is not to be changed.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Null] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """What is kept now."""
        return sum(null.size_bytes for null in self._kept.values())

    def get(self, key: Hashable, make: Callable[[], Null]) -> Null:
        """Return the null of ``key``, which ``make`` computes if it is not kept; a greater one is not kept at all."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        null = make()
        with self._lock:
            if null.size_bytes <= self._max_bytes:
                self._kept[key] = null
            while self.size_bytes > self._max_bytes:
                self._kept.popitem(last=False)
        return null
