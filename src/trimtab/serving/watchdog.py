"""Ends a process whose event loop hangs: whoever watches over it starts another one."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

import structlog

__all__ = ["HUNG", "Watchdog"]

HUNG: Final = 70
"""Exit code of a process that ended itself since its event loop hung."""

_LOOKS: Final = 10

_log = structlog.get_logger("trimtab.serving.watchdog")


class Watchdog:
    """A thread that ends the process once the event loop has not turned for ``patience_s``.

    A model that computes without end holds the loop, and with it all callers of all versions; no signal is heard then,
    and nothing can be refused. The time is counted in looks, not by the clock: a process that was stopped for a while,
    or its machine, is not taken for one that hangs.
    """

    def __init__(self, patience_s: float, end: Callable[[], None] | None = None) -> None:
        """``end``: what ends the process; None: at once, with exit code `HUNG`."""
        self._patience_s = patience_s
        self._interval_s = patience_s / _LOOKS
        self._end = end or self._end_process
        self._turned = True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    async def turn(self) -> None:
        """Show that the loop turns, until cancelled; the thread starts with it."""
        self._thread.start()
        try:
            while True:
                self._turned = True
                await asyncio.sleep(self._interval_s / 2)
        finally:
            self._stopped.set()

    def _watch(self) -> None:
        looks = 0
        while not self._stopped.wait(self._interval_s):
            looks = 0 if self._turned else looks + 1
            self._turned = False
            if looks >= _LOOKS:
                self._end()
                return

    def _end_process(self) -> None:
        _log.critical("event_loop_hangs", seconds=self._patience_s, exit_code=HUNG)
        # Where it hangs: nobody could tell afterwards.
        faulthandler.dump_traceback(sys.stderr)
        sys.stderr.flush()
        os._exit(HUNG)
