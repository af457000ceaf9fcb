"""Answers copies by shadow variants: compares what they say with the live answer, and records it."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictions
from trimtab.core.errors import BackendError, ConfigError, TrimtabError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import PredictionFrame, Scalar
from trimtab.serving.batching import answer_together
from trimtab.serving.endpoints import LoadedEndpoint, LoadedVariant
from trimtab.serving.event_times import with_event_times
from trimtab.serving.shadow_counts import CopyTally, ShadowLedgers

if TYPE_CHECKING:
    from trimtab.serving.exchange import Answer, Row, RowContext

__all__ = ["Copied", "ShadowDesk"]

_TELL_S: Final = 60.0

_log = structlog.get_logger("trimtab.serving.shadow")


class _UnrecordedError(BackendError):
    """A shadow has answered, and that could not be recorded."""


@dataclass(slots=True)
class Copied:
    """What a request leaves for the shadows once it is answered: its rows as they came, and encoded by ``live``.

    ``values``: what was recorded of the rows; None where the endpoint records nothing. ``body_bytes`` is what the body
    measured.
    """

    endpoint: LoadedEndpoint
    rows: Sequence[Row]
    context: RowContext
    inputs: Inputs
    values: Sequence[tuple[Scalar, ...]] | None
    events: Sequence[int] | None
    live: Answer
    request_id: str
    received_us: int
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """A copy as one shadow reads it."""

    copied: Copied
    inputs: Inputs
    values: Sequence[tuple[Scalar, ...]] | None
    events: Sequence[int] | None


@dataclass(slots=True)
class _Known:
    """What is remembered of one generation of a shadow, for as long as somebody holds that."""

    shadow: weakref.ref[LoadedVariant]
    manifest: Manifest
    is_declared: bool = False
    told_s: float = -_TELL_S
    _reads_as: dict[int, bool] = field(default_factory=dict)

    def reads_as(self, live: LoadedVariant) -> bool:
        """Return whether rows that ``live`` has encoded would be the same for the shadow."""
        found = self._reads_as.get(live.schema.schema_id)
        if found is None:
            found = _reading(self.manifest) == _reading(live.predictor.manifest)
            self._reads_as[live.schema.schema_id] = found
        return found


class ShadowDesk:
    """Answers copies for the shadows' thread, to which it belongs but for `positions`.

    Each row is recorded under role shadow with the id of the live one, in a journal of its own, since the request path
    must not wait for this one. Whatever goes wrong is counted, and logged at most once a minute for a variant.
    """

    def __init__(
        self, new_journal: Callable[[], JournalWriter], new_id: Callable[[], str], ledgers: ShadowLedgers
    ) -> None:
        self._ledgers = ledgers
        self._new_journal = new_journal
        self._new_id = new_id
        self._known: dict[int, _Known] = {}
        self.journal: JournalWriter | None = None

    def answer(self, shadow: LoadedVariant, copies: Sequence[Copied]) -> None:
        """Answer ``copies``, in one run of the model where that can be. Never raises."""
        self._forget_gone()
        readable = list(self._readable(shadow, copies))
        began_ns = time.perf_counter_ns()
        answers = answer_together(shadow.predictor, [read.inputs for read in readable])
        latency_ms = (time.perf_counter_ns() - began_ns) / 1e6
        for read, answer in zip(readable, answers, strict=True):
            try:
                if isinstance(answer, Exception):
                    raise answer
                self._conclude(shadow, read, answer, latency_ms)
            except Exception as error:  # noqa: BLE001 - the boundary: nobody waits for it, and the next copy may do
                self._failed(shadow, read.copied, error)

    def _readable(self, shadow: LoadedVariant, copies: Sequence[Copied]) -> Iterator[_Read]:
        for copied in copies:
            try:
                yield self._read(shadow, copied)
            except Exception as error:  # noqa: BLE001 - see `answer`
                self._failed(shadow, copied, error)

    def _read(self, shadow: LoadedVariant, copied: Copied) -> _Read:
        if self._known_of(shadow).reads_as(copied.live.variant):
            return _Read(copied, copied.inputs, copied.values, copied.events)
        encoder, rows, events = shadow.predictor.encoder, copied.rows, copied.context.event_us
        features = copied.endpoint.features
        if features is not None:
            rows = features.rows_for(shadow.spec.name, rows)
        if encoder.event_time is not None:
            rows, events = with_event_times(rows, events, copied.received_us, encoder.event_time)
        inputs = encoder.encode_rows(rows)
        return _Read(copied, inputs, None if copied.values is None else encoder.recorded(rows, inputs), events)

    def _conclude(self, shadow: LoadedVariant, read: _Read, found: Predictions, latency_ms: float) -> None:
        labels: list[Any] = found.labels.tolist()
        # Before anything is recorded: it fails where the shadow answers another question.
        same, distance = _compared(read.copied.live, found, labels, shadow.predictor.manifest.classes)
        if read.values is not None:
            try:
                self._record(shadow, read, read.values, labels, found, latency_ms)
            except (TrimtabError, OSError) as error:
                raise _UnrecordedError(str(error)) from error
        self._tally(shadow, read.copied).answered.inc()
        counts = shadow.metrics.shadow
        counts.same.inc(same)
        counts.different.inc(len(labels) - same)
        counts.difference.inc(distance)
        shadow.metrics.rows.inc(len(labels))

    def _record(
        self,
        shadow: LoadedVariant,
        read: _Read,
        values: Sequence[tuple[Scalar, ...]],
        labels: Sequence[Any],
        found: Predictions,
        latency_ms: float,
    ) -> None:
        journal, copied, events = self._declaring(shadow), read.copied, read.events
        keys = copied.context.record_keys
        probability = None if found.probability is None else found.probability.tolist()
        for place, row in enumerate(values):
            journal.append(
                PredictionFrame(
                    shadow.schema.schema_id,
                    self._new_id(),
                    copied.request_id,
                    copied.received_us if events is None else events[place],
                    copied.received_us,
                    copied.endpoint.spec.generation,
                    float(shadow.spec.weight_pct) / 100,
                    None if keys is None else keys[place],
                    copied.context.source,
                    None,
                    row,
                    labels[place],
                    None if probability is None else probability[place],
                    latency_ms,
                    copied.live.prediction_ids[place],
                )
            )

    def _declaring(self, shadow: LoadedVariant) -> JournalWriter:
        if self.journal is None:
            self.journal = self._new_journal()
        known = self._known_of(shadow)
        if not known.is_declared:
            self.journal.declare(shadow.schema)
            known.is_declared = True
        return self.journal

    def _known_of(self, shadow: LoadedVariant) -> _Known:
        known = self._known.get(shadow.schema.schema_id)
        if known is None:
            known = _Known(weakref.ref(shadow), shadow.predictor.manifest)
            self._known[shadow.schema.schema_id] = known
        return known

    def _forget_gone(self) -> None:
        """Withdraw what nobody serves any longer: every file repeats what is declared."""
        for schema_id in [schema_id for schema_id, known in self._known.items() if known.shadow() is None]:
            del self._known[schema_id]
            if self.journal is not None:
                self.journal.withdraw(schema_id)

    def _tally(self, shadow: LoadedVariant, copied: Copied) -> CopyTally:
        spec = copied.endpoint.spec
        return self._ledgers.of(spec.endpoint, spec.generation, shadow.spec.name)

    def _failed(self, shadow: LoadedVariant, copied: Copied, error: Exception) -> None:
        tally = self._tally(shadow, copied)
        # That there is no room for its answer is no fault of the model's.
        (tally.unrecorded if isinstance(error, _UnrecordedError) else tally.failed).inc()
        shadow.metrics.shadow.failed.inc(len(copied.live.predictions))
        known, now_s = self._known_of(shadow), time.monotonic()
        if now_s - known.told_s >= _TELL_S:
            known.told_s = now_s
            _log.warning(
                "shadow_failed",
                endpoint=copied.endpoint.spec.endpoint,
                variant=shadow.spec.name,
                request_id=copied.request_id,
                error=f"{type(error).__name__}: {error}"[:500],
            )


def _reading(manifest: Manifest) -> tuple[object, ...]:
    return manifest.features, manifest.image, manifest.event_time


def _compared(live: Answer, found: Predictions, labels: Sequence[Any], classes: Sequence[str]) -> tuple[int, float]:
    """Return how many answers are the same, numbers to six digits, and the sum of the distances (see `ShadowMetrics`).

    Raises:
        ConfigError: one names classes, the other numbers.
    """
    if (found.probabilities is None) != (live.probabilities is None):
        raise ConfigError("shadow: answers a class where the live variant answers a number, or the reverse")
    if found.probabilities is None or live.probabilities is None:
        pairs = list(zip(labels, live.predictions, strict=True))
        return (
            sum(math.isclose(one, other, rel_tol=1e-6) for one, other in pairs),
            sum(abs(one - other) for one, other in pairs),
        )
    theirs = {name: place for place, name in enumerate(live.classes)}
    ours = {name: place for place, name in enumerate(classes)}
    distance = 0.0
    for label, said, answered in zip(live.predictions, live.probabilities, found.probabilities.tolist(), strict=True):
        distance += abs(said[theirs[label]] - (answered[ours[label]] if label in ours else 0.0))
    return sum(one == other for one, other in zip(labels, live.predictions, strict=True)), distance
