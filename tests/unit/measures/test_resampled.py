from __future__ import annotations

import numpy as np
import pytest

from trimtab.core.enums import Task
from trimtab.measures.answers import Answers
from trimtab.measures.class_codes import class_codes
from trimtab.measures.metrics import METRICS, evaluate
from trimtab.measures.resampled import block_sums, contiguous_blocks

RANKED = {"roc_auc", "average_precision", "median_absolute_error"}


def answers_of(task: Task, rows: int = 600) -> Answers:
    rng = np.random.default_rng(3)
    if task is Task.REGRESSION:
        truth = rng.normal(5, 3, rows).round(1)
        truth[:3] = 0
        return Answers(task, truth, truth + rng.normal(0, 1, rows), None, None)
    names = ("no", "yes") if task is Task.BINARY else ("ant", "bee", "cow")
    truth = rng.choice(names, rows)
    said = np.where(rng.random(rows) < 0.7, truth, rng.choice(names, rows))
    return Answers(task, truth, said, rng.random(rows), "yes" if task is Task.BINARY else None)


def whole(answers: Answers, metric: str) -> float:
    return evaluate(
        answers.task,
        [metric],
        answers.truth,
        answers.prediction,
        answers.probability,
        positive_class=answers.positive_class,
    )[metric]


CASES = [(task, metric.name) for metric in METRICS.values() for task in sorted(metric.tasks)]


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_the_sums_of_all_blocks_give_the_metric_itself(task: Task, metric: str) -> None:
    answers = answers_of(task)
    sums = block_sums(metric, answers, contiguous_blocks(600, 20))
    expected = whole(answers, metric)
    if sums is None:
        assert np.isnan(expected)  # it needs the probabilities of all classes
    else:
        assert sums.value == pytest.approx(expected, abs=2e-3 if metric in RANKED else 1e-12)


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_a_resample_is_the_metric_of_the_drawn_blocks(task: Task, metric: str) -> None:
    answers, blocks = answers_of(task), contiguous_blocks(600, 6)
    sums = block_sums(metric, answers, blocks)
    if sums is None:
        return
    drawn = np.array([2, 0, 0, 3, 1, 0])
    rows = np.concatenate([np.flatnonzero(blocks == block) for block, times in enumerate(drawn) for _ in range(times)])
    chances = None if answers.probability is None else answers.probability[rows]
    sample = Answers(answers.task, answers.truth[rows], answers.prediction[rows], chances, answers.positive_class)
    found = float(sums.metric(drawn[None, :] @ sums.sums)[0])
    near = 0.02 if metric in RANKED | {"d2_absolute_error"} else 1e-12
    assert found == pytest.approx(whole(sample, metric), abs=near)


def test_a_weight_counts_a_row_as_so_many() -> None:
    answers, twice = answers_of(Task.BINARY, 50), np.r_[np.arange(50), np.arange(10)]
    repeated = Answers(Task.BINARY, answers.truth[twice], answers.prediction[twice], None, "yes")
    sums = block_sums("f1", answers, contiguous_blocks(50, 5), weights=np.where(np.arange(50) < 10, 2.0, 1.0))
    assert sums is not None
    assert sums.value == pytest.approx(whole(repeated, "f1"))


def test_resamples_spread_as_independent_rows_do() -> None:
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(4000) < 0.8, "yes", "no")
    sums = block_sums(
        "accuracy", Answers(Task.BINARY, truth, np.full(4000, "yes"), None, "yes"), contiguous_blocks(4000, 20)
    )
    assert sums is not None
    spread = float(sums.resampled(np.random.default_rng(1), 2000).std())
    assert spread == pytest.approx((0.8 * 0.2 / 4000) ** 0.5, rel=0.4)


def test_without_rows_there_are_no_sums() -> None:
    empty = np.array([], dtype=np.str_)
    assert block_sums("f1", Answers(Task.BINARY, empty, empty, None, "yes"), contiguous_blocks(0, 20)) is None


@pytest.mark.parametrize("classes", [1, 3, 80])
def test_class_codes_are_those_of_numpy(classes: int) -> None:
    values = np.random.default_rng(0).integers(0, classes, 500).astype(np.str_)
    labels, codes = class_codes(values)
    expected = np.unique(values, return_inverse=True)
    assert labels.tolist() == expected[0].tolist()
    assert codes.tolist() == expected[1].tolist()
