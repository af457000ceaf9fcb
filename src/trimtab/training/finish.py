"""The winner made ready: fitted for good, exported, its parity proved, and its answers to rows that it did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Parity
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import Fitted, Scalar, fit
from trimtab.training.export import check_parity, export, probe_inputs
from trimtab.training.problem import Answer
from trimtab.training.split import Fold
from trimtab.training.tune import TuneTask

__all__ = ["FinishTask", "Finished", "finish"]

_PROBE_ROWS = 256


@dataclass(frozen=True, slots=True)
class FinishTask:
    """The tuned candidate, its parameters, and which rows it is fitted on for good (``rows``)."""

    tuned: TuneTask
    params: dict[str, Scalar]
    rows: NDArray[np.int64]
    golden_rows: NDArray[np.int64]
    reference_folds: tuple[Fold, ...]
    parity_tolerance: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The graph, its proof, the original's answers to the golden rows, and raw answers out of sample, by fold."""

    model_onnx: bytes
    parity: Parity
    golden: Answer
    importance: dict[str, float]
    out_of_sample: tuple[NDArray[np.float64], ...]


def finish(task: FinishTask, inputs: Inputs, target: NDArray[Any]) -> Finished:
    """Fit, export and prove.

    Raises:
        ParityError: the graph answers otherwise than the estimator.
        DataContractError: a class is absent from the rows.
    """
    fitted = _fit(task, inputs, target, task.rows)
    model = export(fitted)
    problem = task.tuned.problem
    manifest = shell_manifest(problem, task.tuned.features, "candidate", "target")
    rng = np.random.default_rng(task.tuned.seed)
    base = np.union1d(task.golden_rows, rng.permutation(len(inputs))[:_PROBE_ROWS])
    probes = probe_inputs(manifest, inputs.take(base), model, rng)
    scale = 1.0 if problem.task.is_classification else float(np.std(target[task.rows])) or 1.0
    parity = check_parity(fitted, manifest, model, probes, task.parity_tolerance * scale)
    return Finished(
        model_onnx=model,
        parity=parity,
        golden=fitted.answer(inputs.take(task.golden_rows)),
        importance=fitted.importance(),
        out_of_sample=tuple(
            _fit(task, inputs, target, fold.fit).answer(inputs.take(fold.score)).raw for fold in task.reference_folds
        ),
    )


def _fit(task: FinishTask, inputs: Inputs, target: NDArray[Any], rows: NDArray[np.int64]) -> Fitted:
    tuned = task.tuned
    return fit(
        tuned.candidate.type,
        task.params,
        tuned.problem,
        tuned.features,
        inputs.take(rows),
        target[rows],
        seed=tuned.seed,
    )
