"""SHAP values add up to what the estimator says, for every kind of estimator and task."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind, Task
from trimtab.training.estimators import Scalar, fit
from trimtab.training.explain import ExplainTask, Explanation, explain, explain_fit
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm, CandidateSettings
from trimtab.training.split import Split
from trimtab.training.tune import TuneTask, fit_rows

ROWS = 160
FEATURES = (
    Feature(name="x", kind=ColumnKind.NUMBER),
    Feature(name="gap", kind=ColumnKind.NUMBER, nullable=True),
    Feature(name="noise", kind=ColumnKind.NUMBER),
    Feature(name="colour", kind=ColumnKind.CATEGORY, categories=("blue", "green", "red")),
)
RNG = np.random.default_rng(5)
NUMERIC = RNG.normal(size=(ROWS, 3)).astype(np.float32)
NUMERIC[::7, 1] = np.nan
CODES = RNG.integers(0, 3, (ROWS, 1))
INPUTS = Inputs(NUMERIC, CODES)
SCORE = 2 * NUMERIC[:, 0] + (CODES[:, 0] == 2) * 1.5 + RNG.normal(size=ROWS) * 0.1
PARAMS: dict[Algorithm, dict[str, Scalar]] = {
    Algorithm.RANDOM_FOREST: {"n_estimators": 8, "max_depth": 4},
    Algorithm.XGBOOST: {"n_estimators": 8},
    Algorithm.LIGHTGBM: {"n_estimators": 8},
}
CASES = [
    (algorithm, task)
    for algorithm, task in product(Algorithm, (Task.BINARY, Task.MULTICLASS, Task.REGRESSION))
    if algorithm.fits(task)
]


def problem_for(task: Task, *, positive: str = "class 1", transform: str = "none") -> Problem:
    classes = {Task.BINARY: 2, Task.MULTICLASS: 3}.get(task, 0)
    names = tuple(f"class {place}" for place in range(classes))
    return Problem(task, names, positive if task is Task.BINARY else None, ("accuracy",), "accuracy", transform)


def target_for(task: Task) -> NDArray[Any]:
    if task is Task.REGRESSION:
        return np.asarray(np.exp(SCORE / 4))
    thresholds = np.array([0.5] if task is Task.BINARY else [-0.5, 1.0])
    return np.asarray((SCORE[:, None] > thresholds).sum(axis=1))


def explanation_of(algorithm: Algorithm, problem: Problem) -> Explanation:
    if algorithm is Algorithm.RANDOM_FOREST:
        pytest.importorskip("shap", reason="the extra 'explain' is not installed")
    fitted = fit(algorithm, PARAMS.get(algorithm, {}), problem, FEATURES, INPUTS, target_for(problem.task), seed=1)
    rows = np.arange(0, ROWS, 4)
    return explain_fit(fitted, INPUTS, INPUTS.take(rows), rows)


@pytest.mark.parametrize(("algorithm", "task"), CASES)
def test_base_and_values_add_up_to_the_answer(algorithm: Algorithm, task: Task) -> None:
    found = explanation_of(algorithm, problem_for(task))
    outputs = 3 if task is Task.MULTICLASS else 1
    assert found.values.shape == (40, 4, outputs)
    assert set(found.features) == {"x", "gap", "noise", "colour"}
    assert len(found.outputs) == outputs
    scale = max(1.0, float(np.abs(found.answer).max()))
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.answer, atol=2e-5 * scale)
    assert np.ptp(found.answer) > 0
    assert found.shares["x"] == max(found.shares.values())
    assert sum(found.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("algorithm", [Algorithm.LOGISTIC_REGRESSION, Algorithm.LIGHTGBM])
def test_values_point_towards_the_positive_class_whichever_it_is(algorithm: Algorithm) -> None:
    up = explanation_of(algorithm, problem_for(Task.BINARY))
    down = explanation_of(algorithm, problem_for(Task.BINARY, positive="class 0"))
    np.testing.assert_allclose(down.values, -up.values)
    assert (up.outputs, down.outputs) == (("class 1",), ("class 0",))
    place = up.features.index("x")
    assert np.corrcoef(NUMERIC[up.rows, 0], up.values[:, place, 0])[0, 1] > 0.5


def test_transformed_target_is_explained_on_the_scale_that_was_learnt() -> None:
    found = explanation_of(Algorithm.RIDGE, problem_for(Task.REGRESSION, transform="log1p"))
    assert found.scale == "log(1 + value)"
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.answer, atol=1e-5)


def test_what_cannot_be_explained_becomes_a_note() -> None:
    rows = np.arange(ROWS)
    tuned = TuneTask(
        candidate=CandidateSettings(type=Algorithm.LIGHTGBM),
        problem=problem_for(Task.BINARY),
        features=FEATURES,
        split=Split(rows[:120], rows[120:]),
        folds=(),
        trials=1,
        trial_timeout_s=60.0,
        seed=1,
    )
    task = ExplainTask(tuned, {"n_estimators": 4}, rows[:120], rows[120:])
    fitted = fit_rows(tuned, task.params, INPUTS, target_for(Task.BINARY), task.fit)
    good = explain(task, fitted, INPUTS)
    assert good.note is None
    assert good.explanation is not None
    bad = explain(replace(task, rows=task.rows + ROWS), fitted, INPUTS)
    assert bad.explanation is None
    assert "lightgbm was not explained (IndexError" in str(bad.note)
