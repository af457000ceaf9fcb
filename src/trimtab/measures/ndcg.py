"""Whether features matter in the order in which they did: rank agreement of attributions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rank_agreement"]


def rank_agreement(now: NDArray[Any], then: NDArray[Any]) -> float:
    """Return how far the ranking of features ``now`` keeps those on top that were ``then``: nDCG, in 0..1.

    ``Σ_i a(π_now(i)) / log₂(i + 1) ÷ Σ_i a(π_then(i)) / log₂(i + 1)``, i = 1 … F, where a is what each feature
    contributed then, and π ranks features by their contribution, greatest first, equal ones in the given order [1].
    Both have shape ``(F,)``, not negative. 1: the same order. NaN where there is no feature, a contribution is NaN, or
    nothing contributed then.

    [1] Amazon SageMaker Clarify, "Feature attribution drift"; K. Järvelin, J. Kekäläinen, ACM TOIS 20 (2002).

    >>> rank_agreement(np.array([0.5, 0.3, 0.2]), np.array([5, 3, 2]))
    1.0
    >>> round(rank_agreement(np.array([0.2, 0.3, 0.5]), np.array([5, 3, 2])), 4)
    0.81
    """
    gains = np.asarray(then, dtype=np.float64)
    ranked = np.asarray(now, dtype=np.float64)
    if not len(gains) or not np.isfinite(ranked).all() or not gains.sum() > 0:
        return float("nan")
    discount = 1 / np.log2(np.arange(2, len(gains) + 2))
    best = float(np.sort(gains)[::-1] @ discount)
    return float(gains[np.argsort(-ranked, kind="stable")] @ discount) / best
