"""How good a classifier's answers would be found if its own probabilities are true: an estimate without labels.

It knows nothing of concept drift: where the meaning of the inputs has changed, the probabilities are wrong, and so is
what is computed from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.measures.confusions import CONFUSION_METRICS, metric_of_confusions

__all__ = ["BINARY_ESTIMATES", "Estimate", "estimated_accuracy", "estimated_metric"]

Floats = NDArray[np.float64]

_SMALLEST_CHANCE = 1e-15


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric as it is to be expected, and by how much (one standard deviation) chance alone moves the realised one.

    NaN where it is undefined: without rows, ROC AUC where all rows are sure to be of one class.
    """

    value: float
    error: float


def estimated_metric(metric: str, chance: NDArray[Any], answered: NDArray[np.bool_]) -> Estimate | None:
    """Return a binary metric as calibrated probabilities let expect it [1]; None for a metric that it has no way to.

    ``chance`` ``(n,)``: of the positive class, NaN-free; ``answered`` ``(n,)``: whether the answer was the positive
    class. The truth of a row is taken as drawn with its ``chance``, whatever its neighbours': the expected confusion is
    TP = Σ p [answered], FP = Σ (1 − p) [answered], FN = Σ p [not], TN = Σ (1 − p) [not], and a metric of the confusion
    is computed from it. ROC AUC is Σ_{i≠j} p_i (1 − p_j) ([p_i > p_j] + ½ [p_i = p_j]) / Σ_{i≠j} p_i (1 − p_j).

    [1] J. Białek, W. Kuberski, N. Perrakis, A. Bifet, "Estimating model performance under covariate shift without
    labels", arXiv 2401.08348: confidence-based performance estimation.

    >>> estimate = estimated_metric("accuracy", np.array([0.9, 0.2, 0.6, 0.6]), np.array([True, False, True, True]))
    >>> round(estimate.value, 3), round(estimate.error, 3)
    (0.725, 0.214)
    """
    if metric not in BINARY_ESTIMATES:
        return None
    if not len(chance):
        return Estimate(float("nan"), float("nan"))
    sure = np.asarray(chance, dtype=np.float64)
    if metric in CONFUSION_METRICS:
        return _of_confusion(metric, sure, np.asarray(answered, dtype=np.bool_))
    return _ROW_BY_ROW[metric](sure)


def estimated_accuracy(chance: NDArray[Any]) -> Estimate:
    """Return the accuracy to expect of answers whose own calibrated probabilities are ``chance`` ``(n,)``.

    The mean, with √(Σ p (1 − p)) / n. Of several classes' metrics it is the only one that the probabilities of the
    answers alone can give.

    >>> estimated_accuracy(np.array([0.5, 0.9])).value
    0.7
    """
    if not len(chance):
        return Estimate(float("nan"), float("nan"))
    return Estimate(float(np.mean(chance)), float(np.sqrt(np.sum(chance * (1 - chance))) / len(chance)))


def _of_confusion(metric: str, chance: Floats, answered: NDArray[np.bool_]) -> Estimate:
    hits, misses = float(chance[answered].sum()), float(chance[~answered].sum())
    spread = chance * (1 - chance)
    spreads = float(np.sqrt(spread[answered].sum())), float(np.sqrt(spread[~answered].sum()))
    said, unsaid = float(answered.sum()), float((~answered).sum())

    def at(found: float, missed: float) -> float:
        counts = np.array([[[unsaid - missed, said - found], [missed, found]]])
        return float(metric_of_confusions(metric, counts, 1)[0])

    # Hits and misses are independent: how far one standard deviation of each moves the metric makes its error.
    moved = (
        _slope(lambda found: at(found, misses), hits, spreads[0], said) * spreads[0],
        _slope(lambda missed: at(hits, missed), misses, spreads[1], unsaid) * spreads[1],
    )
    return Estimate(at(hits, misses), float(np.hypot(*moved)))


def _slope(function: Callable[[float], float], middle: float, step: float, greatest: float) -> float:
    low, high = max(middle - step, 0.0), min(middle + step, greatest)
    return (function(high) - function(low)) / (high - low) if high > low else 0.0


def _log_loss(chance: Floats) -> Estimate:
    sure = np.clip(chance, _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE)
    odds = np.log(sure) - np.log1p(-sure)
    loss = -(sure * np.log(sure) + (1 - sure) * np.log1p(-sure))
    return Estimate(float(loss.mean()), float(np.sqrt((sure * (1 - sure) * odds**2).sum()) / len(sure)))


def _brier(chance: Floats) -> Estimate:
    spread = chance * (1 - chance)
    return Estimate(float(spread.mean()), float(np.sqrt((spread * (1 - 2 * chance) ** 2).sum()) / len(chance)))


def _roc_auc(chance: Floats) -> Estimate:
    ranked = np.sort(chance)
    first = np.searchsorted(ranked, ranked, side="left")
    after = np.searchsorted(ranked, ranked, side="right")
    positive, negative = np.r_[0.0, np.cumsum(ranked)], np.r_[0.0, np.cumsum(1 - ranked)]
    # What each row wins against the others if it is positive, and yields to them if it is negative.
    wins = (negative[first] + negative[after] - (1 - ranked)) / 2
    yields = (2 * positive[-1] - positive[first] - positive[after] - ranked) / 2
    pairs = positive[-1] * negative[-1] - float((ranked * (1 - ranked)).sum())
    if pairs <= 0:
        return Estimate(float("nan"), float("nan"))
    area = float((ranked * wins).sum()) / pairs
    others = (negative[-1] - (1 - ranked)) - (positive[-1] - ranked)
    slope = (wins - yields - area * others) / pairs
    return Estimate(area, float(np.sqrt((ranked * (1 - ranked) * slope**2).sum())))


_ROW_BY_ROW: dict[str, Callable[[Floats], Estimate]] = {"roc_auc": _roc_auc, "log_loss": _log_loss, "brier": _brier}

BINARY_ESTIMATES = frozenset(CONFUSION_METRICS | _ROW_BY_ROW.keys())
"""The metrics of two classes that can be estimated from probabilities."""
