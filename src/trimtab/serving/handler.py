"""The protocol-neutral core: rows in, answers out, each recorded before anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.predictor import Predictions
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError
from trimtab.records.journal import JournalFullError, JournalWriter
from trimtab.records.schema import PredictionFrame, Scalar
from trimtab.serving.asgi import Budget
from trimtab.serving.endpoints import Assignment, LoadedEndpoint, LoadedVariant
from trimtab.serving.event_times import with_event_times
from trimtab.serving.features.filling import Filled
from trimtab.serving.features.missed import Missed
from trimtab.serving.shadow import Copied
from trimtab.serving.spec import OnFull
from trimtab.serving.variant_metrics import EndpointMetrics

__all__ = ["NOTHING_SAID", "Answer", "Exchange", "Handler", "Records", "RowContext"]

Row = Mapping[str, Any]

_RECORD_KEY: Final = "record_key"


class Records(Protocol):
    """Where the rows of a request get their ids, and where they are recorded: all of them, or none."""

    @property
    def new_id(self) -> Callable[[], str]:
        """What returns a further id."""

    def framed(self, frames: Sequence[PredictionFrame]) -> list[bytes]:
        """See `JournalWriter.framed`."""

    def append_framed(self, framed: Sequence[bytes]) -> None:
        """See `JournalWriter.append_framed`."""


class Exchange(msgspec.Struct):
    """One request on its way: ``variant`` is noted when it is chosen, so that its outcome is counted for it.

    ``variant_name``: the one that the caller named in a header. ``traceparent``: the caller's, where it is a valid one.
    ``unrecorded``: rows that the journal had no room for. ``counts``: of its endpoint, once that is known.
    ``copied``: what its shadows are to answer, once the caller has an answer. ``missed``: features without a value.
    ``records``: who names and records its rows, where it is not the handler itself.
    """

    request_id: str
    received_us: int
    started_ns: int
    variant_name: str | None = None
    traceparent: bytes | None = None
    variant: LoadedVariant | None = None
    unrecorded: int = 0
    counts: EndpointMetrics | None = None
    copied: Copied | None = None
    missed: tuple[Missed, ...] = ()
    records: Records | None = None


class RowContext(msgspec.Struct, frozen=True):
    """What a caller says of the rows beside their features. Sequences are as long as the rows, or None."""

    record_keys: Sequence[str] | None = None
    event_us: Sequence[int] | None = None
    source: str | None = None
    sticky_keys: Sequence[str] | None = None


NOTHING_SAID: Final = RowContext()


class Answer(msgspec.Struct, frozen=True):
    """Answers to n rows by one variant. ``probabilities`` are in the order of ``classes``; None for regression."""

    endpoint: str
    variant: LoadedVariant
    prediction_ids: list[str]
    predictions: list[Any]
    probability: list[float] | None
    probabilities: list[list[float]] | None
    classes: tuple[str, ...] = ()


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
            ConfigError: no rows, too many, or one that does not fit the model; nothing was recorded.
            NotFoundError: the caller named a variant that is not live.
            JournalFullError: the journal has no room, and the endpoint does not shed; no answer may leave.
        """
        prepared = self._prepare(endpoint, rows, exchange, context, asked, filled)
        predictor = prepared.assignment.variant.predictor
        if prepared.recorded is not None:
            return self._finish(prepared, *_listed_one(predictor.predict_one(prepared.inputs)))
        return self._finish(prepared, *_listed(predictor.predict(prepared.inputs)))

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
                return self._finish(prepared, *_listed(variant.predictor.predict(prepared.inputs)))
            return self._finish(prepared, *_listed(await batcher.predict(prepared.inputs)))
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
                predictions = await asyncio.to_thread(variant.predictor.predict, prepared.inputs)
            else:
                predictions = await batcher.predict(prepared.inputs)
            return self._finish(prepared, *_listed(predictions))
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
                frames = [_frame(place, values, latency_ms, *shared) for place, values in enumerate(rows)]
                exchange.records.append_framed(exchange.records.framed(frames))
            elif len(rows) == 1:
                self._append(_frame(0, rows[0], latency_ms, *shared))
            else:
                self._append_all([_frame(place, values, latency_ms, *shared) for place, values in enumerate(rows)])
        except JournalFullError:
            exchange.unrecorded = len(rows)
            if endpoint.spec.log.on_full is OnFull.REFUSE:
                raise


def _frame(
    place: int,
    values: tuple[Scalar, ...],
    latency_ms: float,
    generation: int,
    events: Sequence[int] | None,
    exchange: Exchange,
    context: RowContext,
    answer: Answer,
    assignment_probability: float | None,
    sticky_hash: str | None,
) -> PredictionFrame:
    keys, probability = context.record_keys, answer.probability
    return PredictionFrame(
        answer.variant.schema.schema_id,
        answer.prediction_ids[place],
        exchange.request_id,
        exchange.received_us if events is None else events[place],
        exchange.received_us,
        generation,
        assignment_probability,
        None if keys is None else keys[place],
        context.source,
        sticky_hash,
        values,
        answer.predictions[place],
        None if probability is None else probability[place],
        latency_ms,
    )


def _listed(predictions: Predictions) -> tuple[list[Any], list[float] | None, list[list[float]] | None]:
    probability, probabilities = predictions.probability, predictions.probabilities
    return (
        predictions.labels.tolist(),
        None if probability is None else probability.tolist(),
        None if probabilities is None else probabilities.tolist(),
    )


def _listed_one(
    answer: tuple[Any, float | None, list[float] | None],
) -> tuple[list[Any], list[float] | None, list[list[float]] | None]:
    label, probability, probabilities = answer
    return [label], None if probability is None else [probability], None if probabilities is None else [probabilities]


def _check(endpoint: LoadedEndpoint, rows: Sequence[Row], context: RowContext) -> None:
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


def _named(endpoint: LoadedEndpoint, name: str, asked: LoadedVariant | None) -> LoadedVariant:
    variant = endpoint.named(name)
    if asked is not None and asked is not variant:
        raise ConfigError(
            f"x-trimtab-variant {name[:60]!r}: the request asks for variant {asked.spec.name!r} as well; name one"
        )
    return variant


def _sticky_key(endpoint: LoadedEndpoint, first: Row, context: RowContext) -> str | None:
    """Return the key that the request is assigned by: the caller's, or the field that the endpoint names."""
    if context.sticky_keys:
        return context.sticky_keys[0]
    named = endpoint.spec.sticky_key
    if named is None:
        return None
    if named == _RECORD_KEY and context.record_keys:
        return context.record_keys[0]
    value = first.get(named)
    return None if value is None else str(value)
