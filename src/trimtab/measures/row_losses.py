"""Which metrics are a mean over rows, so that two versions can be compared row by row while rows still come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task
from trimtab.measures.answers import Answers
from trimtab.measures.class_metrics import chance_of_truth

__all__ = ["RowLoss", "row_loss", "row_loss_metrics"]

Losses = NDArray[np.float64]
_MOST_NATS = 10.0


@dataclass(frozen=True, slots=True)
class RowLoss:
    """A metric as the mean of a loss of each row; a row that the metric leaves out has the loss NaN.

    ``bounded``: losses lie in 0..1. ``gain``: the metric is 1 − mean loss, so a share of it is a share of the gain.
    """

    metric: str
    bounded: bool
    gain: bool
    compute: Callable[[Answers], Losses]

    def margin(self, degradation: float) -> float:
        """Return by what share the mean loss (or gain) may change when the metric may by ``degradation``.

        >>> loss = row_loss("rmse", Task.REGRESSION)
        >>> round(loss.margin(0.1), 4)  # a tenth more of the root is 21 % more of the square
        0.21
        """
        return (1 + degradation) ** 2 - 1 if self.metric == "rmse" else degradation

    def degradation(self, margin: float) -> float:
        """Return by what share the metric changes when the mean loss (or gain) does by ``margin``: `margin` undone.

        >>> round(row_loss("rmse", Task.REGRESSION).degradation(0.21), 4)
        0.1
        """
        return max(1 + margin, 0.0) ** 0.5 - 1 if self.metric == "rmse" else margin


def row_loss(metric: str, task: Task) -> RowLoss | None:
    """Return the metric's row loss, or None where it is no mean over rows (F1, ROC AUC, R², calibration, medians).

    >>> row_loss("accuracy", Task.BINARY).gain, row_loss("f1", Task.BINARY)
    (True, None)
    """
    return _LOSSES[task].get(metric)


def row_loss_metrics(task: Task) -> tuple[str, ...]:
    """Return the metrics of a task that have a row loss.

    >>> row_loss_metrics(Task.REGRESSION)
    ('mae', 'wape', 'mape', 'smape', 'rmse')
    """
    return tuple(_LOSSES[task])


def _wrong(answers: Answers) -> Losses:
    return _floats(answers.truth != answers.prediction)


def _missed(answers: Answers) -> Losses:
    return np.where(answers.truth == answers.positive_class, _wrong(answers), np.nan)


def _surprise(answers: Answers) -> Losses:
    """Return −ln of the chance given to the truth, at most 10 nats, over 10: one row cannot decide everything."""
    chance = chance_of_truth(answers)
    if chance is None:
        return _unknown(answers)
    return _floats(np.minimum(-np.log(np.clip(chance, np.exp(-_MOST_NATS), 1)), _MOST_NATS) / _MOST_NATS)


def _brier(answers: Answers) -> Losses:
    if answers.task is Task.BINARY:
        if answers.probability is None:
            return _unknown(answers)
        return _floats((answers.probability - (answers.truth == answers.positive_class)) ** 2)
    chance = chance_of_truth(answers)
    if chance is None or answers.probabilities is None:
        return _unknown(answers)
    return _floats(((answers.probabilities**2).sum(axis=1) - 2 * chance + 1) / 2)


def _absolute(answers: Answers) -> Losses:
    return _floats(np.abs(answers.truth - answers.prediction))


def _share(answers: Answers) -> Losses:
    truth = np.where(answers.truth == 0, np.nan, answers.truth)
    return _floats(np.abs((answers.truth - answers.prediction) / truth))


def _symmetric(answers: Answers) -> Losses:
    size, error = np.abs(answers.truth) + np.abs(answers.prediction), _absolute(answers)
    return _floats(np.divide(error, size, out=np.zeros_like(error), where=size != 0))


def _squared(answers: Answers) -> Losses:
    return _floats((answers.truth - answers.prediction) ** 2)


def _unknown(answers: Answers) -> Losses:
    return np.full(len(answers.truth), np.nan)


def _floats(values: Any) -> Losses:
    return np.asarray(values, dtype=np.float64)


def _table(*losses: RowLoss) -> dict[str, RowLoss]:
    return {loss.metric: loss for loss in losses}


_ACCURACY = RowLoss("accuracy", bounded=True, gain=True, compute=_wrong)
_LOG_LOSS = RowLoss("log_loss", bounded=True, gain=False, compute=_surprise)
_BRIER = RowLoss("brier", bounded=True, gain=False, compute=_brier)
_LOSSES: dict[Task, dict[str, RowLoss]] = {
    Task.BINARY: _table(_ACCURACY, RowLoss("recall", bounded=True, gain=True, compute=_missed), _LOG_LOSS, _BRIER),
    Task.MULTICLASS: _table(_ACCURACY, _LOG_LOSS, _BRIER),
    Task.REGRESSION: _table(
        RowLoss("mae", bounded=False, gain=False, compute=_absolute),
        RowLoss("wape", bounded=False, gain=False, compute=_absolute),
        RowLoss("mape", bounded=False, gain=False, compute=_share),
        RowLoss("smape", bounded=True, gain=False, compute=_symmetric),
        RowLoss("rmse", bounded=False, gain=False, compute=_squared),
    ),
}
