"""How far the mass of one distribution must be moved to make another: the first Wasserstein distance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["wasserstein_of_steps"]


def wasserstein_of_steps(
    first: NDArray[Any],
    first_weights: NDArray[Any],
    second: NDArray[Any],
    second_weights: NDArray[Any],
    *,
    low: float = -math.inf,
    high: float = math.inf,
) -> float:
    """Return ``∫ |F₁ − F₂|`` from ``low`` to ``high`` of two step functions, in the values' own unit.

    Each is given by ascending values ``(n,)`` and their weights ``(n,)``, as a sketch holds them. Without bounds it is
    the first Wasserstein (earth mover's) distance [1]. A sketch bounds the error of a rank, not that of a value: where
    tails reach far, bounds keep what it cannot know out. NaN when one is empty.

    [1] A. Ramdas, N. García Trillos, M. Cuturi, "On Wasserstein two-sample testing", Entropy 19 (2017).

    >>> wasserstein_of_steps(np.array([0.0, 1.0]), np.ones(2), np.array([5.0, 6.0]), np.ones(2))
    5.0
    >>> wasserstein_of_steps(np.array([0.0]), np.ones(1), np.array([0.0, 1e9]), np.array([3, 1]), high=8.0)
    2.0
    """
    if not len(first) or not len(second):
        return math.nan
    inner = np.concatenate([first, second, [bound for bound in (low, high) if math.isfinite(bound)]])
    edges = np.unique(np.clip(inner, low, high))
    gaps = np.abs(_share_up_to(first, first_weights, edges) - _share_up_to(second, second_weights, edges))
    return float(gaps[:-1] @ np.diff(edges))


def _share_up_to(values: NDArray[Any], weights: NDArray[Any], grid: NDArray[Any]) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    return np.asarray(total[np.searchsorted(values, grid, side="right")] / total[-1], dtype=np.float64)
