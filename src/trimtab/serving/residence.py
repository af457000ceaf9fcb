"""Which endpoints have their models in memory: loads, switches, drains, unloads, and keeps to a memory budget."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import structlog

from trimtab.core.errors import TrimtabError
from trimtab.records.journal import JournalWriter
from trimtab.serving.endpoints import EndpointTable, LoadedEndpoint
from trimtab.serving.loading import EndpointLoader, model_file_bytes
from trimtab.serving.memory import WORTH_GIVING_BACK_BYTES, give_back, keep_models_apart
from trimtab.serving.residence_metrics import ResidenceMetrics
from trimtab.serving.spec import EndpointSpec

__all__ = ["MemoryBudgetError", "Residence"]

_POLL_S: Final = 0.01
_ROOM_WAIT_S: Final = 2.0

_log = structlog.get_logger("trimtab.serving.residence")


class MemoryBudgetError(TrimtabError):
    """A model does not fit into the memory budget beside those that cannot be unloaded."""


class Residence:
    """Owns every change of the table. Its methods run in the event loop's thread; loading runs in another.

    One load runs at a time, so that what a model takes can be measured, and the budget be kept. Endpoints that are
    pinned, or have requests midway, are never unloaded to make room; of the others the least recently used goes first.
    A generation that is replaced is not counted, though it stays in memory until its last request has ended.
    """

    def __init__(
        self,
        *,
        table: EndpointTable,
        loader: EndpointLoader,
        journal: JournalWriter,
        metrics: ResidenceMetrics,
        budget_bytes: int | None = None,
    ) -> None:
        self._table = table
        self._loader = loader
        self._journal = journal
        self._metrics = metrics
        self._budget_bytes = budget_bytes
        self._loading = asyncio.Lock()
        self._claims: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        self._draining: set[asyncio.Task[None]] = set()
        keep_models_apart()
        metrics.watch(resident_bytes=self.resident_bytes, residents=lambda: len(table.residents))

    def resident_bytes(self) -> int:
        """Return what the models in memory take, as measured when they were loaded."""
        return sum(endpoint.memory_bytes for endpoint in self._table.residents)

    async def admit(self, spec: EndpointSpec) -> LoadedEndpoint:
        """Load and smoke-test ``spec``, then switch to it; the generation before it ends its requests, then is freed.

        Raises:
            TrimtabError: see `EndpointLoader.load`; or it does not fit (`MemoryBudgetError`). What served, serves on.
        """
        async with self._loading:
            return await self._admit(spec)

    async def bring_back(self, name: str) -> LoadedEndpoint:
        """Return the endpoint, loaded again if it is parked.

        Raises:
            NotFoundError: there is no such endpoint.
            TrimtabError: see `admit`; it stays parked.
        """
        async with self._loading:
            spec = self._table.parked(name)
            if spec is None:
                return self._table.get(name)
            return await self._admit(spec)

    async def remove(self, name: str) -> None:
        """Serve the endpoint no longer, and free it when its requests have ended."""
        async with self._loading:
            leaving = self._table.find(name)
            self._table.remove(name)
            if leaving is not None:
                holder = [leaving]
                del leaving
                await self._retire(holder)

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Keep the endpoint from being unloaded for as long as this lasts."""
        self._claims[name] += 1
        try:
            yield
        finally:
            self._claims[name] -= 1

    async def _admit(self, spec: EndpointSpec) -> LoadedEndpoint:
        name = spec.endpoint
        held = self._table.find(name)
        try:
            await self._make_room(spec, self._expected_bytes(spec))
            loaded = await asyncio.to_thread(self._loader.load, spec, held)
            self._sizes |= {variant.spec.bundle_digest: variant.memory_bytes for variant in loaded.variants}
            try:
                await self._make_room(spec, loaded.memory_bytes)
                if spec.record:
                    self._declare(loaded)
            except BaseException:
                if loaded.features is not None:
                    loaded.features.close()
                raise
        except (TrimtabError, OSError):
            self._metrics.failures.inc()
            raise
        loaded.used_ns = time.perf_counter_ns()
        self._table.put(loaded)
        self._metrics.loads.inc()
        if held is not None:
            holder = [held]
            del held
            await self._retire(holder)
        return loaded

    def _declare(self, loaded: LoadedEndpoint) -> None:
        """Declare the schemas, all or none: before the first answer can need them, until no answer can."""
        try:
            for variant in loaded.variants:
                self._journal.declare(variant.schema)
        except TrimtabError:
            for variant in loaded.variants:
                self._journal.withdraw(variant.schema.schema_id)
            raise

    def _expected_bytes(self, spec: EndpointSpec) -> int:
        """Return what its models will take: as measured before, else at least the size of the graphs."""
        variants = {variant.bundle_digest: variant for variant in spec.variants}
        return sum(self._sizes.get(digest) or model_file_bytes(variant) for digest, variant in variants.items())

    async def _make_room(self, spec: EndpointSpec, needed_bytes: int) -> None:
        """Unload others until ``needed_bytes`` fit.

        Raises:
            MemoryBudgetError: they never will, or those that are busy now stay so for too long.
        """
        budget = self._budget_bytes
        if budget is None:
            return
        pinned = sum(other.memory_bytes for other in self._others(spec.endpoint) if other.spec.pinned)
        deadline = time.monotonic() + _ROOM_WAIT_S
        while sum(other.memory_bytes for other in self._others(spec.endpoint)) + needed_bytes > budget:
            victim = self._least_used(spec.endpoint) if pinned + needed_bytes <= budget else None
            if victim is not None:
                await self._park(victim)
            elif pinned + needed_bytes > budget or time.monotonic() >= deadline:
                raise MemoryBudgetError(
                    f"endpoint {spec.endpoint!r}: takes {needed_bytes} bytes, beside {pinned} bytes that are pinned, "
                    f"expected at most {budget} together (memory budget); raise it, or unpin or remove an endpoint"
                )
            else:
                await asyncio.sleep(_POLL_S)

    def _others(self, name: str) -> list[LoadedEndpoint]:
        return [other for other in self._table.residents if other.spec.endpoint != name]

    def _least_used(self, name: str) -> str | None:
        """Return which of the others may go, if any: a name, since a reference would keep it in memory."""
        idle = [
            other
            for other in self._others(name)
            if not other.spec.pinned and other.in_flight == 0 and not self._claims[other.spec.endpoint]
        ]
        return min(idle, key=lambda other: other.used_ns).spec.endpoint if idle else None

    async def _park(self, name: str) -> None:
        holder = [self._table.get(name)]
        self._table.park(name)
        status = self._table.statuses.get(name)
        if status is not None:
            self._table.statuses[name] = msgspec.structs.replace(status, resident=False)
        self._metrics.unloads.inc()
        _log.info("endpoint_unloaded", endpoint=name, memory_bytes=holder[0].memory_bytes)
        await self._retire(holder)

    async def _retire(self, holder: list[LoadedEndpoint]) -> None:
        """Let go of the endpoint in ``holder``: its schemas and memory as soon as no request of it is midway."""
        (endpoint,) = holder
        schema_ids = [variant.schema.schema_id for variant in endpoint.variants]
        size_bytes, busy = endpoint.memory_bytes, endpoint.in_flight > 0
        idle, features = asyncio.Event(), endpoint.features

        def drained() -> None:
            if features is not None:
                features.close()
            for schema_id in schema_ids:
                self._journal.withdraw(schema_id)
            idle.set()

        endpoint.when_idle(drained)
        del endpoint
        # In a thread: taking a large model apart takes a while, which requests need not wait for.
        freeing = self._free(holder, size_bytes, idle)
        if not busy:
            await freeing
            return
        task = asyncio.create_task(freeing)
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _free(self, holder: list[LoadedEndpoint], size_bytes: int, idle: asyncio.Event) -> None:
        await idle.wait()
        await asyncio.to_thread(_let_go, holder, size_bytes)


def _let_go(holder: list[LoadedEndpoint], size_bytes: int) -> None:
    holder.clear()
    if size_bytes >= WORTH_GIVING_BACK_BYTES:
        give_back()
