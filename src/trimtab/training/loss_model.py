"""A second, small model: how large the errors of the winner's answers are to be expected, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.loss_predictor import ABSOLUTE_LOSS_NAME, SQUARED_LOSS_NAME, loss_manifest
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import Task
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import Fitted, Scalar, fit
from trimtab.training.export import ParityError, check_parity, export
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm

__all__ = ["fit_loss_model", "with_answer"]

_FEWEST_ROWS = 200
_MOST_ROWS = 20_000
_MOST_CELLS = 4_000_000
_TOLERANCE = 1e-3
_CHECKED_ROWS = 256
_PARAMS: Mapping[str, Scalar] = MappingProxyType({"n_estimators": 100, "num_leaves": 15, "min_child_samples": 50})


def fit_loss_model(
    features: tuple[Feature, ...],
    inputs: Inputs,
    prediction: NDArray[np.float64],
    truth: NDArray[np.float64],
    *,
    seed: int,
) -> dict[str, bytes]:
    """Return the graphs of a model of the losses, by the name of their file in a bundle; none with too few rows.

    Learnt from rows whose answers ``prediction`` ``(n,)`` were made out of sample, with the model's features and the
    answer itself [1]. Gradient-boosted trees, 100 of 15 leaves, on at most 20 000 rows drawn at random and as many as
    make four million numbers, so that the time it takes has a bound. Fewer than 200 rows tell too little.

    [1] NannyML's direct loss estimation is of this kind.
    """
    wider = with_answer(inputs, prediction, features)
    rng = np.random.default_rng(seed)
    most = min(_MOST_ROWS, _MOST_CELLS // max(1, wider.numeric.shape[1] + wider.codes.shape[1]))
    rows = np.sort(rng.permutation(len(truth))[:most])
    if len(rows) < _FEWEST_ROWS:
        return {}
    error = np.abs(truth[rows] - prediction[rows])
    learnt = wider.take(rows)
    try:
        return {
            ABSOLUTE_LOSS_NAME: _graph(features, learnt, error, seed),
            SQUARED_LOSS_NAME: _graph(features, learnt, error**2, seed),
        }
    except ParityError:
        # The model itself is sound: its errors will be measured, and not estimated.
        return {}


def with_answer(inputs: Inputs, prediction: NDArray[np.float64], features: tuple[Feature, ...]) -> Inputs:
    """Return the inputs of rows with what they were answered, ``(n,)``, as the last number before the texts."""
    place = sum(feature.kind.is_numeric for feature in features)
    numeric = np.insert(inputs.numeric, place, prediction.astype(np.float32), axis=1)
    return Inputs(np.ascontiguousarray(numeric), inputs.codes)


def _graph(features: tuple[Feature, ...], inputs: Inputs, loss: NDArray[np.float64], seed: int) -> bytes:
    problem = Problem(Task.REGRESSION, (), None, ("mae",), "mae", "none")
    manifest = loss_manifest(shell_manifest(problem, features, "loss", "loss"))
    fitted: Fitted = fit(Algorithm.LIGHTGBM, _PARAMS, problem, manifest.features, inputs, loss, seed=seed)
    graph = export(fitted)
    probes = inputs.take(np.arange(min(len(inputs), _CHECKED_ROWS)))
    check_parity(fitted, manifest, graph, probes, _TOLERANCE * (float(np.std(loss)) or 1.0))
    return graph
