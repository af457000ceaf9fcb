"""Since when: the contiguous periods of a window that differ most from its other periods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["changed_periods"]

_COARSE = 256


def changed_periods(
    weights: NDArray[Any], levels: NDArray[Any], *, normal: float, spread: float
) -> NDArray[np.bool_] | None:
    """Return which periods are affected, ``(p,)``, or None when none stand out from the others.

    Period i has ``weights[i]`` rows whose mean is ``levels[i]`` (NaN without rows); ``normal`` is the mean without a
    change, ``spread`` the standard deviation of a row's level (times √memory for rows that are alike). Among all
    contiguous stretches [a, b) the one is taken that maximises ``|mean inside − mean outside| · √(w_in w_out / w)``
    [1]; a stretch that ends inside the window must beat the best one that reaches an edge by 15 %. Of the two sides
    the one farther from ``normal`` is the affected one. Chance alone stays below ``spread · (√(2 ln p²) + 0.5)``.

    [1] B. Levin, J. Kline, "The cusum test of homogeneity", Statistics in Medicine 4 (1985).

    >>> level = np.array([0.5, 0.5, 0.5, 0.0, 0.0])
    >>> changed_periods(np.full(5, 20), level, normal=0.5, spread=0.3).tolist()
    [False, False, False, True, True]
    """
    held = np.isfinite(levels) & (weights > 0)
    count = len(levels)
    if held.sum() < 2:
        return None
    rows = np.concatenate([[0.0], np.cumsum(np.where(held, weights, 0.0))])
    sums = np.concatenate([[0.0], np.cumsum(np.where(held, weights * np.nan_to_num(levels), 0.0))])
    begin, end, strength = _strongest(rows, sums)
    if strength <= spread * (math.sqrt(4 * math.log(max(count, 2))) + 0.5):
        return None
    inside = np.zeros(count, dtype=np.bool_)
    inside[begin:end] = True
    within = (sums[end] - sums[begin]) / (rows[end] - rows[begin])
    without = (sums[-1] - sums[end] + sums[begin]) / (rows[-1] - rows[end] + rows[begin])
    return inside if abs(within - normal) >= abs(without - normal) else ~inside


def _strongest(rows: NDArray[np.float64], sums: NDArray[np.float64]) -> tuple[int, int, float]:
    count = len(rows) - 1
    edges = np.arange(count + 1)
    single = _strength(rows, sums, np.zeros(1, dtype=np.int64), edges)[0]
    end = int(np.argmax(single))
    best = (0, end, float(single[end]))
    step = max(1, math.ceil(count / _COARSE))
    coarse = np.unique(np.append(edges[::step], count))
    grid = _strength(rows, sums, coarse, coarse)
    first, last = (int(coarse[place]) for place in np.unravel_index(int(np.argmax(grid)), grid.shape))
    near_first, near_last = (edges[max(0, at - step) : at + step + 1] for at in (first, last))
    fine = _strength(rows, sums, near_first, near_last)
    place = np.unravel_index(int(np.argmax(fine)), fine.shape)
    stretch = (int(near_first[place[0]]), int(near_last[place[1]]), float(fine[place]))
    return stretch if stretch[2] > 1.15 * best[2] else best


def _strength(
    rows: NDArray[np.float64], sums: NDArray[np.float64], begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the contrast of every stretch [begin, end), shape ``(len(begins), len(ends))``; 0 where there is none."""
    inner = rows[ends][None, :] - rows[begins][:, None]
    outer = rows[-1] - inner
    gain = sums[ends][None, :] - sums[begins][:, None] - inner * (sums[-1] / rows[-1])
    valid = (ends[None, :] > begins[:, None]) & (inner > 0) & (outer > 0)
    weight = np.where(valid, inner * outer / rows[-1], 1.0)
    # Mean inside less mean outside is gain · w / (w_in · w_out); times √(w_in w_out / w).
    return np.where(valid, np.abs(gain) / np.sqrt(weight), 0.0)
