"""How far numbers will be found from the truth, from the losses that a model of the losses expects of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.measures.confidence_based import Estimate

__all__ = ["NUMBER_ESTIMATES", "estimated_loss"]

NUMBER_ESTIMATES = frozenset({"mae", "rmse", "wape"})
"""The metrics of numbers that can be estimated from expected losses."""


def estimated_loss(
    metric: str, expected: NDArray[Any], squares: NDArray[Any], prediction: NDArray[Any]
) -> Estimate | None:
    """Return a metric of n rows as the expected losses of each let expect it; None for a metric that they cannot give.

    ``expected`` ``(n,)``: the |error| that a second model expects, ``squares`` ``(n,)`` its square; negative ones,
    which a model may give, count as 0. MAE is their mean, RMSE the root of the squares' mean; WAPE takes Σ|prediction|
    for Σ|truth|, which is right as long as the answers are so on the whole. The error is that of n independent rows
    with errors of the expected squares; of the root, with normal errors.

    >>> estimate = estimated_loss("rmse", np.array([1.0, 1.0]), np.array([1.0, 4.0]), np.array([10.0, 10.0]))
    >>> round(estimate.value, 3)
    1.581
    """
    if metric not in NUMBER_ESTIMATES:
        return None
    if not len(expected):
        return Estimate(float("nan"), float("nan"))
    sizes, squared = np.maximum(expected, 0.0), np.maximum(squares, 0.0)
    rows = len(sizes)
    if metric == "rmse":
        root = float(np.sqrt(squared.mean()))
        spread = float(np.sqrt(2 * (squared**2).sum()) / rows)
        return Estimate(root, spread / (2 * root) if root else 0.0)
    error = float(np.sqrt(np.maximum(squared - sizes**2, 0.0).sum()) / rows)
    scale = 1.0 if metric == "mae" else float(np.abs(prediction).mean())
    if not scale:
        return Estimate(float("nan"), float("nan"))
    return Estimate(float(sizes.mean()) / scale, error / scale)
