"""Why the winner answers as it does: SHAP values of rows, by feature.

For each row, base + the sum of its values = the estimator's raw answer: the margin (log-odds) of a classifier, the
value of a regression on the scale that it learnt; for random forests the probability. Boosted trees explain themselves,
linear models by a closed form [1]_; a random forest needs the ``explain`` extra.

.. [1] Lundberg and Lee, *A unified approach to interpreting model predictions*, NeurIPS 2017; TreeSHAP: Lundberg,
   Erion and Lee, *Consistent individualized feature attribution for tree ensembles*, 2018.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.training.estimators import Fitted, Scalar
from trimtab.training.settings import Algorithm
from trimtab.training.tune import TuneTask

__all__ = ["ExplainTask", "Explained", "Explanation", "explain", "explain_fit"]

_BACKGROUND_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class ExplainTask:
    """The winner, the rows that it is fitted on for good (``fit``), and those to explain (``rows``)."""

    tuned: TuneTask
    params: dict[str, Scalar]
    fit: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Explanation:
    """SHAP values of n rows, F features and K outputs.

    ``values`` (n, F, K), ``base`` (K,), ``answer`` (n, K): what base and values add up to. ``outputs``: the class
    behind each output (binary: the positive one), or ``value``. ``features``: F names. ``rows`` (n,): positions in the
    snapshot.
    """

    features: tuple[str, ...]
    outputs: tuple[str, ...]
    scale: str
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    base: NDArray[np.float64]
    answer: NDArray[np.float64]

    @property
    def shares(self) -> dict[str, float]:
        """Each feature's share of the mean absolute values, summing to 1; all 0 where nothing is attributed."""
        weights = np.abs(self.values).mean(axis=(0, 2)) if len(self.values) else np.zeros(len(self.features))
        total = float(weights.sum())
        return {
            name: float(weight) / total if total > 0 else 0.0
            for name, weight in zip(self.features, weights, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, or a note that says why there is none."""

    explanation: Explanation | None
    note: str | None = None


def explain(task: ExplainTask, fitted: Fitted, inputs: Inputs) -> Explained:
    """Explain ``fitted``, the winner as it will serve; whatever hinders that becomes a note."""
    try:
        background = task.fit[:: max(1, len(task.fit) // _BACKGROUND_ROWS)]
        return Explained(explain_fit(fitted, inputs.take(background), inputs.take(task.rows), task.rows))
    except ImportError as error:
        return Explained(None, f"{task.tuned.candidate.type} was not explained: {error}")
    except Exception as error:  # noqa: BLE001 - a step of its own: a version stands without its explanation
        reason = (str(error).splitlines() or ["no reason given"])[0][:200]
        return Explained(None, f"{task.tuned.candidate.type} was not explained ({type(error).__name__}: {reason})")


def explain_fit(fitted: Fitted, background: Inputs, inputs: Inputs, rows: NDArray[np.int64]) -> Explanation:
    """Return the SHAP values of the n rows ``inputs``; ``background`` is what a linear model's are measured from.

    Raises:
        ImportError: the ``explain`` extra is needed, and absent.
    """
    design = fitted.preparation.transform(inputs)
    if fitted.algorithm is Algorithm.LIGHTGBM:
        values, base = _of_lightgbm(fitted, design)
    elif fitted.algorithm is Algorithm.XGBOOST:
        values, base = _of_xgboost(fitted, design)
    elif fitted.algorithm is Algorithm.RANDOM_FOREST:
        values, base = _of_forest(fitted, design)
    else:
        values, base = _of_linear(fitted, fitted.preparation.transform(background), design)
    answer = _answers(fitted, design)
    if fitted.problem.positive_place is not None:
        # Of a binary model's outputs one is told: that of the positive class.
        if values.shape[2] == 1:
            sign = 1.0 if fitted.problem.positive_place == 1 else -1.0
            values, base, answer = sign * values, sign * base, sign * answer
        else:
            place = [fitted.problem.positive_place]
            values, base, answer = values[:, :, place], base[place], answer[:, place]
    features, summed = _by_feature(fitted, values)
    return Explanation(
        features=features,
        outputs=_outputs(fitted),
        scale=_scale(fitted),
        rows=rows,
        values=summed,
        base=base,
        answer=answer,
    )


def _of_lightgbm(fitted: Fitted, design: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = np.asarray(fitted.estimator.booster_.predict(design, pred_contrib=True), dtype=np.float64)
    cube = flat.reshape(len(design), -1, design.shape[1] + 1).transpose(0, 2, 1)
    return cube[:, :-1], cube[0, -1]


def _of_xgboost(fitted: Fitted, design: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from xgboost import DMatrix  # start-up cost: only where XGBoost has won

    found = np.asarray(
        fitted.estimator.get_booster().predict(DMatrix(design, nthread=1), pred_contribs=True), dtype=np.float64
    )
    cube = (found[:, None] if found.ndim == 2 else found).transpose(0, 2, 1)
    return cube[:, :-1], cube[0, -1]


def _of_linear(
    fitted: Fitted, background: NDArray[np.float32], design: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficient · (value − mean): exact for a linear model whose inputs are taken as independent."""
    weights = np.atleast_2d(np.asarray(fitted.estimator.coef_, dtype=np.float64))
    intercept = np.atleast_1d(np.asarray(fitted.estimator.intercept_, dtype=np.float64))
    mean = background.astype(np.float64).mean(axis=0)
    values = (design.astype(np.float64) - mean)[:, :, None] * weights.T[None]
    return values, intercept + weights @ mean


def _of_forest(fitted: Fitted, design: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with warnings.catch_warnings():
        # Its own imports warn of what they will lose some day.
        warnings.simplefilter("ignore")
        try:
            from shap import TreeExplainer  # an extra, and seconds of start-up
        except ImportError as error:
            raise ImportError("a random forest needs the extra; install 'trimtab[explain]'") from error
        explainer = TreeExplainer(fitted.estimator)
        found = np.asarray(explainer.shap_values(design, check_additivity=False), dtype=np.float64)
    cube = found[:, :, None] if found.ndim == 2 else found
    return cube, np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64))


def _answers(fitted: Fitted, design: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the estimator says on the scale of the values (n, K), asked by another way than they were."""
    estimator = fitted.estimator
    classify = fitted.problem.task.is_classification
    if fitted.algorithm is Algorithm.LIGHTGBM:
        found = estimator.booster_.predict(design, raw_score=True)
    elif fitted.algorithm is Algorithm.XGBOOST:
        found = estimator.predict(design, output_margin=True)
    elif not classify:
        found = estimator.predict(design)
    elif fitted.algorithm is Algorithm.RANDOM_FOREST:
        found = estimator.predict_proba(design)
    else:
        found = estimator.decision_function(design)
    return np.asarray(found, dtype=np.float64).reshape(len(design), -1)


def _by_feature(fitted: Fitted, values: NDArray[np.float64]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Add up the columns that were made of one feature."""
    names = fitted.preparation.names
    features = tuple(dict.fromkeys(names))
    place = {name: at for at, name in enumerate(features)}
    summed = np.zeros((len(values), len(features), values.shape[2]))
    for column, name in enumerate(names):
        summed[:, place[name]] += values[:, column]
    return features, summed


def _outputs(fitted: Fitted) -> tuple[str, ...]:
    problem = fitted.problem
    if not problem.task.is_classification:
        return ("value",)
    if problem.positive_class is not None:
        return (problem.positive_class,)
    return tuple(problem.classes[int(place)] for place in fitted.present)


def _scale(fitted: Fitted) -> str:
    if fitted.problem.task.is_classification:
        return "probability" if fitted.algorithm is Algorithm.RANDOM_FOREST else "log-odds"
    return "log(1 + value)" if fitted.problem.transform == "log1p" else "value"
