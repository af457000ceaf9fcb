"""Where a fault is planted, and what is done to rows: pieces that faults are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from bench.faults.base import Base
from bench.faults.columns import Columns, numbers_of
from bench.faults.grounds import AT, Ground
from bench.faults.rows import KNOWN, Span, at_us, with_column
from numpy.typing import NDArray

__all__ = ["Setting", "moved", "multiplied", "of_ranks", "ranks_in", "rescaled", "told_apart", "way_of", "with_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Where a fault is planted, and when; its parameters are drawn by ``rng``.

    What comes slowly has wholly come at ``whole_us``.
    """

    base: Base
    span: Span
    whole_us: int
    rng: np.random.Generator

    @property
    def columns(self) -> Columns:
        """The columns that it may befall."""
        return Columns(self.base.ground, self.base.manifest)

    def one_of(self, names: list[str]) -> str:
        """Draw a column."""
        return str(self.rng.choice(names))

    def some_of(self, names: list[str], count: int) -> list[str]:
        """Draw columns, each at most once."""
        return [str(name) for name in self.rng.choice(names, count, replace=False)]


def moved(table: pa.Table, by_us: NDArray[np.int64]) -> pa.Table:
    """Return rows that happen, and are known, later by ``by_us`` ``(n,)``."""
    moments = at_us(table) + by_us
    table = with_column(table, AT, pa.array(moments, pa.timestamp("us", tz="UTC")))
    return with_column(table, KNOWN, pa.array(np.asarray(table[KNOWN].to_numpy()) + by_us))


def with_rows(table: pa.Table, chosen: NDArray[np.bool_], others: pa.Table, names: list[str]) -> pa.Table:
    """Return the table with the columns ``names`` of ``others``, one after the other, in rows where ``chosen``."""
    source = np.arange(table.num_rows)
    source[chosen] = table.num_rows + np.arange(others.num_rows)
    for name in names:
        both = pa.chunked_array([*table[name].chunks, *others[name].cast(table.schema.field(name).type).chunks])
        table = with_column(table, name, both.take(pa.array(source)))
    return table


def way_of(table: pa.Table, setting: Setting) -> NDArray[np.float64]:
    """Return how far a slow change has come at each row ``(n,)``: 0 before, 1 once it has wholly come."""
    since_us = setting.span.since_us
    return np.clip((at_us(table) - since_us) / (setting.whole_us - since_us), 0.0, 1.0)


def rescaled(table: pa.Table, column: str, rows: NDArray[np.bool_], factor: float, offset: float) -> pa.Table:
    """Return the table with ``factor · x + offset`` in ``rows``; whole numbers stay whole, or no server takes them."""
    kind, values = table.schema.field(column).type, numbers_of(table, column)
    made = np.where(rows, factor * values + offset, values)
    if pa.types.is_integer(kind):
        return with_column(table, column, pa.array(np.round(made), from_pandas=True).cast(kind))
    return with_column(table, column, pa.array(made, from_pandas=True))


def multiplied(table: pa.Table, column: str, by: NDArray[np.float64]) -> pa.Table:
    """Return the table with a column's numbers times ``by`` ``(n,)``; whole numbers stay whole."""
    kind, made = table.schema.field(column).type, numbers_of(table, column) * by
    whole = pa.types.is_integer(kind)
    return with_column(table, column, pa.array(np.round(made) if whole else made, from_pandas=True).cast(kind))


def told_apart(rows: pa.Table, features: Sequence[str], rng: np.random.Generator) -> pa.Table:
    """Return rows, some of which were drawn more than once, such that hardly two are the same.

    Their numbers differ by up to a hundredth: a small data set would otherwise have a doubled feed planted with
    everything that draws many rows of few.
    """
    for name in features:
        kind = rows.schema.field(name).type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            rows = multiplied(rows, name, rng.uniform(0.99, 1.01, rows.num_rows))
    return rows


def ranks_in(ground: Ground, table: pa.Table, name: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return which share of the data set lies below each row's number ``(n,)``; among equals any of theirs."""
    usual, values = np.sort(_known(numbers_of(ground.rows, name))), numbers_of(table, name)
    low, high = (np.searchsorted(usual, values, side=side) for side in ("left", "right"))
    return np.asarray((low + rng.random(len(values)) * (high - low)) / len(usual), dtype=np.float64)


def of_ranks(
    ground: Ground, table: pa.Table, name: str, ranks: NDArray[np.float64], rows: NDArray[np.bool_]
) -> pa.Table:
    """Return the table where ``rows`` have the numbers of the data set at these ``ranks`` ``(n,)``."""
    usual, values = np.sort(_known(numbers_of(ground.rows, name))), numbers_of(table, name)
    places = np.clip((ranks * len(usual)).astype(np.int64), 0, len(usual) - 1)
    made = np.where(rows & np.isfinite(values), usual[places], values)
    return with_column(table, name, pa.array(made, from_pandas=True).cast(table.schema.field(name).type))


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]
