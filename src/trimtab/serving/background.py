"""What goes on beside the requests, for as long as the server serves: if a part of it ends, the process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

__all__ = ["Background"]

_log = structlog.get_logger("trimtab.serving.background")


class Background:
    """Tasks that end only when they are cancelled.

    A server that went on without one of them would look well, and follow no spec, or answer no job. So ``stop`` is
    called, and `failure` says why: whoever watches over the process starts it again, whole.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._tasks: list[asyncio.Task[None]] = []
        self.failure: str | None = None

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Let ``work`` go on under that name."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(partial(self._ended, name))
        self._tasks.append(task)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        reason = "it returned" if error is None else f"{type(error).__name__}: {error}"
        _log.error("background_task_ended", task=name, reason=reason, exc_info=error)
        self.failure = self.failure or (
            f"background task {name!r}: ended ({reason}), expected it to go on as long as the server does; the server "
            "stops, so that what watches over it starts it again"
        )
        self._stop()

    async def cancel(self) -> None:
        """End all of them, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
