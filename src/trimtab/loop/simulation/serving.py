"""Serving in process: endpoints are loaded here as the deployer asks, and rows are answered by the server's handler."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from trimtab.core.errors import ConflictError, TrimtabError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import PredictionFrame, SchemaFrame
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.exchange import Answer, Exchange, RowContext
from trimtab.serving.handler import Handler
from trimtab.serving.loading import EndpointLoader
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.spec import EndpointSpec, EndpointStatus

__all__ = ["InProcessServing", "Kept"]

_SMALL_FILE_BYTES = 4_096
_NEVER_S = 3_600.0
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(PredictionFrame).decode


class Kept:
    """The records of one request, instead of a journal. Ids come from ``ids``: a tick done twice repeats them."""

    def __init__(self, ids: Iterator[str]) -> None:
        self._ids = ids
        self.frames: list[PredictionFrame] = []

    @property
    def new_id(self) -> Callable[[], str]:
        """What returns the next id."""
        return self._ids.__next__

    def framed(self, frames: Sequence[PredictionFrame]) -> list[bytes]:
        """See `JournalWriter.framed`."""
        return [_ENCODE(frame) for frame in frames]

    def append_framed(self, framed: Sequence[bytes]) -> None:
        """Keep what `framed` returned."""
        self.frames += [_DECODE(one) for one in framed]


class InProcessServing:
    """A `Deployer` whose server is this very object: what is asked for is loaded before `apply` returns.

    Time stands still while a request is answered: a latency of the machine that simulates says nothing of one that
    serves, and would differ from run to run.
    """

    def __init__(self, folder: Path) -> None:
        """``folder``: where the handler's journal lies, in which nothing is ever written."""
        self._rng = Random()
        self._loader = EndpointLoader(ServingMetrics(), self._rng)
        self._endpoints: dict[str, LoadedEndpoint] = {}
        self._statuses: dict[str, EndpointStatus] = {}
        self._specs: dict[str, EndpointSpec] = {}
        self._journal = JournalWriter(folder, sync_interval_s=_NEVER_S, file_bytes=_SMALL_FILE_BYTES)
        self._handler = Handler(self._journal, new_id=_no_id, monotonic_ns=lambda: 0)
        self.changes = 0
        """How often something else was served than before."""

    def apply(self, spec: EndpointSpec) -> int:
        """Load and serve ``spec``; see the port."""
        present = self._specs.get(spec.endpoint)
        if present is not None and present.generation >= spec.generation:
            if present.generation == spec.generation and present != spec:
                raise ConflictError(
                    f"endpoint {spec.endpoint!r}: generation {spec.generation} stands with other content; "
                    "read it again and use the next generation"
                )
            return present.generation
        self._specs[spec.endpoint] = spec
        self.changes += 1
        if not spec.variants:
            self._endpoints.pop(spec.endpoint, None)
            self._statuses[spec.endpoint] = EndpointStatus(
                endpoint=spec.endpoint,
                generation=spec.generation,
                desired_generation=spec.generation,
                pid=os.getpid(),
                variants=(),
            )
            return spec.generation
        before = self._endpoints.get(spec.endpoint)
        try:
            loaded = self._loader.load(spec, before)
        except TrimtabError as error:
            self._statuses[spec.endpoint] = self._refused(spec, before, str(error))
            return spec.generation
        self._endpoints[spec.endpoint] = loaded
        self._statuses[spec.endpoint] = loaded.status(os.getpid())
        return spec.generation

    def observe(self, endpoint: str) -> EndpointStatus | None:
        """Return what is served as ``endpoint``; see the port."""
        return self._statuses.get(endpoint)

    def draw_from(self, seed: int) -> None:
        """Let the variants that share the traffic be drawn from ``seed`` on, so that a tick done twice draws alike."""
        self._rng.seed(seed)

    def answer(
        self, endpoint: str, rows: Sequence[dict[str, Any]], context: RowContext, records: Kept, *, at_us: int
    ) -> tuple[Answer, SchemaFrame]:
        """Answer rows that came at ``at_us``; return the answer, and who gave it.

        Raises:
            ConfigError: a row does not fit the model; none was answered.
        """
        loaded = self._endpoints[endpoint]
        exchange = Exchange(request_id=str(at_us), received_us=at_us, started_ns=0, records=records)
        answer = self._handler.answer(loaded, rows, exchange, context)
        return answer, answer.variant.schema

    def max_rows(self, endpoint: str) -> int:
        """Return how many rows a request may have."""
        return self._endpoints[endpoint].spec.max_rows

    def serves(self, endpoint: str) -> bool:
        """Return whether anything answers there."""
        return endpoint in self._endpoints

    def close(self) -> None:
        """Let go of the journal's file."""
        self._journal.close()

    def _refused(self, spec: EndpointSpec, before: LoadedEndpoint | None, error: str) -> EndpointStatus:
        return EndpointStatus(
            endpoint=spec.endpoint,
            generation=0 if before is None else before.spec.generation,
            desired_generation=spec.generation,
            pid=os.getpid(),
            variants=() if before is None else tuple(variant.status for variant in before.variants),
            error=error,
        )


def _no_id() -> str:
    raise AssertionError("rows of a simulation get their ids from the tick")
