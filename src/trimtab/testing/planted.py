"""Eight faults that happen to feeds and to the world, planted into a sound table: what monitors are tried with.

Each function takes a table and the mask of the affected rows, and returns a table of its own; rows elsewhere and the
columns that are not named stay as they were. Pure: randomness is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.core.errors import DataContractError
from trimtab.monitoring.planted_cause import PlantedCause

__all__ = [
    "Planted",
    "PlantedCause",
    "duplicated_feed",
    "label_flip",
    "new_category",
    "null_burst",
    "plant",
    "slow_concept_drift",
    "stuck_sensor",
    "swapped_columns",
    "unit_change",
]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault: what, in which ``column``, and with what.

    ``other`` is the column that is swapped with, or the feature that a concept drifts along. ``amount`` is the factor
    of a change of unit; the share of affected rows of a new category, of nulls and of flipped labels; how many times a
    duplicated feed says each row; and how strong a drift of concept is at its end. 0 means the usual one: 3.6, 0.5, 2
    and 0.5. ``offset`` is what a change of unit adds.
    """

    cause: PlantedCause
    column: str = ""
    other: str = ""
    amount: float = 0.0
    offset: float = 0.0


_USUAL = {PlantedCause.UNIT_CHANGE: 3.6, PlantedCause.DUPLICATED_FEED: 2.0}


def plant(table: pa.Table, planted: Planted, rows: Mask, rng: np.random.Generator) -> pa.Table:
    """Return the table with ``planted`` in ``rows`` ``(n,)``.

    Raises:
        DataContractError: a column that the fault needs is absent or of another type, or the mask is of another length.

    >>> table = pa.table({"km": [1.0, 2.0]})
    >>> fault = Planted(PlantedCause.UNIT_CHANGE, "km", amount=1000.0)
    >>> plant(table, fault, np.array([False, True]), np.random.default_rng(0))["km"].to_pylist()
    [1.0, 2000.0]
    """
    if len(rows) != table.num_rows:
        raise DataContractError(
            f"planting {planted.cause}: a mask of {len(rows)} for {table.num_rows} rows; align them"
        )
    column, other, amount = planted.column, planted.other, planted.amount or _USUAL.get(planted.cause, 0.5)
    made: dict[PlantedCause, Callable[[], pa.Table]] = {
        PlantedCause.UNIT_CHANGE: lambda: unit_change(table, column, rows, factor=amount, offset=planted.offset),
        PlantedCause.STUCK_SENSOR: lambda: stuck_sensor(table, column, rows),
        PlantedCause.NEW_CATEGORY: lambda: new_category(table, column, rows, share=amount, rng=rng),
        PlantedCause.NULL_BURST: lambda: null_burst(table, column, rows, share=amount, rng=rng),
        PlantedCause.DUPLICATED_FEED: lambda: duplicated_feed(table, rows, times=int(amount)),
        PlantedCause.SWAPPED_COLUMNS: lambda: swapped_columns(table, column, other, rows),
        PlantedCause.LABEL_FLIP: lambda: label_flip(table, column, rows, share=amount, rng=rng),
        PlantedCause.SLOW_CONCEPT_DRIFT: lambda: slow_concept_drift(
            table, column, other, rows, strength=amount, rng=rng
        ),
    }
    return made[planted.cause]()


def unit_change(table: pa.Table, column: str, rows: Mask, *, factor: float, offset: float = 0.0) -> pa.Table:
    """Return the table with ``factor · x + offset`` in ``rows``: miles for kilometres, Fahrenheit for Celsius."""
    values = _numbers(table, column)
    return _with(table, column, pa.array(np.where(rows, factor * values + offset, values), from_pandas=True))


def stuck_sensor(table: pa.Table, column: str, rows: Mask) -> pa.Table:
    """Return the table where ``rows`` hold the value that the first of them has, as a sensor does that hangs."""
    places = np.flatnonzero(rows)
    if not len(places):
        return table
    values = _present(table, column)
    held = values.drop_null()
    stuck = values[int(places[0])] if values[int(places[0])].is_valid or not len(held) else held[0]
    return _with(table, column, pc.if_else(pa.array(rows), stuck, values))


def new_category(
    table: pa.Table, column: str, rows: Mask, *, share: float, rng: np.random.Generator, name: str = "(new)"
) -> pa.Table:
    """Return the table where about ``share`` of ``rows`` have the value ``name``, which nobody has seen."""
    chosen = pa.array(rows & (rng.random(table.num_rows) < share))
    texts = pc.cast(_present(table, column), pa.string())
    return _with(table, column, pc.if_else(chosen, pa.scalar(name), texts))


def null_burst(table: pa.Table, column: str, rows: Mask, *, share: float, rng: np.random.Generator) -> pa.Table:
    """Return the table where about ``share`` of ``rows`` lack a value."""
    values = _present(table, column)
    chosen = pa.array(rows & (rng.random(table.num_rows) < share))
    return _with(table, column, pc.if_else(chosen, pa.scalar(None, values.type), values))


def duplicated_feed(table: pa.Table, rows: Mask, *, times: int = 2) -> pa.Table:
    """Return the table where each of ``rows`` stands ``times`` times, one after the other."""
    return table.take(pa.array(np.repeat(np.arange(table.num_rows), np.where(rows, times, 1))))


def swapped_columns(table: pa.Table, first: str, second: str, rows: Mask) -> pa.Table:
    """Return the table where ``rows`` have each other's values in two columns, as when a sender mixes up an order.

    Raises:
        DataContractError: a column is absent, or one holds numbers and the other does not.
    """
    left, right = _present(table, first), _present(table, second)
    if left.type != right.type:
        left, right = _alike(left, right, f"{first!r} and {second!r}")
    chosen = pa.array(rows)
    swapped = _with(table, first, pc.if_else(chosen, right, left))
    return _with(swapped, second, pc.if_else(chosen, left, right))


def label_flip(table: pa.Table, target: str, rows: Mask, *, share: float, rng: np.random.Generator) -> pa.Table:
    """Return the table where about ``share`` of ``rows`` have a wrong outcome.

    A class becomes another one (the next in order of their names), a number the one that lies as far from the other
    end of the affected rows' order: the smallest becomes the greatest. So numbers keep their distribution.
    """
    values = _present(table, target)
    chosen = np.flatnonzero(rows & (rng.random(table.num_rows) < share))
    if _is_number(values.type):
        numbers = _numbers(table, target)
        order = chosen[np.argsort(numbers[chosen], kind="stable")]
        flipped = numbers.copy()
        flipped[order] = numbers[order[::-1]]
        return _with(table, target, pa.array(flipped, from_pandas=True))
    encoded = pc.dictionary_encode(values.combine_chunks())
    names = sorted(str(name) for name in encoded.dictionary.to_pylist())
    after = dict(zip(names, names[1:] + names[:1], strict=True))
    texts = np.array([None if text is None else str(text) for text in values.to_pylist()], dtype=object)
    texts[chosen] = [after.get(text) for text in texts[chosen]]
    return _with(table, target, pa.array(texts.tolist(), pa.string()))


def slow_concept_drift(
    table: pa.Table, target: str, along: str, rows: Mask, *, strength: float, rng: np.random.Generator
) -> pa.Table:
    """Return the table where the outcome's dependence on ``along`` changes, from not at all to ``strength``.

    The affected rows are taken to be in order of time. Inputs stay as they are. Of rows with ``along`` above its
    median a number is multiplied by 1 + ``strength`` · t, t going from 0 to 1; a class becomes another one with a
    chance of ``strength`` · t.
    """
    places = np.flatnonzero(rows)
    way = np.zeros(table.num_rows)
    way[places] = np.linspace(0, 1, len(places))
    by = _ranked(table, along)
    high = rows & (by > np.nanmedian(by))
    if _is_number(_present(table, target).type):
        numbers = _numbers(table, target)
        return _with(table, target, pa.array(numbers * np.where(high, 1 + strength * way, 1.0), from_pandas=True))
    chosen = high & (rng.random(table.num_rows) < strength * way)
    return label_flip(table, target, chosen, share=1.0, rng=rng)


def _ranked(table: pa.Table, name: str) -> NDArray[np.float64]:
    values = _present(table, name)
    if _is_number(values.type):
        return _numbers(table, name)
    codes = pc.dictionary_encode(pc.cast(values, pa.string()).combine_chunks())
    rank = np.argsort(np.argsort(codes.dictionary.to_pylist(), kind="stable"), kind="stable")
    found = np.asarray(pc.fill_null(codes.indices, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.asarray(rank[found], dtype=np.float64)


def _alike(left: pa.ChunkedArray, right: pa.ChunkedArray, names: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    if _is_number(left.type) and _is_number(right.type):
        return pc.cast(left, pa.float64()), pc.cast(right, pa.float64())
    if _is_number(left.type) or _is_number(right.type):
        raise DataContractError(f"columns {names}: {left.type} and {right.type}; swap two that are alike")
    return pc.cast(left, pa.string()), pc.cast(right, pa.string())


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _present(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataContractError(f"column {name!r}: absent; the table has {table.column_names[:20]}; name one of them")
    return table[name]


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    values = _present(table, name)
    if not _is_number(values.type):
        raise DataContractError(f"column {name!r}: {values.type}; this fault is one of numbers; name such a column")
    return np.asarray(pc.cast(values, pa.float64()).to_numpy(), dtype=np.float64)


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
