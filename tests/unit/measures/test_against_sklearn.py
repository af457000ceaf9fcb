"""Every metric against scikit-learn's own, on random data, and what it is where it is undefined."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as theirs

from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError
from trimtab.measures.class_metrics import calibration_error, class_scores
from trimtab.measures.metrics import METRICS, evaluate
from trimtab.measures.number_metrics import residual_quantiles

CLASSES = ("a", "b", "c", "d")

BINARY: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda truth, said, _: theirs.accuracy_score(truth, said),
    "balanced_accuracy": lambda truth, said, _: theirs.balanced_accuracy_score(truth, said),
    "f1": lambda truth, said, _: theirs.f1_score(truth, said, pos_label="b"),
    "f1_macro": lambda truth, said, _: theirs.f1_score(truth, said, average="macro"),
    "f1_weighted": lambda truth, said, _: theirs.f1_score(truth, said, average="weighted"),
    "precision": lambda truth, said, _: theirs.precision_score(truth, said, pos_label="b"),
    "recall": lambda truth, said, _: theirs.recall_score(truth, said, pos_label="b"),
    "mcc": lambda truth, said, _: theirs.matthews_corrcoef(truth, said),
    "roc_auc": lambda truth, _, chance: theirs.roc_auc_score(truth == "b", chance),
    "average_precision": lambda truth, _, chance: theirs.average_precision_score(truth == "b", chance),
    "log_loss": lambda truth, _, chance: theirs.log_loss(truth == "b", chance),
    "brier": lambda truth, _, chance: theirs.brier_score_loss(truth == "b", chance),
}
MULTICLASS: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda truth, said, _: theirs.accuracy_score(truth, said),
    "balanced_accuracy": lambda truth, said, _: theirs.balanced_accuracy_score(truth, said),
    "f1": lambda truth, said, _: theirs.f1_score(truth, said, average="macro"),
    "f1_macro": lambda truth, said, _: theirs.f1_score(truth, said, average="macro"),
    "f1_weighted": lambda truth, said, _: theirs.f1_score(truth, said, average="weighted"),
    "precision": lambda truth, said, _: theirs.precision_score(truth, said, average="macro", zero_division=0),
    "recall": lambda truth, said, _: theirs.recall_score(truth, said, average="macro", zero_division=0),
    "mcc": lambda truth, said, _: theirs.matthews_corrcoef(truth, said),
    "roc_auc": lambda truth, _, chance: theirs.roc_auc_score(truth, chance, multi_class="ovr", labels=CLASSES),
    "log_loss": lambda truth, _, chance: theirs.log_loss(truth, chance, labels=CLASSES),
    "brier": lambda truth, _, chance: theirs.brier_score_loss(truth, chance, labels=CLASSES),
}
NUMBERS: dict[str, Callable[[Any, Any], float]] = {
    "mape": theirs.mean_absolute_percentage_error,
    "rmse": theirs.root_mean_squared_error,
    "mae": theirs.mean_absolute_error,
    "median_absolute_error": theirs.median_absolute_error,
    "d2_absolute_error": theirs.d2_absolute_error_score,
    "r2": theirs.r2_score,
    "smape": lambda truth, said: float(np.mean(2 * np.abs(truth - said) / (np.abs(truth) + np.abs(said)))),
    "wape": lambda truth, said: float(np.abs(truth - said).sum() / np.abs(truth).sum()),
}
OURS_ALONE = {"ece"}
"""scikit-learn has no such score; it is held against its definition below."""


def chances(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float64]:
    # Few distinct values, so that ties are there.
    drawn = np.round(rng.dirichlet(np.ones(columns), rows), 2) + 0.01
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(BINARY))
def test_binary_metrics_are_those_of_scikit_learn(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, chance = rng.choice(["a", "b"], 120, p=[0.8, 0.2]), np.round(rng.random(120), 1) * 0.98 + 0.01
    said = np.where(chance > 0.6, "b", "a")
    found = evaluate(Task.BINARY, [name], truth, said, chance, positive_class="b")
    assert found[name] == pytest.approx(BINARY[name](truth, said, chance))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(MULTICLASS))
def test_multiclass_metrics_are_those_of_scikit_learn(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, matrix = rng.choice(CLASSES, 150, p=[0.6, 0.2, 0.15, 0.05]), chances(rng, 150, 4)
    said = np.array(CLASSES)[matrix.argmax(axis=1)]
    found = evaluate(
        Task.MULTICLASS,
        [name],
        truth,
        said,
        matrix.max(axis=1),
        positive_class=None,
        probabilities=matrix,
        classes=CLASSES,
    )
    assert found[name] == pytest.approx(MULTICLASS[name](truth, said, matrix))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_number_metrics_are_those_of_scikit_learn(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(5, 20, 80)
    said = truth + rng.normal(0, 4, 80)
    found = evaluate(Task.REGRESSION, [name], truth, said, None, positive_class=None)
    assert found[name] == pytest.approx(NUMBERS[name](truth, said))


def test_every_metric_is_held_against_another_implementation() -> None:
    assert set(METRICS) == {*BINARY, *MULTICLASS, *NUMBERS, *OURS_ALONE}


def test_calibration_error_is_none_where_chances_come_true_and_large_where_they_do_not() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random(50_000)
    happened = rng.random(50_000) < chance
    assert calibration_error(happened, chance) < 0.02
    assert calibration_error(happened, chance**3) == pytest.approx(float(np.mean(chance - chance**3)), abs=0.01)


def test_multiclass_calibration_error_is_of_the_predicted_class() -> None:
    truth, said = np.array(["a", "b", "c", "c"]), np.array(["a", "a", "c", "c"])
    found = evaluate(Task.MULTICLASS, ["ece"], truth, said, np.array([0.9, 0.9, 0.9, 0.9]), positive_class=None)
    assert found["ece"] == pytest.approx(0.15)


def test_class_that_the_version_does_not_know_counts_as_given_no_chance() -> None:
    matrix = np.array([[0.8, 0.2], [0.5, 0.5]])
    truth, said = np.array(["a", "z"]), np.array(["a", "a"])
    found = evaluate(
        Task.MULTICLASS,
        ["log_loss", "brier", "roc_auc"],
        truth,
        said,
        matrix.max(axis=1),
        positive_class=None,
        probabilities=matrix,
        classes=("a", "b"),
    )
    assert found["log_loss"] == pytest.approx((-math.log(0.8) - math.log(1e-15)) / 2)
    assert found["brier"] == pytest.approx((0.2**2 * 2 + 0.5 + 1) / 2)
    assert found["roc_auc"] == 1.0


def test_multiclass_metrics_of_probabilities_are_nan_without_the_matrix() -> None:
    truth = np.array(["a", "b"])
    found = evaluate(Task.MULTICLASS, ["log_loss", "roc_auc", "brier"], truth, truth, np.ones(2), positive_class=None)
    assert all(math.isnan(value) for value in found.values())


def test_matrix_that_does_not_fit_its_classes_is_refused() -> None:
    truth = np.array(["a", "b"])
    with pytest.raises(ConfigError, match="pass one column a class"):
        evaluate(
            Task.MULTICLASS,
            ["log_loss"],
            truth,
            truth,
            np.ones(2),
            positive_class=None,
            probabilities=np.ones((2, 3)),
            classes=("a", "b"),
        )


def test_constant_answers_correlate_with_nothing() -> None:
    truth, said = np.array(["a", "b"]), np.array(["a", "a"])
    assert evaluate(Task.BINARY, ["mcc"], truth, said, None, positive_class="b") == {"mcc": 0.0}


def test_zero_answered_by_zero_is_no_error_of_smape() -> None:
    found = evaluate(Task.REGRESSION, ["smape"], np.array([0.0, 1.0]), np.array([0.0, 3.0]), None, positive_class=None)
    assert found["smape"] == pytest.approx(0.5)


def test_class_scores_tell_of_classes_that_were_never_answered_or_never_true() -> None:
    a, b, c = class_scores(np.array(["a", "a", "b"]), np.array(["a", "c", "a"]))
    assert (a.precision, a.recall, a.f1, a.rows, a.answered) == (0.5, 0.5, 0.5, 2, 2)
    assert (b.precision, b.recall, b.f1) == (None, 0.0, 0.0)
    assert (c.precision, c.recall, c.f1) == (0.0, None, 0.0)


def test_residual_quantiles_are_of_truth_less_prediction() -> None:
    found = residual_quantiles(np.array([3.0, 5.0, 9.0]), np.array([2.0, 2.0, 2.0]), [0.0, 0.5, 1.0])
    assert found == {0.0: 1.0, 0.5: 3.0, 1.0: 7.0}
    assert residual_quantiles(np.array([]), np.array([])) == {}
