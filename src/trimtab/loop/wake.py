"""How a part of the loop that waits hears that there may be work."""

from __future__ import annotations

import threading

__all__ = ["Wake"]


class Wake:
    """A bell: everybody who waits hears each ring, and one that rang before somebody began to wait is not lost.

    It may be rung within a transaction, before the work can be seen: who hears it looks again soon after.

    >>> wake = Wake()
    >>> heard = wake.heard
    >>> wake.set()
    >>> wake.wait(heard, timeout_s=0) > heard, wake.wait(wake.heard, timeout_s=0) > wake.heard
    (True, False)
    """

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._times = 0

    @property
    def heard(self) -> int:
        """How often it has rung so far: to be passed to `wait`."""
        return self._times

    def set(self) -> None:
        """Ring."""
        with self._rung:
            self._times += 1
            self._rung.notify_all()

    def wait(self, heard: int, *, timeout_s: float) -> int:
        """Wait until it has rung more than ``heard`` times, or the time is over; return how often it has."""
        with self._rung:
            self._rung.wait_for(lambda: self._times > heard, timeout_s)
            return self._times
