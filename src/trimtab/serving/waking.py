"""Brings an unloaded endpoint back on its next request: once, however many ask, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from trimtab.serving.asgi import RefusedError
from trimtab.serving.endpoints import EndpointTable, LoadedEndpoint
from trimtab.serving.residence import Residence

__all__ = ["Waking"]

_FAILED_AGAIN_AFTER_S: Final = 5.0

_log = structlog.get_logger("trimtab.serving.waking")


@dataclass(frozen=True, slots=True)
class _Failure:
    sentence: str
    again_at: float


class Waking:
    """Finds an endpoint for a request when the table has it not in memory. Runs in the event loop's thread."""

    def __init__(self, table: EndpointTable, residence: Residence, *, wait_s: float = 10.0) -> None:
        self._table = table
        self._residence = residence
        self._wait_s = wait_s
        self._tasks: dict[str, asyncio.Task[LoadedEndpoint]] = {}
        self._failures: dict[str, _Failure] = {}

    async def wake(self, name: str) -> LoadedEndpoint:
        """Return the endpoint, loaded again if it was unloaded to save memory.

        What the caller does before its next ``await`` finds it in memory.

        Raises:
            NotFoundError: there is no such endpoint.
            RefusedError: 503; it takes longer than a caller should wait, cannot be loaded now, or never was.
        """
        if self._table.parked(name) is None:
            self._refuse_never_loaded(name)
            return self._table.get(name)
        self._refuse_failed(name)
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.create_task(self._residence.bring_back(name))
            task.add_done_callback(lambda done: self._ended(name, done))
        # Another load must not unload it between its own loading and this caller's next step.
        with self._residence.claim(name):
            # Not `wait_for`: a caller that gives up must not stop what others wait for.
            await asyncio.wait([task], timeout=self._wait_s)
        if not task.done():
            sentence = f"endpoint {name!r}: still loading after {self._wait_s:g} s, expected it in memory; ask again"
            raise _unavailable(sentence, 1)
        self._refuse_failed(name)
        return task.result()

    def _refuse_never_loaded(self, name: str) -> None:
        """Tell a failed deployment from a wrong name: the caller's request is right, and may be answered later."""
        status = self._table.statuses.get(name)
        if status is not None and status.error is not None and name not in self._table:
            sentence = f"endpoint {name!r}: cannot be loaded ({status.error}), expected it in memory; deploy it again"
            raise _unavailable(sentence, _FAILED_AGAIN_AFTER_S)

    def _refuse_failed(self, name: str) -> None:
        failure = self._failures.get(name)
        if failure is not None and time.monotonic() < failure.again_at:
            raise _unavailable(failure.sentence, _FAILED_AGAIN_AFTER_S)

    def _ended(self, name: str, task: asyncio.Task[LoadedEndpoint]) -> None:
        self._tasks.pop(name, None)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._failures.pop(name, None)
            self._tell(name, None)
            return
        sentence = f"endpoint {name!r}: was unloaded to save memory, and cannot be loaded again now ({error})"
        self._failures[name] = _Failure(sentence, time.monotonic() + _FAILED_AGAIN_AFTER_S)
        self._tell(name, sentence)
        _log.error("endpoint_not_loaded_again", endpoint=name, error=str(error))

    def _tell(self, name: str, error: str | None) -> None:
        status = self._table.statuses.get(name)
        if status is not None:
            # Why a newer generation could not be loaded is still to be told.
            told = error if status.generation == status.desired_generation else status.error
            self._table.statuses[name] = msgspec.structs.replace(status, error=told, resident=error is None)


def _unavailable(sentence: str, after_s: float) -> RefusedError:
    return RefusedError(503, sentence, ((b"retry-after", f"{after_s:.0f}".encode()),))
