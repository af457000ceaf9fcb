"""How good predictions are: each metric under one name, for one kind of task, with one direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError

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

Array = NDArray[Any]
_CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})
_NUMBERS = frozenset({Task.REGRESSION})


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows to be judged: arrays of one length ``(n,)``, classes as strings, numbers as floats.

    ``probability`` is that of ``positive_class`` (binary).
    """

    task: Task
    truth: Array
    prediction: Array
    probability: Array | None
    positive_class: str | None


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
) -> dict[str, float]:
    """Return each named metric of predictions against the truth; all arrays have shape ``(n,)``.

    A metric is NaN where it is undefined: no rows, no probability, ROC AUC with one class only, MAPE with no truth
    but zero. NaN among the numbers makes the metrics that use them NaN.

    Raises:
        ConfigError: a name is unknown or not for this task, lengths differ, or a binary task has no positive class.

    >>> truth, prediction = np.array([1.0, 4.0]), np.array([2.0, 4.0])
    >>> evaluate(Task.REGRESSION, ["mae", "mape"], truth, prediction, None, positive_class=None)
    {'mae': 0.5, 'mape': 0.5}
    """
    answers = _answers(task, truth, prediction, probability, positive_class)
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
    both = np.concatenate([_text(truth), _text(prediction)])
    labels, codes = np.unique(both, return_inverse=True)
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


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _accuracy(answers: Answers) -> float:
    return _mean(answers.truth == answers.prediction)


def _hits(answers: Answers, label: str) -> tuple[int, int, int]:
    """Return true positives, predicted positives, actual positives of ``label``."""
    said, was = answers.prediction == label, answers.truth == label
    return int(np.sum(said & was)), int(np.sum(said)), int(np.sum(was))


def _per_class(answers: Answers, score: Callable[[int, int, int], float]) -> float:
    """Return the positive class's score (binary), or the unweighted mean over classes, undefined ones as 0 (macro)."""
    if answers.task is Task.BINARY:
        return score(*_hits(answers, str(answers.positive_class)))
    if not len(answers.truth):
        return float("nan")
    labels = np.unique(np.concatenate([answers.truth, answers.prediction]))
    return float(np.mean(np.nan_to_num([score(*_hits(answers, str(label))) for label in labels])))


def _precision(answers: Answers) -> float:
    return _per_class(answers, lambda both, said, was: _ratio(both, said))


def _recall(answers: Answers) -> float:
    return _per_class(answers, lambda both, said, was: _ratio(both, was))


def _f1(answers: Answers) -> float:
    return _per_class(answers, lambda both, said, was: _ratio(2 * both, said + was))


def _roc_auc(answers: Answers) -> float:
    """Return the chance that a positive row gets a higher probability than a negative one (ties count half)."""
    if answers.probability is None or np.isnan(answers.probability).any():
        return float("nan")
    positive = answers.truth == answers.positive_class
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, codes, counts = np.unique(answers.probability, return_inverse=True, return_counts=True)
    mid_ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return float((mid_ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _log_loss(answers: Answers) -> float:
    """Return mean −ln of the probability given to what happened, probabilities clipped to [1e-15, 1 − 1e-15]."""
    if answers.probability is None:
        return float("nan")
    chance = np.clip(answers.probability, 1e-15, 1 - 1e-15)
    return _mean(-np.log(np.where(answers.truth == answers.positive_class, chance, 1 - chance)))


def _mape(answers: Answers) -> float:
    """Return mean |truth − prediction| / |truth| over rows with truth ≠ 0, as a fraction (0.2 = 20 %)."""
    nonzero = answers.truth != 0
    truth, prediction = answers.truth[nonzero], answers.prediction[nonzero]
    return _mean(np.abs((truth - prediction) / truth))


def _wape(answers: Answers) -> float:
    """Return Σ|truth − prediction| / Σ|truth|, as a fraction: MAPE's kin that small truths don't dominate."""
    return _ratio(float(np.abs(answers.truth - answers.prediction).sum()), float(np.abs(answers.truth).sum()))


def _rmse(answers: Answers) -> float:
    return float(np.sqrt(_mean((answers.truth - answers.prediction) ** 2)))


def _mae(answers: Answers) -> float:
    return _mean(np.abs(answers.truth - answers.prediction))


def _r2(answers: Answers) -> float:
    """Return 1 − Σ(truth − prediction)² / Σ(truth − mean)²; NaN when the truth is constant."""
    if not len(answers.truth):
        return float("nan")
    spread = float(((answers.truth - answers.truth.mean()) ** 2).sum())
    return 1.0 - _ratio(float(((answers.truth - answers.prediction) ** 2).sum()), spread)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _CLASSES, True, _accuracy),
        Metric("f1", _CLASSES, True, _f1),
        Metric("precision", _CLASSES, True, _precision),
        Metric("recall", _CLASSES, True, _recall),
        Metric("roc_auc", frozenset({Task.BINARY}), True, _roc_auc),
        Metric("log_loss", frozenset({Task.BINARY}), False, _log_loss),
        Metric("mape", _NUMBERS, False, _mape),
        Metric("wape", _NUMBERS, False, _wape),
        Metric("rmse", _NUMBERS, False, _rmse),
        Metric("mae", _NUMBERS, False, _mae),
        Metric("r2", _NUMBERS, True, _r2),
    )
}
"""Every metric by name."""
