"""The recorded table that a simulation plays: rows in order of time, each with the moment its outcome became known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.files import sha256_of_file
from trimtab.lake.casting import cast_as, cast_column
from trimtab.lake.dates import find_form
from trimtab.lake.reading import read_table_file
from trimtab.records.truths import truth_text

__all__ = ["Stream", "read_stream", "stream_digest", "usual_step_us", "without_the_unknown"]

_MICROSECOND = timedelta(microseconds=1)
_DAY_US = 86_400_000_000
_LONGEST_GAP_US = 3_653 * _DAY_US
_HISTORY = 0.2
_DAILY_UP_TO_DAYS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """n rows, in order of time; rows of the same moment as the file has them.

    ``given``: the file's columns as they are, for a delivery. ``fields``: what a caller sends, by feature, as JSON
    takes it. ``event_us`` (n,): when a row happened; ``known_us`` (n,): from when on its outcome is known. ``truth``:
    the outcome as it is told, None where the file has none. ``keys``: the sender's own, None where a row has none,
    and without a key column. ``start_us``: what happened before is history. ``notes``: what a reader of the results has
    to know of the file.
    """

    given: pa.Table
    fields: Mapping[str, list[Any]]
    event_us: NDArray[np.int64]
    known_us: NDArray[np.int64]
    truth: list[str | None]
    keys: list[str | None] | None
    start_us: int
    digest: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.event_us)

    def row(self, place: int) -> dict[str, Any]:
        """Return what a caller sends of one row."""
        return {name: values[place] for name, values in self.fields.items()}

    def happened(self, since_us: int, until_us: int) -> range:
        """Return the places of the rows of ``since_us`` ≤ event time < ``until_us``."""
        first, last = np.searchsorted(self.event_us, [since_us, until_us], side="left")
        return range(int(first), int(last))

    def became_known(self, since_us: int, until_us: int) -> NDArray[np.int64]:
        """Return the places of rows since the start whose outcome is told in the tick from one moment to the other.

        That is once it is known (at ``until_us`` at the latest) and its row was answered, but not before ``since_us``.
        """
        return np.flatnonzero(self._tellable(until_us) & ~self._tellable(since_us))

    def _tellable(self, at_us: int) -> NDArray[np.bool_]:
        # A row of this very moment is answered after it, so that its outcome may be known before it can be told.
        return (self.event_us >= self.start_us) & (self.event_us < at_us) & (self.known_us <= at_us)

    def history(self) -> NDArray[np.int64]:
        """Return the places of the rows before the start whose outcome is known at the start."""
        return np.flatnonzero((self.event_us < self.start_us) & (self.known_us <= self.start_us))

    def told_late(self) -> NDArray[np.int64]:
        """Return the places of the rows before the start whose outcome becomes known after it."""
        return np.flatnonzero((self.event_us < self.start_us) & (self.known_us > self.start_us))


def read_stream(
    path: Path,
    *,
    model: ModelConfig,
    contract: ContractConfig,
    time: str,
    label_delay: timedelta,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Stream:
    """Return the table in ``path`` in order of ``time``, up to ``end``.

    Without ``start`` the first fifth of its span, cut at midnight UTC, is history.

    Raises:
        DataContractError: it cannot be read, lacks a column that the model needs, a row has no time, or rows lie more
            than ten years apart.
        ConfigError: the label delay or a bound leaves nothing to play.
    """
    if label_delay < timedelta(0):
        raise ConfigError(f"--label-delay: {label_delay / timedelta(days=1):g}d, expected 0s or more; correct it")
    table = read_table_file(path, encoding=contract.encoding)
    _check_columns(path, table, model, contract, time)
    moments = _moments(table[time], f"{path}: {time}", contract, time)
    notes = _notes_on(table, moments, model)
    order = np.argsort(moments, kind="stable")
    if end is not None:
        order = order[moments[order] < to_micros(end)]
    if not len(order):
        raise ConfigError(f"{path}: no row lies before --to {end}; widen it")
    event_us, table = moments[order], table.take(pa.array(order))
    _check_gaps(path, event_us)
    start_us = _start_of(event_us) if start is None else to_micros(start)
    given = _as_delivered(table, event_us, model, contract, time)
    stream = Stream(
        given=given,
        fields=_fields(table, model, contract),
        event_us=event_us,
        known_us=event_us + label_delay // _MICROSECOND,
        truth=_truths(table[model.target], contract, model.target),
        keys=_keys(table, model),
        start_us=start_us,
        digest=sha256_of_file(path),
        notes=notes,
    )
    _check_parts(path, stream, label_delay)
    return stream


def _check_columns(path: Path, table: pa.Table, model: ModelConfig, contract: ContractConfig, time: str) -> None:
    needed = [name for name in contract.columns if name not in model.not_features or name == model.target]
    missing = [name for name in dict.fromkeys([time, *needed]) if name not in table.column_names and name != model.time]
    if missing:
        raise DataContractError(
            f"{path}: lacks {', '.join(missing[:10])}, which the simulation needs; it has "
            f"{', '.join(table.column_names[:40])}; add the columns, or name another file"
        )


def _moments(column: pa.ChunkedArray, subject: str, contract: ContractConfig, name: str) -> NDArray[np.int64]:
    if name in contract.columns and contract.columns[name].type is ColumnKind.DATETIME:
        cast = cast_as(column, contract.columns[name])
    else:
        cast = cast_column(column, ColumnKind.DATETIME, written_as=_form_of(column))
    bad = np.flatnonzero(cast.missing | cast.wrong)
    if len(bad):
        row = int(bad[0])
        found = "no time" if cast.missing[row] else repr(str(column[row].as_py())[:40])
        raise DataContractError(
            f"{subject}: row {row + 1} ({len(bad)} in all): found {found}; expected a time such as 2024-03-04T07:00; "
            "correct these rows, or leave them out"
        )
    return np.asarray(cast.values.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _check_gaps(path: Path, event_us: NDArray[np.int64]) -> None:
    """Refuse rows of ages ago or to come: one row of the year 9999 would be half a million weeks to be played."""
    gaps = np.diff(event_us)
    if len(gaps) and gaps.max() > _LONGEST_GAP_US:
        at = int(gaps.argmax())
        before, after = (f"{from_micros(int(moment)):%Y-%m-%d}" for moment in event_us[at : at + 2])
        raise DataContractError(
            f"{path}: nothing happened between {before} ({at + 1} rows until then) and {after} "
            f"({len(event_us) - at - 1} rows from then on); expected rows at most ten years apart; correct these times "
            "or leave the rows out"
        )


def _form_of(column: pa.ChunkedArray) -> str | None:
    if not pa.types.is_string(column.type):
        return None
    counted = pc.value_counts(pc.utf8_trim_whitespace(column.combine_chunks()))
    counts = counted.field(1).to_numpy(zero_copy_only=False)
    form = find_form(counted.field(0), counts, named_as_time=True)
    return None if form is None else form.written_as


def _notes_on(table: pa.Table, moments: NDArray[np.int64], model: ModelConfig) -> tuple[str, ...]:
    notes = []
    backwards = int((np.diff(moments) < 0).sum())
    if backwards:
        notes.append(f"{backwards} rows stood before an earlier one; the rows were sorted by time")
    if model.key is not None and model.key in table.column_names:
        keyed = pa.table({"key": table[model.key].cast(pa.string()), "at": moments})
        repeated = table.num_rows - keyed.group_by(["key", "at"]).aggregate([]).num_rows
        if repeated:
            notes.append(f"{repeated} rows have the key and time of another; each was answered, and learnt from once")
    unlabelled = table[model.target].null_count
    if unlabelled:
        notes.append(f"{unlabelled} rows have no {model.target}; they were answered, and never learnt from")
    return tuple(notes)


def _start_of(event_us: NDArray[np.int64]) -> int:
    first, last = int(event_us[0]), int(event_us[-1])
    start = first + int((last - first) * _HISTORY)
    midnight = start // _DAY_US * _DAY_US
    return midnight if midnight > first else start


def _as_delivered(
    table: pa.Table, event_us: NDArray[np.int64], model: ModelConfig, contract: ContractConfig, time: str
) -> pa.Table:
    """Return the columns that the contract knows; where the model's time has another name there, under its own."""
    named = {name: table[name] for name in contract.columns if name in table.column_names}
    if model.time is not None and (model.time != time or model.time not in named):
        named[model.time] = pa.array(event_us, pa.timestamp("us", tz="UTC"))
    return pa.table(named)


def _fields(table: pa.Table, model: ModelConfig, contract: ContractConfig) -> dict[str, list[Any]]:
    names = [name for name in contract.columns if name not in model.not_features and name in table.column_names]
    return {name: _plain(table[name], contract, name) for name in names if name != model.time}


def _plain(column: pa.ChunkedArray, contract: ContractConfig, name: str) -> list[Any]:
    """Return values as JSON takes them; what is not of the contract's kind stays, for the server to refuse."""
    cast = cast_as(column, contract.columns[name])
    values: list[Any] = cast.values.to_pylist()
    if contract.columns[name].type is ColumnKind.DATETIME:
        values = [None if value is None else value.isoformat() for value in values]
    for place in np.flatnonzero(cast.wrong).tolist():
        values[place] = str(column[place].as_py())
    return values


def _truths(column: pa.ChunkedArray, contract: ContractConfig, target: str) -> list[str | None]:
    values = cast_as(column, contract.columns[target]).values.to_pylist()
    return [None if value is None else truth_text(value) for value in values]


def _keys(table: pa.Table, model: ModelConfig) -> list[str | None] | None:
    if model.key is None or model.key not in table.column_names:
        return None
    return [None if value is None else str(value) for value in table[model.key].to_pylist()]


def _check_parts(path: Path, stream: Stream, label_delay: timedelta) -> None:
    start, last = from_micros(stream.start_us), from_micros(int(stream.event_us[-1]))
    if last < start:
        raise ConfigError(f"{path}: its last row is of {last:%Y-%m-%d %H:%M}, before --from {start}; begin earlier")
    if not len(stream.history()):
        raise ConfigError(
            f"{path}: no row's outcome is known at {start:%Y-%m-%d %H:%M}, where the simulation begins: labels come "
            f"{label_delay} after the row; begin later (--from), or with a shorter --label-delay"
        )


def usual_step_us(span_us: int) -> int:
    """Return what ``span_us`` of rows are cut into, if nobody says otherwise: days, or weeks beyond 60 days."""
    return _DAY_US if span_us <= _DAILY_UP_TO_DAYS * _DAY_US else 7 * _DAY_US


def without_the_unknown(stream: Stream, places: Iterable[int]) -> list[tuple[int, str]]:
    """Return, of these places, those whose row has an outcome, each with it."""
    return [(place, truth) for place in places if (truth := stream.truth[place]) is not None]


def stream_digest(stream: Stream, *told: str) -> str:
    """Return 12 hex digits that name a stream played in one way."""
    return hashlib.sha256("\n".join([stream.digest, *told]).encode()).hexdigest()[:12]
