"""What callers send and are told: rows with times, which a fault changes, and the stream that a simulation plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.faults.grounds import AT, DAY_US, Ground
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.loop.simulation.stream import Stream

__all__ = ["KNOWN", "LABEL_DELAY_US", "SHAPE", "Span", "at_us", "stream_of", "timeline", "with_column"]

KNOWN: Final = "@known_us"
"""When a row's outcome is known."""
SHAPE: Final = "@shape"
"""How a row's request differs from its columns: empty, or ``verb:column[:word]``."""
LABEL_DELAY_US: Final = DAY_US // 4


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when a fault lasts, in microseconds."""

    since_us: int
    until_us: int

    def has(self, moment_us: int) -> bool:
        """Return whether a moment lies in it."""
        return self.since_us <= moment_us < self.until_us

    def of(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Return which rows ``(n,)`` lie in it."""
        return np.asarray((at_us(rows) >= self.since_us) & (at_us(rows) < self.until_us), dtype=np.bool_)


def timeline(ground: Ground, seed: int, *, sound: int, windows: int) -> pa.Table:
    """Return the sound rows of so many windows behind the history; the first ``sound`` are alike for all seeds."""
    parts = [ground.window(number, 0 if number < sound else 1 + seed) for number in range(windows)]
    rows = pa.concat_tables(parts)
    return rows.append_column(KNOWN, pa.array(at_us(rows) + LABEL_DELAY_US)).append_column(
        SHAPE, pa.array([""] * rows.num_rows)
    )


def at_us(rows: pa.Table) -> NDArray[np.int64]:
    """Return when rows happened ``(n,)``."""
    return np.asarray(rows[AT].cast(pa.int64()).to_numpy(), dtype=np.int64)


def with_column(rows: pa.Table, name: str, values: Any) -> pa.Table:
    """Return the rows with other values in one column."""
    return rows.set_column(rows.column_names.index(name), name, values)


@dataclass(frozen=True, slots=True, eq=False)
class _Misshapen(Stream):
    """A stream some of whose requests are not as their columns say."""

    shapes: Sequence[str] = ()

    def row(self, place: int) -> JsonObject:
        """Return what a caller sends of one row."""
        sent = {name: values[place] for name, values in self.fields.items()}
        if not self.shapes[place]:
            return sent
        verb, column, *more = self.shapes[place].split(":")
        value = sent.pop(column)
        if verb == "renamed":
            sent[more[0]] = value
        elif verb == "text":
            sent[column] = f"{value} {more[0]}"
        return sent


def stream_of(ground: Ground, rows: pa.Table) -> Stream:
    """Return what a simulation plays: the history, then ``rows`` in order of time."""
    rows = rows.take(pa.array(np.argsort(at_us(rows), kind="stable")))
    past = ground.history()
    before = [None] * past.num_rows
    event_us = np.concatenate([at_us(past), at_us(rows)])
    known_us = np.concatenate([at_us(past), np.asarray(rows[KNOWN].to_numpy(), dtype=np.int64)])
    truths = [None if truth is None else str(truth) for truth in rows[ground.target].to_pylist()]
    return _Misshapen(
        given=past.select([*ground.features, ground.target, AT]),
        fields={name: [*before, *_sent(rows[name])] for name in ground.features},
        event_us=event_us,
        known_us=known_us,
        truth=[*before, *truths],
        keys=None,
        start_us=ground.begin_us,
        digest=ground.name,
        notes=(),
        shapes=[*([""] * past.num_rows), *rows[SHAPE].to_pylist()],
    )


def _sent(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_floating(column.type):
        # JSON has no NaN.
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    return list(column.to_pylist())
