"""Rows that stand in a table more than once: what was learnt from must not be judged by its copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.training.column_values import codes_of, values_of

__all__ = ["copies_in", "row_keys"]

_BY_CHANCE = 0.5
_SAME_TARGET = 0.75


def copies_in(table: pa.Table, names: Sequence[str], target: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return a number for each row, ``(n,)``, equal for rows equal in the columns ``names`` and in ``target``.

    None where no row is a copy. A table of few columns repeats by itself: there equal rows are cases of their own, and
    to hold all of them out would ask for what no model can know. They are taken for copies if shuffling each column
    leaves less than half of the repeats, and if rows equal in ``names`` have equal targets in three quarters of the
    cases that chance does not explain.

    >>> table = pa.table({"a": [0.5, 1.5, 2.5, 3.5, 0.5], "b": ["x", "y", "z", "v", "x"]})
    >>> groups = copies_in(table, ["a", "b"], np.array([0, 1, 1, 0, 0]))
    >>> groups[0] == groups[4], len(np.unique(groups))
    (np.True_, 4)
    >>> copies_in(table, ["a", "b"], np.array([0, 1, 1, 0, 1])) is None
    True
    """
    found = _groups(row_keys(table, names, target))
    repeats = 1 - _distinct_share(found)
    if not repeats or not _targets_agree(row_keys(table, names), target):
        return None
    # The same each time: which rows are held out must not depend on anything but the table.
    shuffled = row_keys(table, names, target, shuffle=np.random.default_rng(0))
    by_chance = 1 - len(np.unique(shuffled)) / len(shuffled)
    return found if by_chance < _BY_CHANCE * repeats else None


def row_keys(
    table: pa.Table,
    names: Sequence[str],
    target: NDArray[Any] | None = None,
    *,
    shuffle: np.random.Generator | None = None,
) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row's values in the columns ``names``, and its target, ``(n,)``.

    As they were delivered, not as they are encoded: there two texts without a known term, or two rare categories, would
    be equal. NaN equals NaN and null. With ``shuffle``, each column is put into an order of its own first.
    """
    key = np.zeros(table.num_rows, dtype=np.uint64)
    for name in names:
        key = _mixed(key, _shuffled(_bits(table.column(name)), shuffle))
    if target is None:
        return key
    return _mixed(key, _shuffled(np.unique(target, return_inverse=True)[1].astype(np.uint64), shuffle))


def _bits(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    kind = column.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_temporal(kind)
    ):
        # A zero has two signs in its bits; NaN has many forms.
        values = values_of(column) + 0.0
        values[np.isnan(values)] = np.nan
        return values.view(np.uint64)
    return codes_of(column)[0].astype(np.uint64)


def _shuffled(part: NDArray[np.uint64], rng: np.random.Generator | None) -> NDArray[np.uint64]:
    return part if rng is None else rng.permutation(part)


def _mixed(key: NDArray[np.uint64], part: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Wraps around on purpose: the steps of splitmix64, so that each bit of the part reaches all of the key.
    key = (key ^ part) + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _groups(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _distinct_share(groups: NDArray[np.int64]) -> float:
    return (int(groups.max()) + 1) / len(groups) if len(groups) else 1.0


def _targets_agree(keys: NDArray[np.uint64], target: NDArray[Any]) -> bool:
    """Say whether rows of one key mostly have the target of the first of them, beyond what chance explains."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    again = first[group] != np.arange(len(keys))
    same = float((target[again] == target[first[group]][again]).mean())
    shares = np.unique(target, return_counts=True)[1] / len(target)
    chance = float((shares**2).sum())
    return chance < 1 and (same - chance) / (1 - chance) >= _SAME_TARGET
