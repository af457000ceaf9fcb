"""How far numbers are from the truth. NaN among the numbers makes the metrics that use them NaN; so do no rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trimtab.measures.answers import Answers, Array, mean, ratio

__all__ = [
    "d2_absolute_error",
    "mae",
    "mape",
    "median_absolute_error",
    "r2",
    "residual_quantiles",
    "rmse",
    "smape",
    "wape",
]


def mape(answers: Answers) -> float:
    """Return mean |truth − prediction| / |truth| over rows with truth ≠ 0, as a fraction (0.2 = 20 %)."""
    nonzero = answers.truth != 0
    truth, prediction = answers.truth[nonzero], answers.prediction[nonzero]
    return mean(np.abs((truth - prediction) / truth))


def smape(answers: Answers) -> float:
    """Return mean 2 |truth − prediction| / (|truth| + |prediction|), 0 to 2; a row of 0 answered by 0 counts as 0."""
    size = np.abs(answers.truth) + np.abs(answers.prediction)
    error = 2 * np.abs(answers.truth - answers.prediction)
    return mean(np.divide(error, size, out=np.zeros_like(error), where=size != 0))


def wape(answers: Answers) -> float:
    """Return Σ|truth − prediction| / Σ|truth|, as a fraction: MAPE's kin that small truths don't dominate."""
    return ratio(float(np.abs(answers.truth - answers.prediction).sum()), float(np.abs(answers.truth).sum()))


def rmse(answers: Answers) -> float:
    """Return the root of the mean squared error, in the target's unit."""
    return float(np.sqrt(mean((answers.truth - answers.prediction) ** 2)))


def mae(answers: Answers) -> float:
    """Return the mean absolute error, in the target's unit."""
    return mean(np.abs(answers.truth - answers.prediction))


def median_absolute_error(answers: Answers) -> float:
    """Return the median absolute error, in the target's unit: what half of the rows stay below."""
    errors = np.abs(answers.truth - answers.prediction)
    return float(np.median(errors)) if len(errors) else float("nan")


def r2(answers: Answers) -> float:
    """Return 1 − Σ(truth − prediction)² / Σ(truth − mean)²; NaN when the truth is constant."""
    if not len(answers.truth):
        return float("nan")
    spread = float(((answers.truth - answers.truth.mean()) ** 2).sum())
    return 1.0 - ratio(float(((answers.truth - answers.prediction) ** 2).sum()), spread)


def d2_absolute_error(answers: Answers) -> float:
    """Return 1 − Σ|truth − prediction| / Σ|truth − median of truth|; NaN when the truth is constant.

    0 is the best that one answer for all rows can have, 1 is no error. As R², but a few huge truths don't decide it.
    """
    if not len(answers.truth):
        return float("nan")
    spread = float(np.abs(answers.truth - np.median(answers.truth)).sum())
    return 1.0 - ratio(float(np.abs(answers.truth - answers.prediction).sum()), spread)


def residual_quantiles(
    truth: Array, prediction: Array, shares: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)
) -> dict[float, float]:
    """Return the quantiles of truth − prediction by share, in the target's unit; empty without rows.

    >>> residual_quantiles(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]), [0.5])
    {0.5: 1.0}
    """
    if not len(truth):
        return {}
    residuals = np.asarray(truth, dtype=np.float64) - np.asarray(prediction, dtype=np.float64)
    return {share: float(value) for share, value in zip(shares, np.quantile(residuals, shares), strict=True)}
