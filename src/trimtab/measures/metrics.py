"""How good predictions are: each metric under one name, for one kind of task, with one direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError
from trimtab.measures import class_metrics, number_metrics
from trimtab.measures.answers import Answers, Array
from trimtab.measures.class_codes import class_codes

__all__ = [
    "METRICS",
    "Answers",
    "Metric",
    "confusion_matrix",
    "evaluate",
    "higher_is_better",
    "is_better",
    "row_losses",
]

_CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})
_NUMBERS = frozenset({Task.REGRESSION})


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, what it is for, and which way is up."""

    name: str
    tasks: frozenset[Task]
    higher_is_better: bool
    compute: Callable[[Answers], float]


def evaluate(
    task: Task,
    names: Sequence[str],
    truth: Array,
    prediction: Array,
    probability: Array | None,
    *,
    positive_class: str | None,
    probabilities: Array | None = None,
    classes: Sequence[str] = (),
) -> dict[str, float]:
    """Return each named metric of predictions against the truth; all arrays have shape ``(n,)``.

    ``probability`` is that of the positive class (binary) or of the predicted one. ``probabilities`` ``(n, K)``, those
    of ``classes``, are what multi-class ``roc_auc``, ``log_loss`` and ``brier`` need.

    A metric is NaN where it is undefined: no rows, no probability, ROC AUC with one class only, MAPE with no truth
    but zero. NaN among the numbers makes the metrics that use them NaN.

    Raises:
        ConfigError: a name is unknown or not for this task, lengths differ, or a binary task has no positive class.

    >>> truth, prediction = np.array([1.0, 4.0]), np.array([2.0, 4.0])
    >>> evaluate(Task.REGRESSION, ["mae", "mape"], truth, prediction, None, positive_class=None)
    {'mae': 0.5, 'mape': 0.5}
    """
    answers = _answers(task, truth, prediction, probability, positive_class)
    if probabilities is not None:
        if probabilities.shape != (len(truth), len(classes)):
            raise ConfigError(
                f"evaluation: probabilities of shape {probabilities.shape}, expected {(len(truth), len(classes))} "
                "(rows, classes); pass one column a class"
            )
        answers = replace(answers, probabilities=_numbers(probabilities), classes=tuple(classes))
    return {name: float(_metric_for(name, task).compute(answers)) for name in names}


def higher_is_better(name: str) -> bool:
    """Return whether a larger value of the metric means better predictions.

    Raises:
        ConfigError: the name is unknown.

    >>> higher_is_better("f1"), higher_is_better("rmse")
    (True, False)
    """
    return _metric(name).higher_is_better


def is_better(name: str, candidate: float, current: float, min_gain: float = 0.0) -> bool:
    """Return whether ``candidate`` beats ``current`` by more than ``min_gain`` (in the metric's unit).

    NaN is never better; anything beats NaN.

    Raises:
        ConfigError: the name is unknown.

    >>> is_better("mape", 0.2, 0.3), is_better("f1", 0.81, 0.80, min_gain=0.02), is_better("f1", float("nan"), 0.1)
    (True, False, False)
    """
    sign = 1.0 if higher_is_better(name) else -1.0
    if np.isnan(candidate):
        return False
    return bool(np.isnan(current) or sign * (candidate - current) > min_gain)


def confusion_matrix(truth: Array, prediction: Array) -> tuple[list[str], NDArray[np.int64]]:
    """Return the labels that occur, sorted, and how often row label (truth) was answered by column label: ``(k, k)``.

    >>> labels, counts = confusion_matrix(np.array(["a", "b", "b"]), np.array(["a", "a", "b"]))
    >>> labels, counts.tolist()
    (['a', 'b'], [[1, 0], [1, 1]])
    """
    labels, codes = class_codes(np.concatenate([_text(truth), _text(prediction)]))
    size, rows = len(labels), len(truth)
    cells = codes[:rows] * size + codes[rows:]
    counts = np.bincount(cells, minlength=size * size).reshape(size, size)
    return [str(label) for label in labels], counts.astype(np.int64)


def row_losses(
    task: Task, truth: Array, prediction: Array, probability: Array | None, positive_class: str | None
) -> NDArray[np.float64]:
    """Return each row's loss, ``(n,)``: the absolute error of a number, 0 or 1 for a class.

    Lower is better; for paired comparison of two models on the same rows.

    Raises:
        ConfigError: lengths differ, or a binary task has no positive class.

    >>> row_losses(Task.BINARY, np.array(["y", "n"]), np.array(["y", "y"]), None, "y").tolist()
    [0.0, 1.0]
    """
    answers = _answers(task, truth, prediction, probability, positive_class)
    if task is Task.REGRESSION:
        return np.asarray(np.abs(answers.truth - answers.prediction), dtype=np.float64)
    return np.asarray(answers.truth != answers.prediction, dtype=np.float64)


def _answers(
    task: Task, truth: Array, prediction: Array, probability: Array | None, positive_class: str | None
) -> Answers:
    lengths = {len(truth), len(prediction)} | ({len(probability)} if probability is not None else set())
    if len(lengths) > 1:
        raise ConfigError(
            f"evaluation: {len(truth)} truths, {len(prediction)} predictions; expected as many; join them first"
        )
    if task is Task.BINARY and positive_class is None:
        raise ConfigError("evaluation: task binary without positive_class; name the class that counts as 'yes'")
    read = _numbers if task is Task.REGRESSION else _text
    chances = None if probability is None else _numbers(probability)
    return Answers(task, read(truth), read(prediction), chances, positive_class)


def _metric(name: str) -> Metric:
    if name not in METRICS:
        raise ConfigError(f"metric {name!r}: unknown; expected one of {', '.join(METRICS)}")
    return METRICS[name]


def _metric_for(name: str, task: Task) -> Metric:
    metric = _metric(name)
    if task not in metric.tasks:
        fitting = ", ".join(known.name for known in METRICS.values() if task in known.tasks)
        raise ConfigError(f"metric {name!r}: not for task {task}; expected one of {fitting}")
    return metric


def _numbers(values: Array) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _text(values: Array) -> Array:
    return np.asarray(values).astype(np.str_)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _CLASSES, True, class_metrics.accuracy),
        Metric("f1", _CLASSES, True, class_metrics.f1),
        Metric("balanced_accuracy", _CLASSES, True, class_metrics.balanced_accuracy),
        Metric("f1_macro", _CLASSES, True, class_metrics.f1_macro),
        Metric("f1_weighted", _CLASSES, True, class_metrics.f1_weighted),
        Metric("precision", _CLASSES, True, class_metrics.precision),
        Metric("recall", _CLASSES, True, class_metrics.recall),
        Metric("mcc", _CLASSES, True, class_metrics.mcc),
        Metric("roc_auc", _CLASSES, True, class_metrics.roc_auc),
        Metric("average_precision", frozenset({Task.BINARY}), True, class_metrics.average_precision),
        Metric("log_loss", _CLASSES, False, class_metrics.log_loss),
        Metric("brier", _CLASSES, False, class_metrics.brier),
        Metric("ece", _CLASSES, False, class_metrics.ece),
        Metric("mape", _NUMBERS, False, number_metrics.mape),
        Metric("smape", _NUMBERS, False, number_metrics.smape),
        Metric("wape", _NUMBERS, False, number_metrics.wape),
        Metric("rmse", _NUMBERS, False, number_metrics.rmse),
        Metric("mae", _NUMBERS, False, number_metrics.mae),
        Metric("median_absolute_error", _NUMBERS, False, number_metrics.median_absolute_error),
        Metric("r2", _NUMBERS, True, number_metrics.r2),
        Metric("d2_absolute_error", _NUMBERS, True, number_metrics.d2_absolute_error),
    )
}
"""Every metric by name."""
