"""Calls a feature source for requests: several share a call, none waits for long, and a broken one is left alone."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import structlog

from trimtab.core.errors import BackendError
from trimtab.serving.features.base import FeatureSource, FeatureValue, Why
from trimtab.serving.features.cache import FeatureCache
from trimtab.serving.features.counts import FeatureCounts

__all__ = ["Entity", "Found", "Reading"]

Entity = tuple[str, ...]
"""Values of the entity's keys, in the order of the spec."""

Found = Mapping[str, FeatureValue | None] | Why

_MOST_CALLS: Final = 4
_MOST_ENTITIES: Final = 1_000
_MOST_FAILURES: Final = 5
_REST_S: Final = 1.0
_TELL_S: Final = 60.0

_log = structlog.get_logger("trimtab.serving.features")


@dataclass(slots=True, eq=False)
class _Waiting:
    entities: Sequence[Entity]
    found: asyncio.Future[list[Found]]


class Reading:
    """Reads features of one endpoint. All methods run in the event loop's thread.

    At most `_MOST_CALLS` calls run at the same time; what is asked meanwhile shares the next. After `_MOST_FAILURES`
    failures in a row the source is not called for `_REST_S`.
    """

    def __init__(
        self,
        source: FeatureSource,
        *,
        endpoint: str,
        keys: Sequence[str],
        names: Sequence[str],
        timeout_s: float,
        counts: FeatureCounts,
        cache: FeatureCache | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._keys = tuple(keys)
        self._names = tuple(names)
        self._timeout_s = timeout_s
        self._counts = counts
        self._cache = cache
        self._now_s = now_s
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._rests_until_s = 0.0
        self._told_s = -_TELL_S

    async def read(self, entities: Sequence[Entity]) -> list[Found]:
        """Return what the source has of each of ``entities``, or why that is not known; within the time to wait."""
        if self._cache is None:
            return await self._asked(entities)
        known: dict[Entity, Found] = {}
        for entity in entities:
            row = self._cache.get(entity)
            if row is not None:
                known[entity] = row
        self._counts.cached.inc(len(known))
        left = [entity for entity in entities if entity not in known]
        if left:
            known.update(zip(left, await self._asked(left), strict=True))
        return [known[entity] for entity in entities]

    async def _asked(self, entities: Sequence[Entity]) -> list[Found]:
        if self._now_s() < self._rests_until_s:
            self._counts.calls["held_back"].inc()
            return [Why.UNAVAILABLE] * len(entities)
        loop = asyncio.get_running_loop()
        asked = [
            _Waiting(entities[begin : begin + _MOST_ENTITIES], loop.create_future())
            for begin in range(0, len(entities), _MOST_ENTITIES)
        ]
        self._waiting.extend(asked)
        while self._waiting and len(self._running) < _MOST_CALLS:
            self._start()
        try:
            await asyncio.wait([one.found for one in asked], timeout=self._timeout_s)
            found: list[Found] = []
            for one in asked:
                found.extend(one.found.result() if one.found.done() else [Why.TIMEOUT] * len(one.entities))
            return found
        finally:
            # What is given up before its call began is not asked for.
            for one in asked:
                one.found.cancel()

    def close(self) -> None:
        """End what still runs, and let the source go."""
        for task in self._running:
            task.cancel()
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 - the boundary to others' code
            _log.warning("feature_source_not_closed", endpoint=self._endpoint, error=str(error)[:500])

    def _start(self) -> None:
        batch = self._take()
        if batch:
            task = asyncio.create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            while batch:
                found = await self._call(list(dict.fromkeys(entity for one in batch for entity in one.entities)))
                for one in batch:
                    if not one.found.done():
                        one.found.set_result([found[entity] for entity in one.entities])
                batch = self._take()
        finally:
            # Now, not when the loop says that it is done: what is asked before that would wait for nobody.
            self._running.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].entities) <= _MOST_ENTITIES):
            one = self._waiting.popleft()
            if not one.found.done():
                batch.append(one)
                size += len(one.entities)
        return batch

    async def _call(self, entities: list[Entity]) -> dict[Entity, Found]:
        asked = [dict(zip(self._keys, entity, strict=True)) for entity in entities]
        try:
            async with asyncio.timeout(self._timeout_s):
                rows = await self._source.read(asked, self._names)
            if len(rows) != len(asked) or not all(isinstance(row, Mapping) for row in rows):
                raise BackendError(f"{len(rows)} rows for {len(asked)} entities, expected a mapping for each")
        except TimeoutError:
            return self._failed(entities, Why.TIMEOUT, f"no answer within {self._timeout_s * 1e3:g} ms")
        except Exception as error:  # noqa: BLE001 - the boundary to others' code: requests go on without the values
            return self._failed(entities, Why.UNAVAILABLE, f"{type(error).__name__}: {error}"[:500])
        self._failures = 0
        self._counts.calls["answered"].inc()
        if self._cache is not None:
            for entity, row in zip(entities, rows, strict=True):
                self._cache.put(entity, row)
        return dict(zip(entities, rows, strict=True))

    def _failed(self, entities: list[Entity], why: Why, error: str) -> dict[Entity, Found]:
        self._counts.calls["timeout" if why is Why.TIMEOUT else "failed"].inc()
        self._failures += 1
        now_s = self._now_s()
        if self._failures >= _MOST_FAILURES:
            self._rests_until_s = now_s + _REST_S
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            _log.warning("feature_source_failed", endpoint=self._endpoint, error=error)
        return dict.fromkeys(entities, why)
