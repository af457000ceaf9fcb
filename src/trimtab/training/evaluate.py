"""How good answers are: metrics, confusion matrix, and what both look like in a run's record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from trimtab.measures.class_metrics import ClassScore, class_scores
from trimtab.measures.metrics import confusion_matrix, evaluate
from trimtab.training.problem import Answer, Problem

__all__ = ["Confusion", "confusion_of", "finite", "metrics_of", "per_class_of"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """``counts[i][j]``: how often class ``labels[i]`` was answered by ``labels[j]``."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def metrics_of(problem: Problem, target: NDArray[Any], answer: Answer) -> dict[str, float]:
    """Return the problem's metrics; those that are undefined on these rows are left out."""
    values = evaluate(
        problem.task,
        problem.metrics,
        problem.truth(target),
        answer.prediction,
        answer.probability,
        positive_class=problem.positive_class,
        probabilities=answer.raw if problem.task.is_classification else None,
        classes=problem.classes,
    )
    return finite(values)


def confusion_of(problem: Problem, target: NDArray[Any], answer: Answer) -> Confusion | None:
    """Return the confusion matrix, or None for regression."""
    if not problem.task.is_classification:
        return None
    labels, counts = confusion_matrix(problem.truth(target), answer.prediction)
    return Confusion(tuple(labels), tuple(tuple(int(count) for count in row) for row in counts))


def per_class_of(problem: Problem, target: NDArray[Any], answer: Answer) -> tuple[ClassScore, ...]:
    """Return precision, recall and F1 of each class; nothing for regression."""
    return class_scores(problem.truth(target), answer.prediction) if problem.task.is_classification else ()


def finite(values: dict[str, float]) -> dict[str, float]:
    """Return the entries that are numbers.

    >>> finite({"f1": 0.5, "roc_auc": float("nan")})
    {'f1': 0.5}
    """
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
