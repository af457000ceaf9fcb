"""Encoder and graph against the original: random tables, every estimator, nulls, unseen values, thresholds."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import ColumnKind, Task
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import Scalar, fit
from trimtab.training.export import check_parity, export
from trimtab.training.probes import probe_inputs
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm

PARAMS: dict[Algorithm, dict[str, Scalar]] = {
    Algorithm.LOGISTIC_REGRESSION: {"C": 1.0},
    Algorithm.RIDGE: {"alpha": 1.0},
    Algorithm.RANDOM_FOREST: {"n_estimators": 8, "max_depth": 6},
    Algorithm.XGBOOST: {"n_estimators": 12, "max_depth": 4},
    Algorithm.LIGHTGBM: {"n_estimators": 12, "num_leaves": 15, "min_child_samples": 5},
}
CASES = [(algorithm, task) for algorithm in Algorithm for task in Task if algorithm.fits(task)]
SPREADS = [1e-36, 1e-3, 1.0, 1e6]


def problem_of(task: Task) -> Problem:
    classes = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("a", "b", "c"), Task.REGRESSION: ()}[task]
    positive = "yes" if task is Task.BINARY else None
    metric = "accuracy" if classes else "mae"
    return Problem(task, classes, positive, (metric,), metric, "none")


@pytest.mark.parametrize(("algorithm", "task"), CASES, ids=[f"{a}-{t}" for a, t in CASES])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from(SPREADS),
    rounded=st.booleans(),
    null_share=st.sampled_from([0.0, 0.02, 0.4]),
)
def test_graph_answers_as_the_original(
    algorithm: Algorithm, task: Task, seed: int, spread: float, rounded: bool, null_share: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = 160
    drawn = rng.normal(size=(rows, 3))
    if rounded:
        drawn = drawn.round(1)  # many ties, and midpoints that are no float32
    numeric = (drawn * spread).astype(np.float32)
    score = numeric.sum(axis=1) / spread + rng.normal(size=rows) * 0.3
    numeric[rng.random(rows) < null_share, 1] = np.nan
    codes = rng.integers(-1, 3, size=(rows, 1))
    target = {
        Task.BINARY: (score > 0).astype(np.int64),
        Task.MULTICLASS: np.digitize(score, [-0.7, 0.7]).astype(np.int64),
        Task.REGRESSION: score * 100 + 50,
    }[task]
    features = (
        Feature(name="x", kind=ColumnKind.NUMBER),
        Feature(name="y", kind=ColumnKind.NUMBER, nullable=True),
        Feature(name="z", kind=ColumnKind.INTEGER),
        Feature(name="c", kind=ColumnKind.CATEGORY, nullable=True, categories=("p", "q", "r")),
    )
    problem = problem_of(task)
    inputs = Inputs(numeric, codes)
    fitted = fit(algorithm, PARAMS[algorithm], problem, features, inputs, target, seed=1)
    model = export(fitted)
    manifest = shell_manifest(problem, features, "m", "t")
    probes = probe_inputs(manifest, inputs, model, rng)
    tolerance = 2e-5 * (1.0 if task.is_classification else 100.0)
    parity = check_parity(fitted, manifest, model, probes, tolerance)
    assert parity.rows >= rows + 32 * 3
    # And the served classes are those of the original wherever it is not undecided.
    answer, original = Predictor(manifest, model).predict(probes), fitted.answer(probes)
    if task.is_classification:
        ordered = np.sort(original.raw, axis=1)
        decided = ordered[:, -1] - ordered[:, -2] > 1e-4
        assert (answer.labels[decided] == original.prediction[decided]).all()
