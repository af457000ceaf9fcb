"""Which lanes of this process cannot go on now, and why: for those who ask how everything stands."""

from __future__ import annotations

import threading
from collections.abc import Mapping

__all__ = ["Hindered"]


class Hindered:
    """The last error of each lane that has not worked since; safe to call from several threads.

    >>> hindered = Hindered()
    >>> hindered.tell("data", "lake /lake: no space left")
    >>> hindered.forget("messages")
    >>> dict(hindered.lanes)
    {'data': 'lake /lake: no space left'}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_lane: dict[str, str] = {}

    @property
    def lanes(self) -> Mapping[str, str]:
        """The errors by lane, as they stand now."""
        with self._lock:
            return dict(self._by_lane)

    def tell(self, lane: str, error: str) -> None:
        """Remember that ``lane`` met ``error``."""
        with self._lock:
            self._by_lane[lane] = error

    def forget(self, lane: str) -> None:
        """Remember that ``lane`` works."""
        with self._lock:
            self._by_lane.pop(lane, None)
