from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trimtab.config.model import ModelConfig
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.training.settings import TrainingConfig
from trimtab.training.target import check_problem, read_target, rows_with_target, weighs_rare


def model_for(task: str, **more: Any) -> ModelConfig:
    positive = {"positive_class": "yes"} if task == "binary" else {}
    return ModelConfig.model_validate({"name": "m", "task": task, "target": "y"} | positive | more)


def settings_with(**values: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"candidates": [{"type": "xgboost"}]} | values)


def refusal(values: Any, task: str) -> str:
    with pytest.raises(DataContractError) as refused:
        read_target(pa.table({"y": values}), model_for(task), [])
    return str(refused.value)


def test_counter_is_no_target_in_whatever_order_it_comes() -> None:
    ids = np.random.default_rng(0).permutation(np.arange(1000.0, 1050.0))
    said = refusal(ids, "regression")
    assert "1000 to 1049 once in 50 rows" in said
    assert "as ids have" in said
    assert "name another target" in said


def test_whole_numbers_that_are_all_different_may_be_amounts() -> None:
    amounts = np.sort(np.random.default_rng(0).choice(100_000, 200, replace=False)).astype(np.float64)
    _, _, values = read_target(pa.table({"y": amounts}), model_for("regression"), [])
    assert len(values) == 200


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        ([3.0] * 30, "regression", ["always 3 in 30 rows", "name another target"]),
        (["12.5", "13", "14"], "regression", ["type string", "'12.5'", "contract.yaml"]),
        (["yes"] * 5 + ["no"] * 9 + ["perhaps"], "binary", ["no (9), perhaps (1), yes (5)", "row 14: 'perhaps'"]),
        (["a", "b"] * 5, "binary", ["positive_class 'yes'", "correct task or positive_class"]),
        ([float(place) + 0.5 for place in range(300)], "multiclass", ["300 classes", "set task to regression"]),
        ([f"id-{place}" for place in range(300)], "multiclass", ["row 0: 'id-0'", "an id or free text"]),
        (["a"] * 6 + ["b"] * 4 + ["c"], "multiclass", ["class 'c' has one row (row 10) of 11", "a (6), b (4), c (1)"]),
        (["a"] * 6, "multiclass", ["only class 'a' in 6 rows"]),
    ],
)
def test_target_that_cannot_be_learnt_is_refused_with_an_example(
    values: list[Any], task: str, words: list[str]
) -> None:
    said = refusal(values, task)
    assert [word for word in words if word not in said] == []


def test_classes_of_a_few_rows_are_left_out_and_counted() -> None:
    notes: list[str] = []
    table = pa.table({"y": ["a"] * 60 + ["b"] * 40 + ["c"] * 4 + ["d"]})
    kept, classes, places = read_target(table, model_for("multiclass"), notes)
    assert classes == ("a", "b")
    assert kept.num_rows == len(places) == 100
    (note,) = notes
    assert "2 classes with fewer than 5 rows were left out (c (4), d (1); 5 rows in all)" in note


def test_classes_stay_where_leaving_out_the_rare_would_cost_much() -> None:
    notes: list[str] = []
    _, classes, _ = read_target(pa.table({"y": ["a"] * 6 + ["b"] * 6 + ["c"] * 3}), model_for("multiclass"), notes)
    assert classes == ("a", "b", "c")
    assert notes == []


def test_target_that_is_mostly_missing_is_told_with_a_row() -> None:
    notes: list[str] = []
    kept = rows_with_target(pa.table({"y": ["a", None, None, None]}), model_for("multiclass"), notes)
    assert kept.num_rows == 1
    assert "missing in 75% of all 4 (the first is row 1)" in notes[0]
    assert "contract.yaml" in notes[0]


@pytest.mark.parametrize(
    ("balance", "metric", "rare_rows", "weighs"),
    [
        ("auto", "f1", 5, True),
        ("auto", "f1", 30, False),
        ("auto", "accuracy", 5, False),
        ("auto", "log_loss", 5, False),
        ("weighted", "accuracy", 30, True),
        ("none", "f1", 5, False),
    ],
)
def test_rare_classes_weigh_more_where_the_metric_wants_it(
    balance: str, metric: str, rare_rows: int, weighs: bool
) -> None:
    target = np.repeat([0, 1], [100 - rare_rows, rare_rows])
    model = model_for("binary", metrics=[metric])
    assert weighs_rare(model, settings_with(class_balance=balance), ("no", "yes"), target) is weighs


def test_regression_has_no_rare_class() -> None:
    assert not weighs_rare(model_for("regression"), settings_with(class_balance="weighted"), (), np.arange(3.0))


def test_sigmoid_is_refused_for_many_classes() -> None:
    with pytest.raises(ConfigError, match="set it to temperature"):
        check_problem(model_for("multiclass"), settings_with(calibration="sigmoid"))
