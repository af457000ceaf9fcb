from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.core.enums import Task
from trimtab.measures.confidence_based import BINARY_ESTIMATES, estimated_accuracy, estimated_metric
from trimtab.measures.direct_loss import NUMBER_ESTIMATES, estimated_loss
from trimtab.measures.metrics import evaluate


def calibrated(rows: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).beta(0.8, 1.6, rows)


def realised(metric: str, chance: NDArray[np.float64], rng: np.random.Generator) -> float:
    names = np.array(["no", "yes"])
    truth, said = names[(rng.random(len(chance)) < chance).astype(int)], names[(chance >= 0.4).astype(int)]
    return evaluate(Task.BINARY, [metric], truth, said, chance, positive_class="yes")[metric]


@pytest.mark.parametrize("metric", sorted(BINARY_ESTIMATES))
def test_calibrated_answers_come_out_as_estimated_within_the_stated_error(metric: str) -> None:
    chance, rng = calibrated(2000, seed=1), np.random.default_rng(3)
    estimate = estimated_metric(metric, chance, chance >= 0.4)
    assert estimate is not None
    found = np.array([realised(metric, chance, rng) for _ in range(150)])
    assert abs(found.mean() - estimate.value) <= 3 * estimate.error / 150**0.5
    assert estimate.error == pytest.approx(float(found.std()), rel=0.2)


def test_the_area_is_that_of_all_pairs() -> None:
    chance = np.array([0.1, 0.4, 0.4, 0.7, 0.95, 0.0, 1.0])
    above, below = 0.0, 0.0
    for i, mine in enumerate(chance):
        for j, other in enumerate(chance):
            if i != j:
                weight = mine * (1 - other)
                above += weight * (1.0 if mine > other else 0.5 if mine == other else 0.0)
                below += weight
    estimate = estimated_metric("roc_auc", chance, chance >= 0.5)
    assert estimate is not None
    assert estimate.value == pytest.approx(above / below, abs=1e-12)


def test_what_cannot_be_estimated_is_said() -> None:
    nothing = np.array([])
    assert estimated_metric("average_precision", np.array([0.5]), np.array([True])) is None
    assert estimated_loss("mape", np.ones(3), np.ones(3), np.ones(3)) is None
    for metric in BINARY_ESTIMATES:
        found = estimated_metric(metric, nothing, nothing.astype(bool))
        assert found is not None
        assert np.isnan(found.value)
    sure = estimated_metric("roc_auc", np.ones(5), np.ones(5, dtype=bool))
    assert sure is not None
    assert np.isnan(sure.value)
    assert np.isnan(estimated_accuracy(nothing).value)


@pytest.mark.parametrize("metric", sorted(NUMBER_ESTIMATES))
def test_known_sizes_of_errors_give_the_metric_within_its_error(metric: str) -> None:
    rng = np.random.default_rng(5)
    scale = rng.uniform(0.5, 3, 20_000)
    truth = rng.uniform(50, 100, 20_000)
    said = truth + rng.normal(0, scale)
    estimate = estimated_loss(metric, scale * np.sqrt(2 / np.pi), scale**2, said)
    assert estimate is not None
    found = evaluate(Task.REGRESSION, [metric], truth, said, None, positive_class=None)[metric]
    assert abs(found - estimate.value) <= 4 * estimate.error
    assert 0 < estimate.error < 0.02 * estimate.value


# How many of the first 500 rows of NannyML's synthetic binary set (analysis period) have each score, in percent; those
# from 45 % on were answered with the positive class.
SCORES = {
    **dict(zip(range(17), (46, 38, 22, 25, 20, 13, 7, 6, 9, 8, 1, 3, 5, 6, 1, 3, 2), strict=True)),
    **dict.fromkeys((25, 28, 29, 30, 34, 35, 37, 38, 41, 43, 49, 52, 53, 56, 63, 70, 71, 76, 77, 78, 79, 87, 88), 1),
    **dict.fromkeys((18, 22, 23, 24, 31, 32, 55, 59, 60, 72, 74, 80, 84, 86), 2),
    **dict.fromkeys((20, 57, 83, 85, 89), 3),
    **dict(zip(range(90, 101), (5, 6, 11, 11, 11, 17, 20, 26, 33, 44, 35), strict=True)),
}
# What NannyML 0.13.1 estimates from them, its scores taken for calibrated.
NANNYML = {
    "f1": 0.9359899410000967,
    "precision": 0.9305,
    "recall": 0.941545047674645,
    "accuracy": 0.93382,
}
NANNYML_AREA = 0.9759727307652447


def test_the_sums_are_those_of_nannyml() -> None:
    chance = np.repeat(np.array(list(SCORES)) / 100, list(SCORES.values()))
    assert len(chance) == 500
    for metric, theirs in NANNYML.items():
        ours = estimated_metric(metric, chance, chance >= 0.45)
        assert ours is not None
        assert ours.value == pytest.approx(theirs, abs=1e-6)
    # Theirs counts a row against itself as half a pair, and rounds counts to five digits.
    area = estimated_metric("roc_auc", chance, chance >= 0.45)
    assert area is not None
    assert area.value == pytest.approx(NANNYML_AREA, rel=0.005)
