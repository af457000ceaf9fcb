"""The loss of a period is summed by blocks, by the metric where it is a mean over rows; drawn rows stand for all."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.core.enums import Task
from trimtab.retraining.judged_rows import LARGEST_LOSS, Judge, JudgedRows, blocks_in
from trimtab.retraining.ledger import spread
from trimtab.retraining.twins import Rows

DAY_US = 86_400_000_000


def judged(answers: object, truth: object, *, weight: float = 1.0) -> JudgedRows:
    told, true = np.asarray(answers, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    at_us = np.arange(len(true), dtype=np.int64) * DAY_US
    return JudgedRows(Rows(told, true, {}), at_us, 0, 7 * DAY_US, weight)


@pytest.mark.parametrize(
    ("metric", "measured_by", "total"),
    [("mae", "mae", 6.0), ("rmse", "rmse", 14.0), ("r2", "mae", 6.0), ("mape", "mape", 0.1 + 3 / 20)],
)
def test_numbers_are_judged_by_their_metric_or_else_by_the_absolute_error(
    metric: str, measured_by: str, total: float
) -> None:
    judge = Judge(Task.REGRESSION, metric)
    rows = judged([11.0, 2.0, 17.0], [10.0, 0.0, 20.0])
    found = judge.period(rows, rows.rows.answers)
    assert judge.measured_by == measured_by
    assert found.rows == 3
    assert found.total == pytest.approx(total), "a row that the metric leaves out adds nothing"
    if metric == "mae":
        assert found.blocks == (1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0)
        assert found.hardness == 20.0, "the median is 10"


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
@pytest.mark.parametrize(("metric", "measured_by"), [("f1", "log_loss"), ("accuracy", "log_loss"), ("brier", "brier")])
def test_classes_are_judged_by_their_chances(task: Task, metric: str, measured_by: str) -> None:
    judge = Judge(task, metric, ("no", "yes"))
    sure, unsure = judged([[0.1, 0.9]] * 4, [1, 1, 1, 1]), judged([[0.4, 0.6]] * 4, [1, 1, 1, 1])
    assert judge.measured_by == measured_by
    assert judge.period(sure, sure.rows.answers).total < judge.period(unsure, unsure.rows.answers).total


def test_a_class_that_the_version_does_not_know_is_lost_altogether() -> None:
    judge = Judge(Task.MULTICLASS, "log_loss", ("a", "b"))
    rows = judged([[0.5, 0.5]], [-1])
    assert judge.period(rows, rows.rows.answers).total == pytest.approx(1.0), "ten nats of ten"


@pytest.mark.parametrize("metric", ["mae", "rmse", "mape", "smape"])
@pytest.mark.parametrize("absurd", [1e50, 1e160, 1e200, 1e308])
def test_an_absurd_number_loses_much_and_never_more_than_can_be_counted(metric: str, absurd: float) -> None:
    judge = Judge(Task.REGRESSION, metric)
    truth = [10.0, 20.0, absurd, 30.0, 5.0]
    rows, past = judged([9.0, 21.0, 19.0, 33.0, -absurd], truth), Rows(np.full(5, 9.0), np.array(truth), {})
    found = {"own": judge.period(rows, rows.rows.answers), **judge.twins(past, rows)}
    for loss in found.values():
        assert np.isfinite([*loss.blocks, loss.hardness, loss.total]).all()
        assert np.isfinite(spread(np.array(loss.blocks)) ** 2), "the spread of such losses is a number too"


def test_an_answer_that_is_no_number_is_the_worst_and_not_the_best() -> None:
    judge = Judge(Task.REGRESSION, "mae")
    rows = judged([np.nan, np.inf], [1.0, 2.0])
    assert judge.period(rows, rows.rows.answers).total == 2 * LARGEST_LOSS


def test_drawn_rows_stand_for_all_and_no_rows_for_none() -> None:
    judge = Judge(Task.REGRESSION, "mae")
    rows = judged([1.0, 1.0], [0.0, 2.0], weight=3.0)
    found = judge.period(rows, rows.rows.answers)
    assert (found.rows, found.total, found.hardness) == (6, 6.0, 6.0)
    empty = judged([], [])
    nothing = judge.period(empty, empty.rows.answers)
    assert (nothing.rows, nothing.total, nothing.hardness) == (0, 0.0, 0.0)


def test_a_period_of_hours_is_cut_as_finely_as_a_week_and_one_of_a_quarter_no_finer_than_four() -> None:
    assert [blocks_in(days * DAY_US // 24) for days in (1, 7 * 24, 90 * 24)] == [7, 7, 28]
