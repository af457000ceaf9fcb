"""Curves of a binary score: ROC, precision over recall, reliability. Thinned, so that a page can hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curve", "Reliability", "precision_recall_curve", "reliability", "roc_curve"]

_MAX_POINTS = 400


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (m,) of a curve from left to right, at most 400."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of each bin that has rows (b,): the mean score, the share that was positive, and the number of rows."""

    score: NDArray[np.float64]
    share: NDArray[np.float64]
    rows: NDArray[np.int64]


def roc_curve(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Curve | None:
    """Return the true positive rate (y) over the false positive rate (x), from (0, 0) to (1, 1).

    Rows of one score are one step. None where one class is absent.

    >>> curve = roc_curve(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]))
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 1.0], [0.0, 0.5, 1.0])
    """
    hits, misses = _counts(positive, score)
    if hits[-1] == 0 or misses[-1] == 0:
        return None
    return _thinned(np.r_[0.0, misses / misses[-1]], np.r_[0.0, hits / hits[-1]])


def precision_recall_curve(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Curve | None:
    """Return precision (y) over recall (x), by falling threshold; None where no row is positive.

    >>> curve = precision_recall_curve(np.array([False, True, True]), np.array([0.5, 0.2, 0.9]))
    >>> curve.x.tolist(), curve.y.round(2).tolist()
    ([0.5, 0.5, 1.0], [1.0, 0.5, 0.67])
    """
    hits, misses = _counts(positive, score)
    if hits[-1] == 0:
        return None
    return _thinned(hits / hits[-1], hits / (hits + misses))


def reliability(positive: NDArray[np.bool_], score: NDArray[np.float64], *, bins: int = 10) -> Reliability:
    """Return how often rows were positive, by equal bins of their score in 0..1; bins without rows are left out.

    >>> found = reliability(np.array([False, True, True]), np.array([0.05, 0.05, 0.95]))
    >>> found.score.tolist(), found.share.tolist(), found.rows.tolist()
    ([0.05, 0.95], [0.5, 1.0], [2, 1])
    """
    place = np.clip((score * bins).astype(np.int64), 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    used = rows > 0
    sums = np.bincount(place, weights=score, minlength=bins)[used]
    hits = np.bincount(place, weights=positive.astype(np.float64), minlength=bins)[used]
    return Reliability(sums / rows[used], hits / rows[used], rows[used].astype(np.int64))


def _counts(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many positive and other rows score at least each distinct value, from the highest on."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]
    hits = np.cumsum(positive[order].astype(np.float64))[ends]
    return hits, ends + 1.0 - hits


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    if len(x) <= _MAX_POINTS:
        return Curve(x, y)
    kept = np.unique(np.linspace(0, len(x) - 1, _MAX_POINTS).astype(np.int64))
    return Curve(x[kept], y[kept])
