"""What came to the control plane's doors and was taken or refused: counted for Prometheus, logged once a minute."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

from trimtab.db.engine import machine_us

__all__ = ["DoorCounts"]

_log = structlog.get_logger(__name__)

_LOGGED_EVERY_US = 60_000_000


class DoorCounts:
    """Counts since this process started; safe to call from several threads.

    A door is a webhook, ``api`` or ``login``; why is one of a few words. Both come from the platform, never from who
    knocks: so neither the log nor the metrics grow with what is sent.

    >>> counts = DoorCounts()
    >>> counts.took("am", "opened"); counts.took("am", "opened")
    >>> dict(counts.taken), dict(counts.turned_away)
    ({('am', 'opened'): 2}, {})
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._logged: dict[tuple[str, str], tuple[int, int]] = {}

    @property
    def taken(self) -> Mapping[tuple[str, str], int]:
        """How many alerts were taken, by webhook and what became of them."""
        with self._lock:
            return dict(self._taken)

    @property
    def turned_away(self) -> Mapping[tuple[str, str], int]:
        """How many requests were refused, by door and reason."""
        with self._lock:
            return dict(self._refused)

    def took(self, webhook: str, result: str) -> None:
        """Count an alert that came by ``webhook``."""
        with self._lock:
            self._taken[webhook, result] += 1

    def refused(self, door: str, why: str, *, address: str) -> None:
        """Count a request that was refused, and log it: the first at once, more of them once a minute."""
        about, at_us = (door, why), machine_us()
        with self._lock:
            self._refused[about] += 1
            count = self._refused[about]
            last_us, told = self._logged.get(about, (0, 0))
            if at_us - last_us < _LOGGED_EVERY_US:
                return
            self._logged[about] = at_us, count
        _log.warning("request.refused", door=door, why=why, times=count - told, last_address=address)
