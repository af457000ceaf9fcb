"""Answers of a batch as prediction records: segments for the intake, the same ones however often they are made."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.bundle.columns import second_column
from trimtab.bundle.encoder import MISSING_EPOCH
from trimtab.bundle.manifest import Feature, Manifest
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import BackendError, ConfigError, DataContractError
from trimtab.records.identity import checked_key
from trimtab.records.intakes.address import intake_at
from trimtab.records.schema import BATCH_VARIANT, PredictionFrame, Scalar, SchemaFrame
from trimtab.records.segments import predictions_table, segment_bytes

__all__ = ["Named", "Recorder", "Recording", "RowNames", "check_intake", "hand_over", "values_of"]

_SOURCE: Final = "batch"
_GENERATION: Final = 0
_SEGMENT_ROWS: Final = 20_000
_SEGMENT_BYTES: Final = 32_000_000
_PAUSES_S: Final = (0.5, 1, 2, 4, 8, 15, 30)
_MICROS: Final = 1_000_000
_MOMENT: Final = pa.timestamp("us", tz="UTC")

Segment = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Recording:
    """Where answers are recorded, and as whose. ``limit_bytes``: what may wait in an intake that is a folder."""

    intake: str
    endpoint: str
    model_version: int
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """How the rows of a batch are named: their keys, and when they happened in microseconds; None where not told."""

    keys: list[str | None]
    event_us: list[int | None]


class RowNames:
    """Reads keys and times of rows from the columns that a manifest names. ``key``: another column than its own."""

    def __init__(self, manifest: Manifest, key: str | None = None) -> None:
        self._key = key or manifest.key
        self._time: Feature | None = manifest.event_time
        if self._time is None and manifest.time is not None:
            self._time = Feature(name=manifest.time, kind=ColumnKind.DATETIME)

    def read(self, table: pa.Table, errors: dict[int, str]) -> Named:
        """Return how the rows of ``table`` are named; ``errors`` gets a reason for each that has no usable name."""
        keys: list[str | None] = [None] * table.num_rows
        if self._key is not None and self._key in table.column_names:
            for at, value in enumerate(table.column(self._key).to_pylist()):
                try:
                    keys[at] = _key_of(value, self._key)
                except ConfigError as error:
                    errors.setdefault(at, str(error))
        moments: list[int | None] = [None] * table.num_rows
        if self._time is not None and self._time.name in table.column_names:
            moments = _moments(table.column(self._time.name), self._time, errors)
        return Named(keys, moments)


class Recorder:
    """Makes the segments of one part. ``now_us``: when the run was started first; rows without a time are of then."""

    def __init__(self, recording: Recording, manifest: Manifest, part: str, now_us: int) -> None:
        self._schema = SchemaFrame(
            schema_id=0,
            endpoint=recording.endpoint,
            model=manifest.model,
            model_version=recording.model_version,
            variant=BATCH_VARIANT,
            bundle_digest=manifest.digest,
            task=manifest.task,
            features=tuple((feature.name, feature.kind) for feature in manifest.features),
        )
        self._part = part
        self._now_us = now_us
        self._tables: list[pa.Table] = []
        self._segments: list[Segment] = []

    def add(
        self,
        ids: Sequence[str],
        named: Named,
        rows: NDArray[Any],
        values: Sequence[tuple[Scalar, ...]],
        predictions: Sequence[str | float],
        probability: Sequence[float] | None,
    ) -> None:
        """Take the answers to the rows at ``rows`` of a batch; the others are as long as ``rows``."""
        frames = []
        for place, at in enumerate(rows.tolist()):
            event_us = named.event_us[at]
            frames.append(
                PredictionFrame(
                    schema_id=0,
                    prediction_id=ids[place],
                    request_id=self._part,
                    event_us=self._now_us if event_us is None else event_us,
                    received_us=self._now_us,
                    generation=_GENERATION,
                    assignment_probability=None,
                    record_key=named.keys[at],
                    source=_SOURCE,
                    sticky_hash=None,
                    values=values[place],
                    prediction=predictions[place],
                    probability=None if probability is None else probability[place],
                    latency_ms=math.nan,
                )
            )
        table = predictions_table(self._schema, frames, "")
        # Nobody waited for these answers: a figure here would be taken for the server's.
        place = table.column_names.index("latency_ms")
        self._tables.append(table.set_column(place, table.field(place), pa.nulls(len(frames), pa.float64())))
        if sum(one.num_rows for one in self._tables) >= _SEGMENT_ROWS or self._size() >= _SEGMENT_BYTES:
            self._close()

    def segments(self) -> list[Segment]:
        """Return the part's segments, each with its id: these hang on the rows alone, and not on the run."""
        self._close()
        return self._segments

    def _size(self) -> int:
        return sum(one.nbytes for one in self._tables)

    def _close(self) -> None:
        if not self._tables:
            return
        table = pa.concat_tables(self._tables)
        self._tables = []
        hashed = hashlib.sha256(f"{self._schema.endpoint}\n{self._schema.model_version}\n".encode())
        hashed.update("\n".join(table["prediction_id"].to_pylist()).encode())
        segment = hashed.hexdigest()[:32]
        told = table.schema.metadata | {b"segment_id": segment.encode()}
        self._segments.append((segment, segment_bytes(table.replace_schema_metadata(told))))


def check_intake(recording: Recording) -> None:
    """Return if the intake's address can be used; whether it takes anything is known only when it is given something.

    Raises:
        ConfigError: it is none, or no key is set for it.
    """
    intake_at(recording.intake).close()


def hand_over(
    recording: Recording, segments: Sequence[Segment], *, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Give the segments to the intake; one that has no room or cannot be reached is asked again for a minute.

    Raises:
        BackendError: it does not take them.
        OSError: the disk failed.
    """
    if not segments:
        return
    with contextlib.closing(intake_at(recording.intake, limit_bytes=recording.limit_bytes)) as intake:
        for segment, content in segments:
            for pause_s in (*_PAUSES_S, None):
                try:
                    intake.put(segment, content)
                    break
                except BackendError as error:
                    if pause_s is None:
                        raise BackendError(
                            f"{error}; the batch stopped there: start the same command again, it goes on"
                        ) from error
                    sleep(pause_s)


def values_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of a table as a request would have sent them: what is not known is null, not NaN."""
    return [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in rows
    ]


def _key_of(value: Any, column: str) -> str | None:
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        # pandas makes floats of whole numbers as soon as one of them is missing.
        value = int(value)
    return checked_key(value if isinstance(value, int) else str(value), f"field {column!r}")


def _moments(column: pa.ChunkedArray, feature: Feature, errors: dict[int, str]) -> list[int | None]:
    if pa.types.is_timestamp(column.type):
        stamps = column if column.type.tz else pc.assume_timezone(column, "UTC")
        whole: list[int | None] = stamps.cast(_MOMENT, safe=False).cast(pa.int64()).to_pylist()
        return whole
    try:
        return [_micros(second) for second in second_column(column, feature).tolist()]
    except DataContractError:
        moments: list[int | None] = [None] * len(column)
        for at in range(len(column)):
            try:
                (second,) = second_column(column.slice(at, 1), feature).tolist()
            except DataContractError as error:
                errors.setdefault(at, str(error).partition(": ")[2])
            else:
                moments[at] = _micros(second)
        return moments


def _micros(second: int) -> int | None:
    return None if second == MISSING_EPOCH else second * _MICROS
