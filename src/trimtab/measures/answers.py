"""Rows to be judged: what was true, what was answered, and with which probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task

__all__ = ["Answers", "Array", "mean", "ratio"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """Arrays of one length ``(n,)``, classes as strings, numbers as floats.

    ``probability`` is that of ``positive_class`` (binary) or of the predicted class (multi-class). ``probabilities``
    ``(n, K)`` are those of ``classes``, None where they were not kept.
    """

    task: Task
    truth: Array
    prediction: Array
    probability: Array | None
    positive_class: str | None
    probabilities: Array | None = None
    classes: tuple[str, ...] = ()


def ratio(above: float, below: float) -> float:
    """Return the quotient; NaN where the denominator is 0."""
    return above / below if below else float("nan")


def mean(values: Array) -> float:
    """Return the mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
