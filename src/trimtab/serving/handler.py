"""The protocol-neutral core: rows in, answers out, each recorded before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import PredictionFrame, Scalar
from trimtab.serving.endpoints import Assignment, LoadedEndpoint, LoadedVariant
from trimtab.serving.event_times import with_event_times

__all__ = ["Answer", "Exchange", "Handler", "RowContext"]

Row = Mapping[str, Any]

_RECORD_KEY: Final = "record_key"


@dataclass(slots=True)
class Exchange:
    """One request on its way: ``variant`` is noted when it is chosen, so that its outcome is counted for it."""

    request_id: str
    received_us: int
    started_ns: int
    variant: LoadedVariant | None = None


@dataclass(frozen=True, slots=True)
class RowContext:
    """What a caller says of the rows beside their features. Sequences are as long as the rows, or None."""

    record_keys: Sequence[str] | None = None
    event_us: Sequence[int] | None = None
    source: str | None = None
    sticky_keys: Sequence[str] | None = None


_NOTHING_SAID: Final = RowContext()


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers to n rows by one variant. ``probabilities`` are in the order of ``classes``; None for regression."""

    endpoint: str
    variant: LoadedVariant
    prediction_ids: list[str]
    predictions: list[Any]
    probability: list[float] | None
    probabilities: list[list[float]] | None
    classes: tuple[str, ...] = field(default=())


class Handler:
    """Answers rows of any protocol. It never waits, so that a request sees one generation from begin to end."""

    def __init__(self, journal: JournalWriter, *, new_id: Callable[[], str], monotonic_ns: Callable[[], int]) -> None:
        self._append = journal.append
        self._new_id = new_id
        self._monotonic_ns = monotonic_ns

    def answer(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[Row],
        exchange: Exchange,
        context: RowContext = _NOTHING_SAID,
        asked: LoadedVariant | None = None,
    ) -> Answer:
        """Answer ``rows``, all by one variant. When this returns, every answer stands in the journal.

        ``asked``: the variant that the caller named, and so gets with probability 1; None: it is drawn.

        Raises:
            ConfigError: no rows, too many, or one that does not fit the model; nothing was recorded.
            BackendError: the journal has no room; no answer may leave.
        """
        _check(endpoint, rows, context)
        if asked is None:
            assignment = endpoint.assign(_sticky_key(endpoint, rows[0], context))
        else:
            assignment = Assignment(asked, 1.0, None)
        variant = exchange.variant = assignment.variant
        predictor = variant.predictor
        events, event_time = context.event_us, predictor.encoder.event_time
        if event_time is not None:
            rows, events = with_event_times(rows, events, exchange.received_us, event_time)
        inputs = predictor.encoder.encode_rows(rows)
        predictions = predictor.predict(inputs)
        answer = Answer(
            endpoint=endpoint.spec.endpoint,
            variant=variant,
            prediction_ids=[self._new_id() for _ in rows],
            predictions=predictions.labels.tolist(),
            probability=None if predictions.probability is None else predictions.probability.tolist(),
            probabilities=None if predictions.probabilities is None else predictions.probabilities.tolist(),
            classes=predictor.manifest.classes,
        )
        if endpoint.spec.record:
            values = predictor.encoder.recorded(rows, inputs)
            self._record(
                endpoint, values, events, exchange, context, answer, assignment.probability, assignment.sticky_hash
            )
            reached("serving.recorded")
        variant.metrics.rows.inc(len(rows))
        return answer

    def _record(
        self,
        endpoint: LoadedEndpoint,
        rows: Sequence[tuple[Scalar, ...]],
        events: Sequence[int] | None,
        exchange: Exchange,
        context: RowContext,
        answer: Answer,
        assignment_probability: float,
        sticky_hash: str | None,
    ) -> None:
        schema_id = answer.variant.schema.schema_id
        latency_ms = (self._monotonic_ns() - exchange.started_ns) / 1e6
        keys, probability = context.record_keys, answer.probability
        for place, values in enumerate(rows):
            self._append(
                PredictionFrame(
                    schema_id,
                    answer.prediction_ids[place],
                    exchange.request_id,
                    exchange.received_us if events is None else events[place],
                    exchange.received_us,
                    endpoint.spec.generation,
                    assignment_probability,
                    None if keys is None else keys[place],
                    context.source,
                    sticky_hash,
                    values,
                    answer.predictions[place],
                    None if probability is None else probability[place],
                    latency_ms,
                )
            )


def _check(endpoint: LoadedEndpoint, rows: Sequence[Row], context: RowContext) -> None:
    count = len(rows)
    if not 1 <= count <= endpoint.spec.max_rows:
        raise ConfigError(f"rows: {count}, expected 1 to {endpoint.spec.max_rows} a request; split them")
    for name, given in (
        ("record_keys", context.record_keys),
        ("event_times", context.event_us),
        ("sticky_keys", context.sticky_keys),
    ):
        if given is not None and len(given) != count:
            raise ConfigError(f"{name}: {len(given)} for {count} rows, expected one a row; make them equal")


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
