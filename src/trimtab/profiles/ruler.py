"""How one column is cut into cells, so that any rows of it, profiled or not, can be compared by counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.profiles.categories import MAX_LENGTH, CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile

__all__ = ["MAX_CELLS", "Ruler", "points_of", "ruler_of_categories", "ruler_of_numbers"]

MAX_CELLS = 255
"""Cells for present values; with the one for missing ones, a row's cell is one byte."""

_MARKS = 127
_MAX_NAMES = 63
_GRID = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Ruler:
    """The cells of one column: of numbers by ``edges``, of categories by ``names``; one of the two is given.

    Cell i of numbers holds what lies above ``edges[i − 1]``, up to and including ``edges[i]``; the last one what lies
    above all. Each mark is cut out by an edge a millionth below it and itself, so that a value that occurs often has
    a cell of its own, and one that is stuck right below it lies in another. Categories that ``names`` lacks share the
    last cell. One further cell, after these, counts missing values, infinite ones among them.
    """

    edges: NDArray[np.float64] | None
    names: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """Number of cells for present values."""
        return 1 + (len(self.names) if self.edges is None else len(self.edges))

    @property
    def ordered(self) -> bool:
        """Whether cells follow each other as their values do."""
        return self.edges is not None

    def fits(self, column: ColumnProfile) -> bool:
        """Return whether ``column`` holds what this measures: numbers or categories."""
        return isinstance(column, NumberProfile) is self.ordered

    def code_numbers(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the cell of each number, ``(n,)``."""
        assert self.edges is not None
        cells = np.searchsorted(self.edges, values, side="left")
        return np.where(np.isfinite(values), cells, self.cells).astype(np.uint8)

    def code_categories(self, values: pa.ChunkedArray) -> NDArray[np.uint8]:
        """Return the cell of each text, ``(n,)``."""
        known = pc.index_in(values, value_set=pa.array(self.names, pa.string()))
        others = pc.if_else(pc.is_null(values), self.cells, len(self.names))
        return np.asarray(pc.coalesce(known, pc.cast(others, pa.int32())).to_numpy(), dtype=np.uint8)

    def counts(self, column: ColumnProfile) -> NDArray[np.float64]:
        """Return how many rows of a profile lie in each cell, ``(cells + 1,)``; they sum to its rows.

        Exact while the profile is; else within its stated error, plus 1/2048 of the present rows.

        Raises:
            TypeError: the profile is of another type than the column was.
        """
        if isinstance(column, NumberProfile) and self.edges is not None:
            present = self._of_numbers(column)
            return np.append(present, column.missing + column.infinite)
        if isinstance(column, CategoryProfile) and self.edges is None:
            known = [float(column.counts.get(name, 0)) for name in self.names]
            return np.array([*known, column.count - sum(known), column.missing])
        raise TypeError(f"a {type(column).__name__} on a ruler of {'numbers' if self.ordered else 'categories'}")

    def _of_numbers(self, column: NumberProfile) -> NDArray[np.float64]:
        assert self.edges is not None
        values, weights = points_of(column)
        cells = np.searchsorted(self.edges, values, side="left")
        return np.asarray(np.bincount(cells, weights=weights, minlength=self.cells), dtype=np.float64)


def points_of(column: NumberProfile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the column's present values, ascending, and their weights: of a large sketch 1024 quantiles."""
    if not column.sketch.is_estimation_mode():
        return column.points()
    # 1024 ranks of a large sketch are read ten times faster than all that it holds.
    ranks = (np.arange(_GRID) + 0.5) / _GRID
    values = np.asarray(column.sketch.get_quantiles(ranks.tolist(), True), dtype=np.float64)
    return values, np.full(_GRID, column.count / _GRID)


def ruler_of_numbers(values: NDArray[Any]) -> Ruler:
    """Return the ruler that numbers ``(n,)``, infinite and missing ones ignored, make: marks at 127 quantiles.

    Of up to 127 distinct values each has a cell of its own. No number at all: one cell.

    >>> ruler = ruler_of_numbers(np.array([1.0, 2.0, 2.0, np.nan]))
    >>> ruler.code_numbers(np.array([1.0, 1.5, 2.0, 3.0, np.nan])).tolist()
    [1, 2, 3, 4, 5]
    """
    present = np.sort(np.asarray(values, dtype=np.float64)[np.isfinite(values)])
    marks = np.unique(present)
    if len(marks) > _MARKS:
        places = (np.linspace(0, 1, _MARKS) * (len(present) - 1)).round().astype(np.int64)
        marks = np.unique(present[places])
    below = np.minimum(marks - 1e-6 * np.abs(marks), np.nextafter(marks, -np.inf))
    return Ruler(np.unique(np.concatenate([below, marks])))


def ruler_of_categories(counts: Sequence[tuple[str, int]]) -> Ruler:
    """Return the ruler that categories make: a cell for each of the 63 most frequent, one for all others.

    >>> ruler_of_categories([("a", 1), ("b", 3)]).names
    ('b', 'a')
    """
    # A profile cuts longer names, so that they would never be found again.
    whole = [pair for pair in counts if len(pair[0]) <= MAX_LENGTH]
    frequent = sorted(whole, key=lambda pair: (-pair[1], pair[0]))[:_MAX_NAMES]
    return Ruler(None, tuple(name for name, _count in frequent))
