"""What is to be learnt: the task, its classes, and the names of the metrics that judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task

__all__ = ["Answer", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """The task as estimators and metrics need it. ``classes`` are sorted; a target is a class's place among them.

    ``weighted``: rare classes weigh more in the fit. ``threshold``: probability from which the answer to a binary task
    is the positive class.
    """

    task: Task
    classes: tuple[str, ...]
    positive_class: str | None
    metrics: tuple[str, ...]
    primary: str
    transform: str
    weighted: bool = False
    threshold: float = 0.5

    @property
    def positive_place(self) -> int | None:
        """Where the positive class stands, for binary tasks."""
        return None if self.positive_class is None else self.classes.index(self.positive_class)

    def truth(self, target: NDArray[Any]) -> NDArray[Any]:
        """Return the target as metrics want it: class names, or the values."""
        return np.array(self.classes)[target] if self.task.is_classification else target

    def read(self, raw: NDArray[np.float64]) -> Answer:
        """Return what raw outputs mean: probabilities (n, K) for classes, values (n,) for regression."""
        if not self.task.is_classification:
            return Answer(raw=raw, prediction=raw, probability=None)
        place = self.positive_place
        if place is not None:
            probability = raw[:, place]
            chosen = np.where(probability >= self.threshold, place, 1 - place)
        else:
            chosen = raw.argmax(axis=1)
            probability = raw[np.arange(len(raw)), chosen]
        return Answer(raw=raw, prediction=np.array(self.classes)[chosen], probability=probability)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers of an estimator to n rows, read as `Predictions` of the bundle are.

    ``raw`` float64 (n, K) or (n,); ``prediction`` (n,) class names or values; ``probability`` (n,) of the positive
    class (binary) or of the predicted one (multi-class), None for regression.
    """

    raw: NDArray[np.float64]
    prediction: NDArray[Any]
    probability: NDArray[np.float64] | None
