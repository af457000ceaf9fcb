"""One request on its way through the server: what came, what was chosen, what is answered and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from trimtab.records.schema import PredictionFrame, Scalar
from trimtab.serving.draws import DrawLedger
from trimtab.serving.endpoints import Assignment, LoadedVariant
from trimtab.serving.features.missed import Missed
from trimtab.serving.shadow import Copied
from trimtab.serving.variant_metrics import EndpointMetrics

__all__ = ["NOTHING_SAID", "Answer", "Exchange", "Records", "Row", "RowContext", "frame_of"]

Row = Mapping[str, Any]


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
    ``ledger``: where the outcome is counted of one that was drawn by ``assignment``, and ``run_ns``, how long it ran.
    ``unrecorded``: rows that the journal had no room for. ``counts``: of its endpoint, once that is known.
    ``copied``: what its shadows are to answer, once the caller has an answer. ``missed``: features without a value.
    ``records``: who names and records its rows, where it is not the handler itself. ``refused_for``: the feature of
    ``variant`` that it was refused for, "" if for none.
    """

    request_id: str
    received_us: int
    started_ns: int
    variant_name: str | None = None
    traceparent: bytes | None = None
    variant: LoadedVariant | None = None
    unrecorded: int = 0
    assignment: Assignment | None = None
    ledger: DrawLedger | None = None
    run_ns: int = 0
    counts: EndpointMetrics | None = None
    copied: Copied | None = None
    missed: tuple[Missed, ...] = ()
    records: Records | None = None
    refused_for: str = ""


class RowContext(msgspec.Struct, frozen=True):
    """What a caller says of the rows beside their features. Sequences are as long as the rows, or None."""

    record_keys: Sequence[str | None] | None = None
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


def frame_of(
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
    """Return the record of the row at ``place`` of a request; ``events``: when each row happened, if that is known."""
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
