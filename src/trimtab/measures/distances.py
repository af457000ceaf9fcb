"""How far two distributions lie apart, and how far two samples of one distribution may lie by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "chi_square_quantile",
    "chi_square_statistic",
    "counts_between",
    "filled",
    "jensen_shannon",
    "jensen_shannon_critical",
    "ks_critical",
    "ks_of_steps",
    "ks_sorted",
    "psi",
    "psi_critical",
    "shares",
    "sturges_edges",
]

Floats = NDArray[np.float64]
_EMPTY_SHARE = 1e-4


def ks_sorted(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the two-sample Kolmogorov–Smirnov distance ``sup |F₁ − F₂|`` of two ascending samples, ``(n,)``, ``(m,)``.

    NaN when one is empty.

    >>> ks_sorted(np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    0.5
    """
    return ks_of_steps(first, np.ones(len(first)), second, np.ones(len(second)))


def ks_of_steps(
    first: NDArray[Any], first_weights: NDArray[Any], second: NDArray[Any], second_weights: NDArray[Any]
) -> float:
    """Return ``sup |F₁ − F₂|`` of two step functions given by ascending values ``(n,)`` and their weights ``(n,)``.

    That is what a sketch holds. NaN when one is empty.

    >>> ks_of_steps(np.array([1.0]), np.array([10]), np.array([1.0, 5.0]), np.array([1, 3]))
    0.75
    """
    if not len(first) or not len(second):
        return float("nan")
    grid = np.concatenate([first, second])
    return float(np.max(np.abs(_step(first, first_weights, grid) - _step(second, second_weights, grid))))


def _step(values: NDArray[Any], weights: NDArray[Any], grid: NDArray[Any]) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    return np.asarray(total[np.searchsorted(values, grid, side="right")] / total[-1], dtype=np.float64)


def ks_critical(rows: float, reference_rows: float, alpha: float) -> float:
    """Return the KS distance that two samples of one distribution exceed with a chance of at most about ``alpha``.

    ``√(−½ ln(α/2) · (1/n + 1/m))``, Smirnov's asymptotic bound [1]; row counts may be effective ones (not whole). 1
    when a sample is empty.

    [1] N. Smirnov, "Table for estimating the goodness of fit of empirical distributions", Ann. Math. Stat. 19 (1948).

    >>> round(ks_critical(100, 100, 0.05), 3)
    0.192
    """
    if rows <= 0 or reference_rows <= 0:
        return 1.0
    return min(1.0, math.sqrt(-0.5 * math.log(alpha / 2) * (1 / rows + 1 / reference_rows)))


def shares(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return the shares of every category that occurs in either count, aligned: two arrays ``(k,)`` that sum to 1.

    An empty count gives NaN shares.

    >>> [part.tolist() for part in shares({"a": 1, "b": 1}, {"b": 3})]
    [[0.5, 0.5], [0.0, 1.0]]
    """
    names = sorted({*first, *second})
    left = np.array([first.get(name, 0) for name in names], dtype=np.float64)
    right = np.array([second.get(name, 0) for name in names], dtype=np.float64)
    return _normal(left), _normal(right)


def _normal(counts: Floats) -> Floats:
    total = counts.sum()
    return counts / total if total > 0 else np.full(len(counts), np.nan)


def psi(first: Floats, second: Floats) -> float:
    """Return the population stability index ``Σ (p − q) ln(p / q)`` of two aligned shares, ``(k,)``.

    Empty cells count as 1e-4, so that the index stays finite. NaN for empty input.

    >>> round(psi(np.array([0.5, 0.5]), np.array([0.9, 0.1])), 3)
    0.879
    """
    if not len(first):
        return float("nan")
    left, right = np.maximum(first, _EMPTY_SHARE), np.maximum(second, _EMPTY_SHARE)
    return float(np.sum((left - right) * np.log(left / right)))


def filled(part: Floats) -> Floats:
    """Return shares ``(k,)`` where empty cells count as 1e-4; as a millionth of the least if that is no more.

    So does Evidently before it takes a population stability index. All cells empty: unchanged.
    """
    held = part[part > 0]
    if not len(held):
        return part
    least = float(held.min())
    return np.where(part > 0, part, least / 1e6 if least <= _EMPTY_SHARE else _EMPTY_SHARE)


def sturges_edges(low: float, high: float, rows: int) -> Floats:
    """Return the edges of ``⌈log₂ n⌉ + 1`` equally wide bins from ``low`` to ``high``, by Sturges' rule [1].

    Equal to ``numpy.histogram_bin_edges(values, "sturges")``. One bin about a constant; none (no edge) without rows.

    [1] H. A. Sturges, "The choice of a class interval", J. Am. Stat. Assoc. 21 (1926).

    >>> sturges_edges(0.0, 10.0, 16).tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if rows < 1 or not low <= high:
        return np.empty(0)
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    return np.linspace(low, high, math.ceil(math.log2(rows) + 1) + 1)


def counts_between(values: NDArray[Any], weights: NDArray[Any], edges: Floats) -> Floats:
    """Return how much weight lies in each bin, ``(len(edges) − 1,)``; only the last one holds its upper edge."""
    return np.histogram(values, edges, weights=weights)[0].astype(np.float64)


def chi_square_statistic(counts: Floats, expected: Floats) -> float:
    """Return Pearson's ``Σ (n − e)²/e`` of counts ``(k,)`` against expected ones, which are scaled to the same sum.

    Infinite when something came that was never expected. NaN when either is empty.

    >>> chi_square_statistic(np.array([60.0, 40.0]), np.array([10.0, 10.0]))
    4.0
    """
    total = expected.sum()
    if not total or not counts.sum():
        return math.nan
    wanted = expected * (counts.sum() / total)
    held = wanted > 0
    if (counts[~held] > 0).any():
        return math.inf
    return float((np.square(counts[held] - wanted[held]) / wanted[held]).sum())


def jensen_shannon(first: Floats, second: Floats) -> float:
    """Return the Jensen–Shannon distance of two aligned shares, ``(k,)``: 0 = same, 1 = nothing in common.

    ``√(½ KL(p‖m) + ½ KL(q‖m))`` with ``m = (p + q)/2`` and logarithms to base 2. NaN for empty input.

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    if not len(first):
        return float("nan")
    middle = (first + second) / 2
    divergence = (_divergence(first, middle) + _divergence(second, middle)) / 2
    # Rounding may take it a hair below 0. The order matters: max(0.0, NaN) would be 0, and NaN mean "the same".
    return math.sqrt(max(divergence, 0.0))


def _divergence(part: Floats, whole: Floats) -> float:
    if np.isnan(part).any() or np.isnan(whole).any():
        return float("nan")
    held = part > 0
    return float(np.sum(part[held] * np.log2(part[held] / whole[held])))


def chi_square_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of χ² by Wilson and Hilferty's approximation [1], within about 1 % for 3 degrees and more.

    [1] E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", PNAS 17 (1931).

    >>> round(chi_square_quantile(0.95, 10), 1)
    18.3
    """
    if degrees < 1:
        return 0.0
    if degrees == 1:  # χ²₁ is a squared normal: exact, where the approximation is at its worst
        return float(NormalDist().inv_cdf((1 + probability) / 2) ** 2)
    spread = 2 / (9 * degrees)
    return float(degrees * max(0.0, 1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3)


def psi_critical(rows: float, reference_rows: float, cells: int, alpha: float) -> float:
    """Return the PSI that two samples of one distribution over ``cells`` exceed with a chance of about ``alpha``.

    To second order PSI is ``Σ (p − q)²/p``, which is ``(1/n + 1/m) χ²(k − 1)`` by chance [1].

    [1] B. Yurdakul, "Statistical properties of population stability index", Western Michigan University (2018).
    """
    if rows <= 0 or reference_rows <= 0:
        return float("inf")
    return (1 / rows + 1 / reference_rows) * chi_square_quantile(1 - alpha, cells - 1)


def jensen_shannon_critical(rows: float, reference_rows: float, cells: int, alpha: float) -> float:
    """Return the Jensen–Shannon distance that two samples of one distribution exceed with a chance of about ``alpha``.

    To second order the divergence (in bits) is ``Σ (p − q)²/p`` over ``8 ln 2``.

    >>> round(jensen_shannon_critical(100, 100, 2, 0.05), 3)
    0.118
    """
    return min(1.0, math.sqrt(psi_critical(rows, reference_rows, cells, alpha) / (8 * math.log(2))))
