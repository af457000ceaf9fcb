"""Probabilities that mean what they say: a correction learnt out of sample, and the threshold to decide by.

The correction is a function of the estimator's probabilities alone, so that it can be part of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

from trimtab.bundle.manifest import Calibration
from trimtab.core.enums import Task
from trimtab.measures.class_metrics import calibration_error
from trimtab.training.problem import Problem

__all__ = ["best_threshold", "calibrate", "calibration_nodes", "choose_calibration"]

Method = Literal["sigmoid", "temperature"]
Matrix = NDArray[np.float64]

_CLIP = 2.0**-20  # 1 − it is a float32, so that graph and NumPy cut at the same place
_FOLDS = 5
_FEWEST_ROWS = 100
_FEWEST_OF_A_CLASS = 10
_SMALLEST_GAIN = 0.005
_STEEPEST = 20.0


def calibrate(calibration: Calibration | None, problem: Problem, raw: Matrix) -> Matrix:
    """Return the probabilities (n, K) corrected; without a calibration, or for regression, ``raw`` as it is.

    >>> told = Calibration(method="temperature", slope=2.0, rows=1, log_loss_before=0, log_loss_after=0, ece_before=0,
    ...     ece_after=0)
    >>> problem = Problem(Task.MULTICLASS, ("a", "b"), None, (), "accuracy", "none")
    >>> calibrate(told, problem, np.array([[0.75, 0.25]])).tolist()
    [[0.9, 0.1]]
    """
    if calibration is None or not problem.task.is_classification:
        return raw
    return _apply(_Curve(calibration.method, calibration.slope, calibration.intercept), problem.positive_place, raw)


def choose_calibration(
    wanted: Literal["auto", "none", "sigmoid", "temperature"],
    problem: Problem,
    target: NDArray[Any],
    raw: Matrix,
    rng: np.random.Generator,
) -> Calibration | None:
    """Return the correction learnt from out-of-sample probabilities ``raw`` (n, K) and class places ``target`` (n,).

    ``auto`` takes one only where it lowers the cross-fitted log loss by more than 0.5 % and more than chance (two
    standard errors of the rows' gains), and where there are enough rows to tell: 100, and ten of two classes each.
    A named method is taken whenever there are two classes to learn from.
    """
    present = np.bincount(target, minlength=len(problem.classes)) if problem.task.is_classification else np.array([])
    if wanted == "none" or np.count_nonzero(present) < 2 or len(target) < _FOLDS:
        return None
    if wanted == "auto" and (len(target) < _FEWEST_ROWS or np.count_nonzero(present >= _FEWEST_OF_A_CLASS) < 2):
        return None
    # The measure of quality must not see rows that the curve was fitted to.
    method: Method = wanted if wanted != "auto" else ("sigmoid" if problem.task is Task.BINARY else "temperature")
    parts = rng.permutation(np.arange(len(target)) % _FOLDS)
    corrected = raw.copy()
    for part in range(_FOLDS):
        curve = _fit(method, problem.positive_place, target[parts != part], raw[parts != part])
        corrected[parts == part] = _apply(curve, problem.positive_place, raw[parts == part])
    before, after = _row_loss(target, raw), _row_loss(target, corrected)
    gains = before - after
    chance = 2 * float(gains.std()) / np.sqrt(len(gains))
    if wanted == "auto" and not gains.mean() > max(chance, _SMALLEST_GAIN * before.mean()):
        return None
    curve = _fit(method, problem.positive_place, target, raw)
    return Calibration(
        method=method,
        slope=curve.slope,
        intercept=curve.intercept,
        rows=len(target),
        log_loss_before=float(before.mean()),
        log_loss_after=float(after.mean()),
        ece_before=_error(problem, target, raw),
        ece_after=_error(problem, target, corrected),
    )


def best_threshold(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """Return the threshold of the best F1, midway between two probabilities that occur; 0.5 without positives.

    >>> round(best_threshold(np.array([True, True, False, False]), np.array([0.8, 0.4, 0.2, 0.1])), 3)
    0.3
    """
    if not positive.any() or positive.all():
        return 0.5
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(positive[order])
    said = np.arange(1, len(ranked) + 1)
    f1 = 2 * hits / (said + positive.sum())
    # A cut between two equal probabilities would be none.
    f1[:-1] = np.where(ranked[:-1] == ranked[1:], -1.0, f1[:-1])
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[best] + below) / 2, 1e-4, 1 - 1e-4))


def calibration_nodes(
    calibration: Calibration | None, positive_place: int | None, raw: str, output: str
) -> tuple[list[Any], list[Any]]:
    """Return ONNX nodes from probabilities ``raw`` (n, K) to corrected ones ``output``, and their constants."""
    if calibration is None:
        return [helper.make_node("Identity", [raw], [output])], []
    constants: dict[str, NDArray[Any]] = {
        "cal_low": np.array(_CLIP, dtype=np.float32),
        "cal_high": np.array(1 - _CLIP, dtype=np.float32),
        "cal_slope": np.array(calibration.slope, dtype=np.float32),
    }
    nodes = [helper.make_node("Clip", [raw, "cal_low", "cal_high"], ["cal_clipped"])]
    if positive_place is None:
        nodes += [
            helper.make_node("Log", ["cal_clipped"], ["cal_log"]),
            helper.make_node("Mul", ["cal_log", "cal_slope"], ["cal_scaled"]),
            helper.make_node("Softmax", ["cal_scaled"], [output], axis=1),
        ]
    else:
        constants |= {
            "cal_place": np.array([positive_place], dtype=np.int64),
            "cal_one": np.array(1, dtype=np.float32),
            "cal_intercept": np.array(calibration.intercept, dtype=np.float32),
        }
        both = ["cal_other", "cal_positive"] if positive_place == 1 else ["cal_positive", "cal_other"]
        nodes += [
            helper.make_node("Gather", ["cal_clipped", "cal_place"], ["cal_chance"], axis=1),
            helper.make_node("Sub", ["cal_one", "cal_chance"], ["cal_rest"]),
            helper.make_node("Div", ["cal_chance", "cal_rest"], ["cal_odds"]),
            helper.make_node("Log", ["cal_odds"], ["cal_logit"]),
            helper.make_node("Mul", ["cal_logit", "cal_slope"], ["cal_scaled"]),
            helper.make_node("Add", ["cal_scaled", "cal_intercept"], ["cal_moved"]),
            helper.make_node("Sigmoid", ["cal_moved"], ["cal_positive"]),
            helper.make_node("Sub", ["cal_one", "cal_positive"], ["cal_other"]),
            helper.make_node("Concat", both, [output], axis=1),
        ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


@dataclass(frozen=True, slots=True)
class _Curve:
    method: Method
    slope: float
    intercept: float


def _apply(curve: _Curve, place: int | None, raw: Matrix) -> Matrix:
    clipped = np.clip(raw, _CLIP, 1 - _CLIP)
    if place is None:
        powers = clipped**curve.slope
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    positive = expit(curve.slope * logit(clipped[:, place]) + curve.intercept)
    return np.stack([positive if place == column else 1 - positive for column in (0, 1)], axis=1)


def _fit(method: Method, place: int | None, target: NDArray[Any], raw: Matrix) -> _Curve:
    """Minimise the log loss over log(slope), so that more stays more, and (sigmoid) the intercept."""
    bounds = (-np.log(_STEEPEST), np.log(_STEEPEST))
    if method == "sigmoid" and place is not None:
        score = logit(np.clip(raw[:, place], _CLIP, 1 - _CLIP))
        positives = float((target == place).sum())
        # Platt's smoothed targets: a perfect separation must not lead to an infinite slope.
        smoothed = np.where(target == place, (positives + 1) / (positives + 2), 1 / (len(target) - positives + 2))
        found = minimize(_platt_loss(score, smoothed), np.zeros(2), jac=True, bounds=[bounds, (-30, 30)])
        return _Curve(method, float(np.exp(found.x[0])), float(found.x[1]))

    def loss(log_slope: float) -> float:
        return float(_row_loss(target, _apply(_Curve(method, float(np.exp(log_slope)), 0.0), place, raw)).mean())

    return _Curve(method, float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)), 0.0)


def _platt_loss(score: Matrix, wanted: Matrix) -> Callable[[Matrix], tuple[float, Matrix]]:
    def loss(at: Matrix) -> tuple[float, Matrix]:
        slope = np.exp(at[0])
        z = slope * score + at[1]
        value = float((np.logaddexp(0, z) - wanted * z).mean())
        wrong = expit(z) - wanted
        return value, np.array([(wrong * score).mean() * slope, wrong.mean()])

    return loss


def _row_loss(target: NDArray[Any], raw: Matrix) -> Matrix:
    return np.asarray(-np.log(np.clip(raw[np.arange(len(target)), target], 1e-15, 1)))


def _error(problem: Problem, target: NDArray[Any], raw: Matrix) -> float:
    place = problem.positive_place
    if place is not None:
        return calibration_error(target == place, raw[:, place])
    chosen = raw.argmax(axis=1)
    return calibration_error(target == chosen, raw[np.arange(len(raw)), chosen])
