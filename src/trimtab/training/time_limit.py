"""Ends a training that takes too long, even one that is stuck where no signal is heard."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["TimeLimit"]

_GRACE_S: Final = 60.0


class TimeLimit:
    """Sends SIGTERM to its own process after ``limit_s`` seconds (None: never), as somebody who cancels does.

    If that is not heard within ``grace_s``, since the main thread is in native code, ``give_up`` is called and the
    process ends with 1. Its methods may be called from any thread.
    """

    def __init__(self, limit_s: float | None, give_up: Callable[[], None], *, grace_s: float = _GRACE_S) -> None:
        self._limit_s = limit_s
        self._give_up = give_up
        self._grace_s = grace_s
        self._over = threading.Event()
        self._done = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether the time has run out."""
        return self._over.is_set()

    def start(self) -> None:
        """Begin to count."""
        if self._limit_s is not None:
            threading.Thread(target=self._watch, args=(self._limit_s,), name="time-limit", daemon=True).start()

    def stop(self) -> None:
        """Count no longer: the training has come to an end."""
        self._done.set()

    def _watch(self, limit_s: float) -> None:
        if self._done.wait(min(limit_s, threading.TIMEOUT_MAX)):
            return
        self._over.set()
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._done.wait(self._grace_s):
            self._give_up()
            os._exit(1)
