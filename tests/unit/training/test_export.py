import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import DataContractError
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import fit
from trimtab.training.export import ParityError, check_parity, export, floor_thresholds
from trimtab.training.preparation import fit_preparation
from trimtab.training.probes import probe_inputs
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm

FEATURES = (
    Feature(name="x", kind=ColumnKind.NUMBER, nullable=True),
    Feature(name="c", kind=ColumnKind.CATEGORY, nullable=True, categories=("p", "q")),
)
RNG = np.random.default_rng(5)
X = RNG.normal(50, 10, size=(80, 1)).astype(np.float32)
X[3] = np.nan
INPUTS = Inputs(X, RNG.integers(-1, 2, size=(80, 1)))
VALUES = np.nan_to_num(X[:, 0], nan=50.0).astype(np.float64) * 3
NUMBERS = Problem(Task.REGRESSION, (), None, ("mae",), "mae", "none")
MANIFEST = shell_manifest(NUMBERS, FEATURES, "m", "y")


def test_scaling_is_that_of_scikit_learn() -> None:
    inputs = Inputs(X[5:], INPUTS.codes[5:])
    preparation = fit_preparation(FEATURES, inputs, keep_nan=False, scale=True)
    expected = StandardScaler().fit_transform(X[5:].astype(np.float64))
    np.testing.assert_allclose(preparation.transform(inputs)[:, :1], expected, atol=1e-5)


def test_constant_column_is_left_at_zero() -> None:
    same = Inputs(np.full((5, 1), 7, dtype=np.float32), np.zeros((5, 1), dtype=np.int64))
    preparation = fit_preparation(FEATURES, same, keep_nan=False, scale=True)
    assert preparation.transform(same)[:, 0].tolist() == [0] * 5


def test_nan_is_kept_only_where_training_saw_it() -> None:
    nothing_missing = Inputs(X[5:], INPUTS.codes[5:])
    assert np.isnan(fit_preparation(FEATURES, INPUTS, keep_nan=True, scale=False).fill[0])
    assert not np.isnan(fit_preparation(FEATURES, nothing_missing, keep_nan=True, scale=False).fill[0])


def test_log_transform_is_undone_in_the_graph() -> None:
    problem = Problem(Task.REGRESSION, (), None, ("mae",), "mae", "log1p")
    fitted = fit(Algorithm.RIDGE, {"alpha": 1.0}, problem, FEATURES, INPUTS, VALUES, seed=0)
    far = Inputs(np.array([[1e6]], dtype=np.float32), np.zeros((1, 1), dtype=np.int64))
    model = export(fitted)
    probes = Inputs(np.concatenate([X, far.numeric]), np.concatenate([INPUTS.codes, far.codes]))
    largest = float(fitted.answer(probes).raw.max())
    assert np.isfinite(largest)
    assert check_parity(fitted, MANIFEST, model, probes, largest * 1e-4).rows == 81


def test_graph_of_another_fit_is_refused_with_the_difference() -> None:
    one, other = (
        fit(Algorithm.RIDGE, {"alpha": 1.0}, NUMBERS, FEATURES, INPUTS, VALUES + shift, seed=0) for shift in (0, 0.5)
    )
    with pytest.raises(ParityError, match=r"up to 0\.5.* expected at most 0\.01"):
        check_parity(one, MANIFEST, export(other), INPUTS, 0.01)


def test_thresholds_that_double_and_float_judge_otherwise_stay_exact() -> None:
    # Midpoints of neighbouring float32 values are doubles that no float32 holds.
    low = np.float32(1.0)
    steps = np.array(
        [low, np.nextafter(low, np.float32(2)), np.nextafter(np.nextafter(low, np.float32(2)), np.float32(2))]
    )
    numeric = np.repeat(steps, 30).reshape(-1, 1).astype(np.float32)
    inputs = Inputs(numeric, np.zeros((90, 1), dtype=np.int64))
    target = np.repeat([0.0, 100.0, 1000.0], 30)
    for algorithm, params in (
        (Algorithm.LIGHTGBM, {"n_estimators": 5, "min_child_samples": 5}),
        (Algorithm.RANDOM_FOREST, {"n_estimators": 5}),
        (Algorithm.XGBOOST, {"n_estimators": 5}),
    ):
        fitted = fit(algorithm, params, NUMBERS, FEATURES, inputs, target, seed=0)
        model = export(fitted)
        probes = probe_inputs(MANIFEST, inputs, model, np.random.default_rng(0))
        assert check_parity(fitted, MANIFEST, model, probes, 1e-3).max_abs_difference < 1e-3


def test_tiny_thresholds_move_to_the_side_where_zero_lies() -> None:
    low, high = (float(text) for text in floor_thresholds("threshold=-1e-36 1e-36").removeprefix("threshold=").split())
    assert low < -1e-35
    assert high == float(np.float32(1e-35))


def test_class_without_rows_to_learn_from_is_refused() -> None:
    problem = Problem(Task.MULTICLASS, ("a", "b", "z"), None, ("accuracy",), "accuracy", "none")
    fitted = fit(Algorithm.XGBOOST, {"n_estimators": 2}, problem, FEATURES, INPUTS, np.arange(80) % 2, seed=0)
    assert fitted.answer(INPUTS).raw[:, 2].tolist() == [0.0] * 80
    with pytest.raises(DataContractError, match="class 'z' has no row to learn from"):
        export(fitted)


def test_rows_of_one_class_are_refused() -> None:
    problem = Problem(Task.BINARY, ("a", "b"), "b", ("accuracy",), "accuracy", "none")
    with pytest.raises(DataContractError, match="all of class 'a'"):
        fit(Algorithm.XGBOOST, {}, problem, FEATURES, INPUTS, np.zeros(80, dtype=np.int64), seed=0)
