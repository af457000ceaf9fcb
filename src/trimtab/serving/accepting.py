"""Takes connections from a listener that several processes share, so that each gets its part."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

__all__ = ["FairAcceptor"]

_STEP_BACK_S: Final = 0.001
_CALM: Final = 200
"""Connections a second up to which a process steps back after each; beyond, no time is lost."""
_AFTER_REFUSAL_S: Final = 0.1


class FairAcceptor:
    """Accepts one connection at a time, and then leaves the next one to the others for a millisecond.

    An event loop's own server accepts whatever waits: of callers that connect at once, the process that wakes first
    would get all, and keep them.
    """

    def __init__(self, listener: socket.socket, new_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        self._new_protocol = new_protocol
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        self._second = 0.0
        self._accepted = 0
        self._closed = False
        self._watch()

    def close(self) -> None:
        """Accept no more; what was accepted stays."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()
        self._loop.remove_reader(self._listener)

    def _watch(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # No files or memory left: it is tried again when some may have been given back.
            self._step_back(_AFTER_REFUSAL_S)
            return
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._new_protocol, connection)
        )
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        now = self._loop.time()
        if now - self._second > 1:
            self._second, self._accepted = now, 0
        self._accepted += 1
        if self._accepted <= _CALM:
            self._step_back(_STEP_BACK_S)

    def _step_back(self, delay_s: float) -> None:
        self._loop.remove_reader(self._listener)
        self._waiting = self._loop.call_later(delay_s, self._watch)
