"""The estimators: how each is built and fitted, and what it answers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Calibration, Feature
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.training.calibration import calibrate
from trimtab.training.preparation import Preparation, fit_preparation
from trimtab.training.problem import Answer, Problem
from trimtab.training.settings import Algorithm

__all__ = ["LOG_CEILING", "Fitted", "Scalar", "fit", "modules_of"]

Scalar = bool | int | float | str | None

LOG_CEILING = 60.0
"""Largest exponent of the log1p transform's inverse, so that its answer stays a finite float32."""

_KEEPS_NAN = frozenset({Algorithm.XGBOOST, Algorithm.LIGHTGBM})
_SCALED = frozenset({Algorithm.LOGISTIC_REGRESSION, Algorithm.RIDGE})
_TAKES_SPARSE = frozenset({Algorithm.LOGISTIC_REGRESSION, Algorithm.RIDGE, Algorithm.LIGHTGBM})
"""To these a zero that is not stored is a zero; to XGBoost it would be missing."""

_OWN_WEIGHTS = ("class_weight", "scale_pos_weight")
_HEAVIEST = 50.0
_MODULES = {
    Algorithm.LOGISTIC_REGRESSION: "sklearn.linear_model",
    Algorithm.RIDGE: "sklearn.linear_model",
    Algorithm.RANDOM_FOREST: "sklearn.ensemble",
    Algorithm.XGBOOST: "xgboost",
    Algorithm.LIGHTGBM: "lightgbm",
}


def modules_of(algorithms: tuple[Algorithm, ...]) -> list[str]:
    """Return the modules that fitting these algorithms imports."""
    return sorted({_MODULES[algorithm] for algorithm in algorithms})


@dataclass(frozen=True, slots=True)
class Fitted:
    """A preparation and an estimator that were fitted together. ``present``: the class places that it has seen."""

    algorithm: Algorithm
    preparation: Preparation
    estimator: Any
    problem: Problem
    present: NDArray[np.int64]
    calibration: Calibration | None = None

    def answer(self, inputs: Inputs) -> Answer:
        """Return the answers to n rows, calibrated if it is; a class that the fit never saw has probability 0."""
        matrix = self.preparation.transform(inputs)
        if not self.problem.task.is_classification:
            value = np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(-1)
            if self.problem.transform == "log1p":
                value = np.expm1(np.minimum(value, LOG_CEILING))
            return self.problem.read(value)
        raw = np.zeros((len(inputs), len(self.problem.classes)))
        raw[:, self.present] = self.estimator.predict_proba(matrix)
        return self.problem.read(calibrate(self.calibration, self.problem, raw))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of what the estimator uses, summing to 1: |coefficients| or split gain."""
        if self.algorithm in _SCALED:
            weights = np.abs(np.atleast_2d(self.estimator.coef_)).sum(axis=0)
        elif self.algorithm is Algorithm.LIGHTGBM:
            weights = self.estimator.booster_.feature_importance("gain")
        else:
            weights = self.estimator.feature_importances_
        shares = dict.fromkeys(self.preparation.names, 0.0)
        total = float(np.sum(weights))
        for name, weight in zip(self.preparation.names, weights, strict=True):
            shares[name] += float(weight) / total if total > 0 else 0.0
        return shares


def fit(
    algorithm: Algorithm,
    params: Mapping[str, Scalar],
    problem: Problem,
    features: tuple[Feature, ...],
    inputs: Inputs,
    target: NDArray[Any],
    *,
    seed: int,
) -> Fitted:
    """Fit the preparation and the estimator on n rows; everything on one thread.

    Raises:
        DataContractError: the rows hold a single class.
        ConfigError: the estimator refuses the parameters.
    """
    preparation = fit_preparation(features, inputs, keep_nan=algorithm in _KEEPS_NAN, scale=algorithm in _SCALED)
    if preparation.width == 0:
        raise DataContractError("training rows: no feature has a value that the contract knows; correct categories")
    present = np.array([], dtype=np.int64)
    wanted = target
    if problem.task.is_classification:
        present, wanted = np.unique(target, return_inverse=True)
        if len(present) < 2:
            raise DataContractError(
                f"training rows: all of class {problem.classes[int(present[0])]!r}; expected two; deliver more rows"
            )
    elif problem.transform == "log1p":
        wanted = np.log1p(target)
    estimator = _build(algorithm, dict(params), problem.task.is_classification, seed)
    try:
        with warnings.catch_warnings():
            # A trial that does not converge is judged by its score; the warning would tell nobody anything.
            warnings.simplefilter("ignore")
            weights = _weights(problem, wanted, params)
            has_terms = any(feature.terms for feature in features)
            sparsely = has_terms and algorithm in _TAKES_SPARSE
            design = preparation.transform_sparse(inputs) if sparsely else preparation.transform(inputs)
            estimator.fit(design, wanted, sample_weight=weights)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"candidate {algorithm}: refuses {dict(params)} ({(str(error).splitlines() or ['?'])[0][:200]}); correct "
            "its space in training_config.yaml"
        ) from error
    return Fitted(algorithm, preparation, estimator, problem, present)


def _weights(problem: Problem, places: NDArray[Any], params: Mapping[str, Scalar]) -> NDArray[np.float64] | None:
    """Return weights by which every class counts as much in all, no row more than 50 times another; None: all alike.

    A weight among the parameters wins: the user has chosen.
    """
    if not problem.weighted or any(params.get(name) is not None for name in _OWN_WEIGHTS):
        return None
    counts = np.bincount(places).astype(np.float64)
    weights = np.minimum(counts.max() / counts, _HEAVIEST)[places]
    return np.asarray(weights / weights.mean())


def _build(algorithm: Algorithm, params: dict[str, Scalar], classify: bool, seed: int) -> Any:
    # Imported where used: a worker that fits one kind must not pay for the others.
    if algorithm is Algorithm.LOGISTIC_REGRESSION:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**{"max_iter": 1000, **params}, random_state=seed)
    if algorithm is Algorithm.RIDGE:
        from sklearn.linear_model import Ridge

        return Ridge(**params, random_state=seed)
    if algorithm is Algorithm.RANDOM_FOREST:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        return (RandomForestClassifier if classify else RandomForestRegressor)(**params, random_state=seed, n_jobs=1)
    if algorithm is Algorithm.XGBOOST:
        from xgboost import XGBClassifier, XGBRegressor

        return (XGBClassifier if classify else XGBRegressor)(
            **params, random_state=seed, n_jobs=1, tree_method="hist", verbosity=0
        )
    from lightgbm import LGBMClassifier, LGBMRegressor

    settings = {"subsample_freq": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1, **params}
    return (LGBMClassifier if classify else LGBMRegressor)(**settings, random_state=seed, n_jobs=1)
