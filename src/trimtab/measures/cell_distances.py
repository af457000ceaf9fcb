"""How far many counts over the same cells lie from others, all at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Measure", "cell_distances"]

Floats = NDArray[np.float64]
_GROUPS = 10
_EMPTY_SHARE = 1e-4


class Measure(StrEnum):
    """A distance of two distributions over cells: 0 = the same; all but PSI are at most 1."""

    KS = "ks"
    JS = "js"
    PSI = "psi"


def cell_distances(parts: NDArray[Any], others: NDArray[Any], *, measure: Measure, ordered: bool) -> Floats:
    """Return the distance of each row of ``parts`` ``(w, k + 1)`` from the same row of ``others``: ``(w,)``.

    Both are counts; the last cell holds the missing ones, ``others`` may be one row for all. Of ordered cells (of a
    numeric column) `Measure.KS` is the greatest difference of shares up to a cell, the missing ones last; the
    Jensen–Shannon distance (in bits) and the population stability index (an empty cell counting as 1e-4) group them
    into ten about equally frequent ones of ``others``. Of cells without order `Measure.KS` means Jensen–Shannon, too. A
    row without any count gives NaN.

    >>> cell_distances(np.array([[8, 2, 0]]), np.array([[5, 5, 0]]), measure=Measure.KS, ordered=True).round(3).tolist()
    [0.3]
    """
    parts, others = np.atleast_2d(np.asarray(parts, float)), np.atleast_2d(np.asarray(others, float))
    if ordered and measure is not Measure.KS:
        parts, others = _grouped(parts, others)
    with np.errstate(invalid="ignore"):
        left = parts / parts.sum(axis=1, keepdims=True)
        right = others / others.sum(axis=1, keepdims=True)
    if ordered and measure is Measure.KS:
        return np.asarray(np.abs(np.cumsum(left - right, axis=1)).max(axis=1), dtype=np.float64)
    if measure is Measure.PSI:
        first, second = np.maximum(left, _EMPTY_SHARE), np.maximum(right, _EMPTY_SHARE)
        return np.asarray(((first - second) * np.log(first / second)).sum(axis=1), dtype=np.float64)
    middle = (left + right) / 2
    divergence = (_divergence(left, middle) + _divergence(right, middle)) / 2
    # Rounding may take it a hair below 0; NaN stays NaN.
    return np.sqrt(np.where(divergence < 0, 0.0, divergence))


def _divergence(shares: Floats, middle: Floats) -> Floats:
    middle = np.broadcast_to(middle, np.broadcast_shapes(shares.shape, middle.shape))
    safe = np.where(middle > 0, middle, 1.0)
    ratio = np.where(shares > 0, shares / safe, 1.0)
    return np.asarray((shares * np.log2(ratio)).sum(axis=1), dtype=np.float64)


def _grouped(parts: Floats, others: Floats) -> tuple[Floats, Floats]:
    whole = others[:, :-1].sum(axis=0)
    place = (np.cumsum(whole) - whole / 2) / max(float(whole.sum()), 1.0) * _GROUPS
    # Cells that ``others`` never saw lie with their neighbours; missing ones stay apart.
    first = np.r_[np.clip(place, 0, _GROUPS - 1).astype(np.int64), _GROUPS]
    starts = np.flatnonzero(np.r_[True, np.diff(first) != 0])
    return np.add.reduceat(parts, starts, axis=1), np.add.reduceat(others, starts, axis=1)
