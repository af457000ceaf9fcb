"""The winner made ready: fitted for good, exported, its parity proved, and its answers to rows that it did not see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Calibration, Parity
from trimtab.measures.class_metrics import ClassScore
from trimtab.measures.number_metrics import residual_quantiles
from trimtab.training.calibration import best_threshold, calibrate, choose_calibration
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import Fitted, Scalar, fit
from trimtab.training.evaluate import Confusion, confusion_of, metrics_of, per_class_of
from trimtab.training.export import ParityError, check_parity, export
from trimtab.training.probes import probe_inputs
from trimtab.training.problem import Answer, Problem
from trimtab.training.split import Fold
from trimtab.training.tune import TuneTask

__all__ = ["FinishTask", "Finished", "Unseen", "answer_unseen", "finish", "fit_for_good"]

_PROBE_ROWS = 256


@dataclass(frozen=True, slots=True)
class FinishTask:
    """The tuned candidate, its parameters, and which rows it is fitted on for good (``rows``).

    ``held_out_raw``: what the tuned fit answered to the rows of ``tuned.split.test``; None: it learnt from a sample, so
    a fit on all of ``tuned.split.train`` is to answer. ``calibration`` and ``decision_threshold`` as in the
    configuration.
    """

    tuned: TuneTask
    params: dict[str, Scalar]
    rows: NDArray[np.int64]
    golden_rows: NDArray[np.int64]
    reference_folds: tuple[Fold, ...]
    parity_tolerance: float
    held_out_raw: NDArray[np.float64] | None
    calibration: Literal["auto", "none", "sigmoid", "temperature"]
    decision_threshold: float | Literal["auto"] | None


@dataclass(frozen=True, slots=True)
class Unseen:
    """Raw answers to rows that the answering fit had not seen: of each reference fold, and of the held-out rows."""

    folds: tuple[NDArray[np.float64], ...]
    held_out: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finished:
    """The graph, its proof, the original's answers to the golden rows, and what the version is judged by.

    Every answer is calibrated, and read with the threshold of ``problem``. ``out_of_sample``: raw answers by reference
    fold. ``held_out``, ``metrics``, ``confusion``, ``per_class`` and ``residuals`` (quantiles of truth − prediction by
    share; regression) are of the held-out rows. ``notes``: what was decided here, for people.
    """

    problem: Problem
    model_onnx: bytes
    parity: Parity
    golden: Answer
    importance: dict[str, float]
    out_of_sample: tuple[NDArray[np.float64], ...]
    calibration: Calibration | None
    held_out: Answer
    metrics: dict[str, float]
    confusion: Confusion | None
    per_class: tuple[ClassScore, ...]
    residuals: dict[float, float]
    notes: tuple[str, ...]

    @property
    def decision_threshold(self) -> float:
        """Binary: the probability from which the answer is the positive class."""
        return self.problem.threshold


def fit_for_good(task: FinishTask, inputs: Inputs, target: NDArray[Any]) -> Fitted:
    """Return the fit that will serve.

    Raises:
        DataContractError: the rows hold a single class.
    """
    return _fit(task, inputs, target, task.rows)


def answer_unseen(task: FinishTask, inputs: Inputs, target: NDArray[Any]) -> Unseen:
    """Return the answers of fits like the one that will serve to rows that each had not seen.

    Raises:
        DataContractError: the rows of a fold hold a single class.
    """

    def answers(learnt: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.float64]:
        return _fit(task, inputs, target, learnt).answer(inputs.take(asked)).raw

    split, held_out = task.tuned.split, task.held_out_raw
    return Unseen(
        folds=tuple(answers(fold.fit, fold.score) for fold in task.reference_folds),
        held_out=answers(split.train, split.test) if held_out is None else held_out,
    )


def finish(task: FinishTask, fitted: Fitted, answered: Unseen, inputs: Inputs, target: NDArray[Any]) -> Finished:
    """Calibrate, export and prove ``fitted``; judge the calibrated answers to the held-out rows.

    Raises:
        ParityError: the graph answers otherwise than the estimator.
        DataContractError: a class is absent from the rows.
    """
    unseen = answered.folds
    calibration = _calibration(task, target, unseen)
    notes: list[str] = []
    try:
        model, parity = _proved(task, _with(fitted, calibration), inputs, target)
    except ParityError as error:
        if calibration is None or task.calibration != "auto":
            raise
        # A steep curve can stretch the last bits of float32 beyond the tolerance; the estimator's own still serve.
        notes.append(f"not calibrated: {error}")
        calibration = None
        model, parity = _proved(task, fitted, inputs, target)
    if calibration is not None:
        notes.append(_told(calibration))
    before = task.tuned.problem
    unseen = tuple(calibrate(calibration, before, raw) for raw in unseen)
    problem = replace(before, threshold=_threshold(task, target, unseen))
    if problem.threshold != before.threshold:
        notes.append(f"decision_threshold {problem.threshold:.4g}: the best F1 on rows that the fit had not seen")
    held_out = problem.read(calibrate(calibration, before, answered.held_out))
    truth = target[task.tuned.split.test]
    return Finished(
        problem=problem,
        model_onnx=model,
        parity=parity,
        golden=problem.read(_with(fitted, calibration).answer(inputs.take(task.golden_rows)).raw),
        importance=fitted.importance(),
        out_of_sample=unseen,
        calibration=calibration,
        held_out=held_out,
        metrics=metrics_of(problem, truth, held_out),
        confusion=confusion_of(problem, truth, held_out),
        per_class=per_class_of(problem, truth, held_out),
        residuals={} if problem.task.is_classification else residual_quantiles(truth, held_out.prediction),
        notes=tuple(notes),
    )


def _proved(task: FinishTask, fitted: Fitted, inputs: Inputs, target: NDArray[Any]) -> tuple[bytes, Parity]:
    model = export(fitted)
    manifest = shell_manifest(fitted.problem, task.tuned.features, "candidate", "target")
    rng = np.random.default_rng(task.tuned.seed)
    base = np.union1d(task.golden_rows, rng.permutation(len(inputs))[:_PROBE_ROWS])
    probes = probe_inputs(manifest, inputs.take(base), model, rng)
    scale = 1.0 if fitted.problem.task.is_classification else float(np.std(target[task.rows])) or 1.0
    return model, check_parity(fitted, manifest, model, probes, task.parity_tolerance * scale)


def _calibration(task: FinishTask, target: NDArray[Any], unseen: tuple[NDArray[np.float64], ...]) -> Calibration | None:
    if not unseen or not task.tuned.problem.task.is_classification:
        return None
    truth = np.concatenate([target[fold.score] for fold in task.reference_folds])
    rng = np.random.default_rng(task.tuned.seed)
    return choose_calibration(task.calibration, task.tuned.problem, truth, np.concatenate(unseen), rng)


def _threshold(task: FinishTask, target: NDArray[Any], unseen: tuple[NDArray[np.float64], ...]) -> float:
    """Return the threshold asked for, or that of the best F1 on ``unseen``, the calibrated answers out of sample."""
    problem, wanted = task.tuned.problem, task.decision_threshold
    if wanted is None:
        # Calibrated answers of a weighted fit would hardly ever name the rare class at 0.5.
        wanted = "auto" if problem.weighted else problem.threshold
    if wanted != "auto":
        return wanted
    if problem.positive_place is None or not unseen:
        return problem.threshold
    truth = np.concatenate([target[fold.score] for fold in task.reference_folds])
    return best_threshold(truth == problem.positive_place, np.concatenate(unseen)[:, problem.positive_place])


def _with(fitted: Fitted, calibration: Calibration | None) -> Fitted:
    return replace(fitted, calibration=calibration)


def _told(calibration: Calibration) -> str:
    return (
        f"probabilities were calibrated ({calibration.method}): out of sample the log loss went from "
        f"{calibration.log_loss_before:.4f} to {calibration.log_loss_after:.4f}, the calibration error from "
        f"{calibration.ece_before:.4f} to {calibration.ece_after:.4f}"
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
