"""The protocol-neutral core: rows in, answers out, each recorded before anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.predictor import Predictions
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError
from trimtab.records.journal import JournalFullError, JournalWriter
from trimtab.records.schema import PredictionFrame, Scalar
from trimtab.serving.asgi import Budget, RefusedError
from trimtab.serving.batching import Batcher
from trimtab.serving.endpoints import Assignment, LoadedEndpoint, LoadedVariant
from trimtab.serving.event_times import with_event_times
from trimtab.serving.exchange import NOTHING_SAID, Answer, Exchange, Row, RowContext, frame_of
from trimtab.serving.features.filling import Filled
from trimtab.serving.listed import Listed, listed, listed_one
from trimtab.serving.shadow import Copied
from trimtab.serving.spec import OnFull, PauseSpec

__all__ = ["Handler"]

_RECORD_KEY: Final = "record_key"


class Prepared(NamedTuple):
    """A request that a model can be asked: its rows checked and encoded, and the variant chosen that answers them."""

    endpoint: LoadedEndpoint
    assignment: Assignment
    given: Sequence[Row]
    rows: Sequence[Row]
    events: Sequence[int] | None
    inputs: Inputs
    recorded: Sequence[tuple[Scalar, ...]] | None
    exchange: Exchange
    context: RowContext


class Handler:
    """Answers rows of any protocol. `answer` never waits, so that a request sees one generation from begin to end."""

    def __init__(
        self,
        journal: JournalWriter,
        *,
        new_id: Callable[[], str],
        monotonic_ns: Callable[[], int],
        tensors: Budget | None = None,
    ) -> None:
        """``tensors``: room for images that are decoded; None: as much as is asked for."""
        self._append = journal.append
        self._append_all = journal.append_all
        self.framed: Callable[[Sequence[PredictionFrame]], list[bytes]] = journal.framed
        self.append_framed = journal.append_framed
        self._tensors = tensors
        self.new_id = new_id
        self._monotonic_ns = monotonic_ns

    def answer(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[Row],
        exchange: Exchange,
        context: RowContext = NOTHING_SAID,
        asked: LoadedVariant | None = None,
        filled: Filled | None = None,
    ) -> Answer:
        """Answer ``rows``, all by one variant. When this returns, every answer stands in the journal.

        ``asked``: the variant that the caller named by version or protocol; None: by a header, or it is drawn.
        ``filled``: the rows with what a feature source had of them.

        Raises:
            RefusedError: 503, the endpoint is paused; nothing was recorded.
            ConfigError: no rows, too many, or one that does not fit the model; nothing was recorded.
            NotFoundError: the caller named a variant that is not live.
            JournalFullError: the journal has no room, and the endpoint does not shed; no answer may leave.
        """
        prepared = self._prepare(endpoint, rows, exchange, context, asked, filled)
        predictor = prepared.assignment.variant.predictor
        if exchange.ledger is not None:
            return self._finish(prepared, *self._timed(prepared))
        if prepared.recorded is not None:
            return self._finish(prepared, *listed_one(predictor.predict_one(prepared.inputs)))
        return self._finish(prepared, *listed(predictor.predict(prepared.inputs)))

    async def answer_waiting(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[Row],
        exchange: Exchange,
        context: RowContext = NOTHING_SAID,
        asked: LoadedVariant | None = None,
    ) -> Answer:
        """Answer ``rows`` as `answer` does, but wait midway: for features, or for a batch. The generation stays.

        Raises:
            TrimtabError: see `answer`.
        """
        endpoint.enter()
        try:
            if endpoint.features is not None:
                _check(endpoint, rows, context)
                filled = await endpoint.features.fill(rows, exchange.received_us)
                prepared = self._prepare(endpoint, rows, exchange, context, asked, filled)
            elif endpoint.takes_images:
                return await self._answer_images(endpoint, rows, exchange, context, asked)
            else:
                prepared = self._prepare(endpoint, rows, exchange, context, asked)
            variant = prepared.assignment.variant
            batcher = endpoint.batchers.get(variant.spec.name)
            if batcher is None:
                return self._finish(prepared, *self._timed(prepared))
            return self._finish(prepared, *listed(await self._batched(batcher, prepared)))
        finally:
            endpoint.leave()

    async def answer_in_thread(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[Row],
        exchange: Exchange,
        context: RowContext = NOTHING_SAID,
        asked: LoadedVariant | None = None,
    ) -> Answer:
        """Answer ``rows`` as `answer` does, beside the event loop; ``exchange.records`` has to bear that.

        Raises:
            TrimtabError: see `answer`.
        """
        filled = None
        if endpoint.features is not None:
            _check(endpoint, rows, context)
            filled = await endpoint.features.fill(rows, exchange.received_us)
        return await asyncio.to_thread(self.answer, endpoint, rows, exchange, context, asked, filled)

    async def _answer_images(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[Row],
        exchange: Exchange,
        context: RowContext,
        asked: LoadedVariant | None,
    ) -> Answer:
        """Answer in threads: decoding, and the models that take images, would hold up everybody else."""
        _check(endpoint, rows, context)
        size = len(rows) * endpoint.image_bytes
        if self._tensors is not None:
            self._tensors.take(size)
        try:
            prepared = await asyncio.to_thread(self._prepare, endpoint, rows, exchange, context, asked)
            variant = prepared.assignment.variant
            batcher = endpoint.batchers.get(variant.spec.name)
            if batcher is None:
                return self._finish(prepared, *await asyncio.to_thread(self._timed, prepared))
            return self._finish(prepared, *listed(await self._batched(batcher, prepared)))
        finally:
            if self._tensors is not None:
                self._tensors.give_back(size)

    def _prepare(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[Row],
        exchange: Exchange,
        context: RowContext,
        asked: LoadedVariant | None,
        filled: Filled | None = None,
    ) -> Prepared:
        _check(endpoint, rows, context)
        if exchange.variant_name is not None:
            asked = _named(endpoint, exchange.variant_name, asked)
        if asked is None:
            assignment = endpoint.assign(_sticky_key(endpoint, rows[0], context))
        else:
            assignment = endpoint.chosen(asked)
        variant = exchange.variant = assignment.variant
        if endpoint.ledger is not None and assignment.probability is not None:
            exchange.ledger, exchange.assignment = endpoint.ledger, assignment
        encoder, given = variant.predictor.encoder, rows
        if filled is not None:
            given = filled.rows
            rows, exchange.missed = filled.for_variant(variant.spec.name)
        events, event_time = context.event_us, encoder.event_time
        if event_time is not None:
            rows, events = with_event_times(rows, events, exchange.received_us, event_time)
        one = encoder.encode_one(rows[0]) if len(rows) == 1 else None
        if one is None:
            inputs, recorded = encoder.encode_rows(rows), None
        else:
            inputs, recorded = one[0], (one[1],)
        return Prepared(endpoint, assignment, given, rows, events, inputs, recorded, exchange, context)

    def _timed(self, prepared: Prepared) -> Listed:
        """Run the model, and note for how long it ran."""
        predictor, begun_ns = prepared.assignment.variant.predictor, self._monotonic_ns()
        one = prepared.recorded is not None
        found = (
            listed_one(predictor.predict_one(prepared.inputs)) if one else listed(predictor.predict(prepared.inputs))
        )
        prepared.exchange.run_ns = self._monotonic_ns() - begun_ns
        return found

    async def _batched(self, batcher: Batcher, prepared: Prepared) -> Predictions:
        """Let the model run for a batch, and note how long that took, waiting for others included."""
        begun_ns = self._monotonic_ns()
        predictions = await batcher.predict(prepared.inputs)
        prepared.exchange.run_ns = self._monotonic_ns() - begun_ns
        return predictions

    def _finish(
        self,
        prepared: Prepared,
        predictions: list[Any],
        probability: list[float] | None,
        probabilities: list[list[float]] | None,
    ) -> Answer:
        endpoint, assignment, given, rows, events, inputs, recorded, exchange, context = prepared
        variant = assignment.variant
        predictor = variant.predictor
        new_id = self.new_id if exchange.records is None else exchange.records.new_id
        answer = Answer(
            endpoint.spec.endpoint,
            variant,
            [new_id() for _ in rows],
            predictions,
            probability,
            probabilities,
            predictor.manifest.classes,
        )
        values = None
        if endpoint.spec.record:
            values = predictor.encoder.recorded(rows, inputs) if recorded is None else recorded
            self._record(
                endpoint, values, events, exchange, context, answer, assignment.probability, assignment.sticky_hash
            )
            reached("serving.recorded")
        variant.metrics.rows.inc(len(rows))
        if endpoint.shadows:
            exchange.copied = Copied(
                endpoint, given, context, inputs, values, events, answer, exchange.request_id, exchange.received_us
            )
        return answer

    def _record(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[tuple[Scalar, ...]],
        events: Sequence[int] | None,
        exchange: Exchange,
        context: RowContext,
        answer: Answer,
        assignment_probability: float | None,
        sticky_hash: str | None,
    ) -> None:
        latency_ms = (self._monotonic_ns() - exchange.started_ns) / 1e6
        shared = (endpoint.spec.generation, events, exchange, context, answer, assignment_probability, sticky_hash)
        try:
            if exchange.records is not None:
                frames = [frame_of(place, values, latency_ms, *shared) for place, values in enumerate(rows)]
                exchange.records.append_framed(exchange.records.framed(frames))
            elif len(rows) == 1:
                self._append(frame_of(0, rows[0], latency_ms, *shared))
            else:
                self._append_all([frame_of(place, values, latency_ms, *shared) for place, values in enumerate(rows)])
        except JournalFullError:
            exchange.unrecorded = len(rows)
            if endpoint.spec.log.on_full is OnFull.REFUSE:
                raise


def _check(endpoint: LoadedEndpoint, rows: Sequence[Row], context: RowContext) -> None:
    if endpoint.paused is not None:
        raise _paused(endpoint.spec.endpoint, endpoint.paused)
    count = len(rows)
    if not 1 <= count <= endpoint.spec.max_rows:
        remedy = "split them" if count else "send one"
        raise ConfigError(f"rows: {count}, expected 1 to {endpoint.spec.max_rows} a request; {remedy}")
    if context is NOTHING_SAID:
        return
    for name, given in (
        ("record_keys", context.record_keys),
        ("event_times", context.event_us),
        ("sticky_keys", context.sticky_keys),
    ):
        if given is not None and len(given) != count:
            raise ConfigError(f"{name}: {len(given)} for {count} rows, expected one a row; make them equal")


def _paused(endpoint: str, pause: PauseSpec) -> RefusedError:
    sentence = f"endpoint {endpoint!r}: is paused ({pause.reason}), expected it to answer; ask again later"
    return RefusedError(503, sentence, ((b"retry-after", str(pause.retry_after_s).encode()),))


def _named(endpoint: LoadedEndpoint, name: str, asked: LoadedVariant | None) -> LoadedVariant:
    variant = endpoint.named(name)
    if asked is not None and asked is not variant:
        raise ConfigError(
            f"x-trimtab-variant {name[:60]!r}: the request asks for variant {asked.spec.name!r} as well; name one"
        )
    return variant


def _sticky_key(endpoint: LoadedEndpoint, first: Row, context: RowContext) -> str | None:
    """Return the key that the request is assigned by: the caller's, or the field that the endpoint names.

    Where it names none, no key is asked for, and one that a caller sends decides nothing.
    """
    named = endpoint.spec.sticky_key
    if named is None:
        return None
    if context.sticky_keys:
        return context.sticky_keys[0]
    if named == _RECORD_KEY and context.record_keys:
        return context.record_keys[0]
    value = first.get(named)
    return None if value is None else str(value)
