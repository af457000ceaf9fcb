"""How far the numbers of many windows have moved, from counts over the same cells: a Wasserstein distance, clipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ShiftScale", "shift_scale"]

Floats = NDArray[np.float64]
_TAIL = 0.02
"""More than lies between two marks of a ruler: of less, the outermost mark, which may be absurd, would be the end."""
_BEYOND = 3.0
"""Ranges: far enough to tell another unit from an unusual week, near enough that one absurd value says little."""

_SPREAD = 0.34
"""Standard deviation of √n ∫|Fₙ − F| over ∫√(F(1 − F)), of n independent rows: 0.43 times √(2/π)."""


@dataclass(frozen=True, slots=True, eq=False)
class ShiftScale:
    """Where cells lie: ``edges`` ``(k,)`` between them, drawn in to ``low`` … ``high``, and the usual ``range``.

    ``range`` is that of the middle 96 % of the reference, and a value counts as lying at most three ranges beyond
    it. ``least`` is the standard deviation of √n times the distance of n independent rows. All distances are in ranges.
    """

    edges: Floats
    low: float
    high: float
    range: float
    least: float

    def of_cells(self, parts: NDArray[Any], others: NDArray[Any]) -> Floats:
        """Return the distance of each row of ``parts`` ``(w, k + 2)`` from the same row of ``others``: ``(w,)``.

        Both are counts; the last cell, of missing values, does not count: only what is present has moved. What lies
        above the last edge counts as lying at it (see `beyond`). A row without a present value gives NaN.

        >>> scale = shift_scale(np.array([0.0, 1.0, 2.0]), np.array([1, 1, 1, 0, 0]))
        >>> scale.of_cells(np.array([[0, 0, 3, 0, 9]]), np.array([[3, 0, 0, 0, 0]])).tolist()
        [0.75]
        """
        gap = np.abs(_up_to_edges(parts) - _up_to_edges(others))
        return np.asarray(gap @ _lengths(self.edges), dtype=np.float64) / self.range

    def beyond(self, values: NDArray[Any], weights: NDArray[Any]) -> float:
        """Return how much farther than `of_cells` knows the values ``(n,)`` lie, beyond the first and the last edge."""
        outside = np.clip(values, self.low, self.high) - np.clip(values, self.edges[0], self.edges[-1])
        total = float(np.sum(weights))
        return float(np.abs(outside) @ weights) / total / self.range if total else 0.0


def shift_scale(edges: NDArray[Any], counts: NDArray[Any]) -> ShiftScale | None:
    """Return the scale that the counts ``(k + 2,)`` of a reference set; None of nothing, or of one value alone.

    Of fewer than fifty rows the middle 96 % are all of them. Where these are one value (a rare event), the range is
    from the least value to the greatest.
    """
    if len(edges) <= 2 or not counts[:-1].sum():
        return None
    share = _up_to_edges(counts)[0]
    low, high = (float(edges[min(int(np.searchsorted(share, part)), len(edges) - 1)]) for part in (_TAIL, 1 - _TAIL))
    if high <= low:
        low, high = float(edges[0]), float(edges[-1])
    usual = high - low
    low, high = low - _BEYOND * usual, high + _BEYOND * usual
    drawn = np.clip(edges, low, high)
    least = _SPREAD * float(np.sqrt(share * (1 - share)) @ _lengths(drawn)) / usual
    return ShiftScale(drawn, low, high, usual, least)


def _up_to_edges(counts: NDArray[Any]) -> Floats:
    """Return the share of present values up to each edge, ``(w, k)``."""
    present = np.atleast_2d(np.asarray(counts, dtype=np.float64))[:, :-1]
    total = np.cumsum(present, axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total[:, :-1] / total[:, -1:], dtype=np.float64)


def _lengths(edges: Floats) -> Floats:
    """Return how long a stretch each edge stands for: half of the way to either neighbour."""
    gaps = np.diff(edges)
    return np.asarray((np.r_[0.0, gaps] + np.r_[gaps, 0.0]) / 2, dtype=np.float64)
