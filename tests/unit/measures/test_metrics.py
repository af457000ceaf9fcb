from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError
from trimtab.measures.metrics import (
    METRICS,
    confusion_matrix,
    evaluate,
    higher_is_better,
    is_better,
    row_losses,
)

YES = "yes"
TRUTH = np.array(["yes", "yes", "no", "no", "no"])
SAID = np.array(["yes", "no", "yes", "no", "no"])
CHANCE = np.array([0.9, 0.4, 0.6, 0.4, 0.1])


def binary(*names: str, truth: np.ndarray = TRUTH, said: np.ndarray = SAID) -> dict[str, float]:
    return evaluate(Task.BINARY, names, truth, said, CHANCE[: len(truth)], positive_class=YES)


def test_binary_scores_are_those_of_the_positive_class() -> None:
    scores = binary("accuracy", "precision", "recall", "f1")
    assert scores == {"accuracy": 0.6, "precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_roc_auc_counts_ties_half() -> None:
    # Pairs (positive, negative): 0.9 wins three; 0.4 loses to 0.6, ties with 0.4, beats 0.1.
    assert binary("roc_auc")["roc_auc"] == pytest.approx((3 + 0 + 0.5 + 1) / 6)


def test_roc_auc_is_nan_with_one_class_only() -> None:
    assert math.isnan(binary("roc_auc", truth=np.full(5, "no"))["roc_auc"])


def test_log_loss_charges_the_probability_of_what_happened() -> None:
    expected = -np.log([0.9, 0.4, 0.4, 0.6, 0.9]).mean()
    assert binary("log_loss")["log_loss"] == pytest.approx(expected)


@pytest.mark.parametrize("task", list(Task))
def test_all_metrics_are_nan_without_rows(task: Task) -> None:
    nothing = np.array([])
    names = [name for name, metric in METRICS.items() if task in metric.tasks]
    scores = evaluate(task, names, nothing, nothing, nothing, positive_class=YES if task is Task.BINARY else None)
    assert set(scores) == set(names)
    assert all(math.isnan(score) for score in scores.values())


def test_multiclass_scores_are_unweighted_means_over_classes() -> None:
    truth, said = np.array(["a", "a", "b", "c"]), np.array(["a", "b", "b", "b"])
    scores = evaluate(Task.MULTICLASS, ["precision", "recall", "f1"], truth, said, None, positive_class=None)
    assert scores["recall"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert scores["precision"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert scores["f1"] == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_regression_errors_follow_their_formulas() -> None:
    truth, said = np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 4.0])
    names = ["mape", "wape", "rmse", "mae", "r2"]
    scores = evaluate(Task.REGRESSION, names, truth, said, None, positive_class=None)
    assert scores["mape"] == pytest.approx(0.25)  # the row whose truth is 0 is left out
    assert scores["wape"] == pytest.approx(2 / 6)
    assert scores["rmse"] == pytest.approx(math.sqrt(2 / 3))
    assert scores["mae"] == pytest.approx(2 / 3)
    assert scores["r2"] == pytest.approx(1 - 2 / 8)


def test_r2_of_a_constant_truth_is_nan() -> None:
    same = np.ones(3)
    assert math.isnan(evaluate(Task.REGRESSION, ["r2"], same, same, None, positive_class=None)["r2"])


def test_a_nan_prediction_is_not_overlooked() -> None:
    truth, said = np.array([1.0, 2.0]), np.array([1.0, np.nan])
    assert math.isnan(evaluate(Task.REGRESSION, ["mae"], truth, said, None, positive_class=None)["mae"])


def test_unknown_metric_is_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigError, match="'accurracy': unknown; expected one of accuracy, f1"):
        higher_is_better("accurracy")


def test_metric_for_another_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="'mape': not for task binary"):
        binary("mape")


def test_binary_without_positive_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive_class"):
        evaluate(Task.BINARY, ["f1"], TRUTH, SAID, None, positive_class=None)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="5 truths, 4 predictions"):
        evaluate(Task.BINARY, ["f1"], TRUTH, SAID[:4], None, positive_class=YES)


def test_better_follows_the_direction_of_the_metric_and_needs_the_gain() -> None:
    assert is_better("rmse", 1.0, 2.0)
    assert not is_better("rmse", 2.0, 1.0)
    assert is_better("roc_auc", 0.9, 0.8)
    assert not is_better("roc_auc", 0.9, 0.9)
    assert not is_better("roc_auc", 0.81, 0.8, min_gain=0.05)


def test_nan_is_never_better_and_anything_beats_nan() -> None:
    assert not is_better("f1", math.nan, 0.1)
    assert not is_better("f1", math.nan, math.nan)
    assert is_better("f1", 0.1, math.nan)


def test_confusion_matrix_counts_truth_in_rows() -> None:
    labels, counts = confusion_matrix(TRUTH, SAID)
    assert labels == ["no", "yes"]
    assert counts.tolist() == [[2, 1], [1, 1]]


def test_row_losses_are_absolute_errors_or_misses() -> None:
    numbers = row_losses(Task.REGRESSION, np.array([1.0, 5.0]), np.array([2.0, 2.0]), None, None)
    assert numbers.tolist() == [1.0, 3.0]
    assert row_losses(Task.BINARY, TRUTH, SAID, None, YES).tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
