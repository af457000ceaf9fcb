"""Metrics of many confusion matrices at once: of each draw of a bootstrap, of each segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFUSION_METRICS", "metric_of_confusions"]

Floats = NDArray[np.float64]

CONFUSION_METRICS = frozenset(
    {"accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "mcc", "precision", "recall"}
)
"""The metrics that need nothing but how often each class was answered by each."""


def metric_of_confusions(metric: str, counts: Floats, positive: int | None) -> Floats:
    """Return ``metric`` of each confusion matrix in ``counts`` ``(R, K, K)``, truth by answer: ``(R,)``, as `evaluate`.

    ``positive``: the place of the positive class (−1: it occurs nowhere), None for multi-class, where precision,
    recall and F1 are means over the classes that occur. NaN where the metric is undefined.

    >>> metric_of_confusions("recall", np.array([[[3.0, 1.0], [2.0, 6.0]]]), 1).tolist()
    [0.75]
    """
    both = np.diagonal(counts, axis1=1, axis2=2)
    was, said = counts.sum(axis=2), counts.sum(axis=1)
    rows = was.sum(axis=1)
    if metric == "accuracy":
        return _over(both.sum(axis=1), rows)
    if metric == "balanced_accuracy":
        return _over(_share(both, was).sum(axis=1), (was > 0).sum(axis=1))
    if metric == "mcc":
        return _mcc(both, was, said, rows)
    if metric == "f1_weighted":
        return _over((_share(2 * both, was + said) * was).sum(axis=1), rows)
    below = {"precision": said, "recall": was}.get(metric, was + said)
    above = both if metric in {"precision", "recall"} else 2 * both
    if positive is None or metric == "f1_macro":
        return _over(_share(above, below).sum(axis=1), (was + said > 0).sum(axis=1))
    if positive < 0:
        return np.full(len(counts), np.nan)
    return _over(above[:, positive], below[:, positive])


def _mcc(both: Floats, was: Floats, said: Floats, rows: Floats) -> Floats:
    spread = np.sqrt(np.maximum(rows**2 - (was**2).sum(axis=1), 0) * np.maximum(rows**2 - (said**2).sum(axis=1), 0))
    found = np.divide(
        both.sum(axis=1) * rows - (was * said).sum(axis=1), spread, out=np.zeros(len(rows)), where=spread > 0
    )
    return np.asarray(np.where(rows > 0, found, np.nan), dtype=np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0), dtype=np.float64)


def _over(above: Floats, below: Floats) -> Floats:
    found = np.divide(above, below, out=np.full(len(above), np.nan), where=np.asarray(below) > 0)
    return np.asarray(found, dtype=np.float64)
