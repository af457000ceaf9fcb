from __future__ import annotations

import numpy as np
import pytest

from trimtab.core.enums import Task
from trimtab.measures.answers import Answers
from trimtab.measures.metrics import METRICS, evaluate, higher_is_better
from trimtab.measures.row_losses import row_loss, row_loss_metrics

ROWS = 200


def _answers(task: Task) -> Answers:
    rng = np.random.default_rng(6)
    if task is Task.REGRESSION:
        truth = rng.normal(5, 2, ROWS)
        return Answers(task, truth, truth + rng.normal(0, 1, ROWS), None, None)
    classes = np.array(["a", "b"] if task is Task.BINARY else ["a", "b", "c"])
    truth = rng.choice(classes, ROWS)
    chances = rng.dirichlet(np.ones(len(classes)) * 3, ROWS)
    predicted = classes[chances.argmax(axis=1)]
    if task is Task.BINARY:
        return Answers(task, truth, predicted, chances[:, 0], "a")
    return Answers(task, truth, predicted, chances.max(axis=1), None, chances, tuple(classes.tolist()))


@pytest.mark.parametrize(("task", "metric"), [(task, metric) for task in Task for metric in row_loss_metrics(task)])
def test_the_mean_of_the_row_losses_is_the_metric(task: Task, metric: str) -> None:
    answers, loss = _answers(task), row_loss(metric, task)
    assert loss is not None
    losses = loss.compute(answers)
    found = evaluate(
        task,
        [metric],
        answers.truth,
        answers.prediction,
        answers.probability,
        positive_class=answers.positive_class,
        probabilities=answers.probabilities,
        classes=answers.classes,
    )[metric]
    mean = float(np.nanmean(losses))
    size = float(np.abs(answers.truth).mean()) if task is Task.REGRESSION else 1.0
    scale = {"wape": size, "rmse": found, "smape": 0.5, "log_loss": 0.1, "brier": 1.0 if task is Task.BINARY else 0.5}

    assert (1 - mean if loss.gain else mean) == pytest.approx(found * scale.get(metric, 1.0))
    assert loss.gain == higher_is_better(metric)
    if loss.bounded:
        assert float(np.nanmin(losses)) >= 0
        assert float(np.nanmax(losses)) <= 1


def test_a_metric_that_is_no_mean_over_rows_has_none() -> None:
    assert {name for name in METRICS if row_loss(name, Task.BINARY) is None} >= {"f1", "roc_auc", "ece", "mae"}
    assert {name for name in METRICS if row_loss(name, Task.REGRESSION) is None} >= {"r2", "median_absolute_error"}


def test_one_certain_mistake_costs_no_more_than_ten_nats() -> None:
    loss = row_loss("log_loss", Task.BINARY)
    assert loss is not None
    answers = Answers(Task.BINARY, np.array(["a", "b"]), np.array(["b", "b"]), np.array([0.0, 0.0]), "a")
    assert loss.compute(answers).tolist() == [1.0, 0.0]


def test_rows_that_a_metric_leaves_out_have_no_loss() -> None:
    mape, recall = row_loss("mape", Task.REGRESSION), row_loss("recall", Task.BINARY)
    assert mape is not None
    assert recall is not None
    numbers = Answers(Task.REGRESSION, np.array([0.0, 2.0]), np.array([1.0, 1.0]), None, None)
    classes = Answers(Task.BINARY, np.array(["n", "y"]), np.array(["y", "n"]), None, "y")
    assert np.isnan(mape.compute(numbers)).tolist() == [True, False]
    assert recall.compute(classes)[1] == 1.0
    assert np.isnan(recall.compute(classes)[0])


def test_without_probabilities_their_losses_are_unknown_not_zero() -> None:
    for task in (Task.BINARY, Task.MULTICLASS):
        answers = Answers(task, np.array(["a"]), np.array(["a"]), None, "a")
        for metric in ("log_loss", "brier"):
            loss = row_loss(metric, task)
            assert loss is not None
            assert np.isnan(loss.compute(answers)).all()
