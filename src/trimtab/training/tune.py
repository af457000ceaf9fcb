"""Tuning one candidate: a few trials, each scored on the validation folds, the best judged on the held-out rows."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.measures.metrics import higher_is_better
from trimtab.training.calibration import best_threshold
from trimtab.training.estimators import Fitted, Scalar, fit
from trimtab.training.evaluate import Confusion, confusion_of, metrics_of
from trimtab.training.journal import TrialJournal
from trimtab.training.problem import Answer, Problem
from trimtab.training.settings import CandidateSettings, Choices, Range
from trimtab.training.split import Fold, Split
from trimtab.training.trial import Trial

__all__ = ["Outcome", "TuneTask", "fit_rows", "tune"]

_UNPRUNED_TRIALS = 4
"""So many trials are scored in full before any is given up: fewer have no median worth the name."""
_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class TuneTask:
    """Everything that tuning one candidate needs besides the rows.

    ``prune``: give hopeless trials up after a fold. ``free_threshold``: the version will decide by the threshold of the
    best F1, so each trial is judged by its own, too. ``judged_fit``: the rows that the fit which answers the held-out
    rows learns from; None: all of ``split.train``.
    """

    candidate: CandidateSettings
    problem: Problem
    features: tuple[Feature, ...]
    split: Split
    folds: tuple[Fold, ...]
    trials: int
    trial_timeout_s: float
    seed: int
    prune: bool = True
    free_threshold: bool = False
    judged_fit: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A tuned candidate: its trials, the best one, and the answers of that one's fit to the held-out rows."""

    candidate: CandidateSettings
    trials: tuple[Trial, ...]
    best: Trial
    metrics: dict[str, float]
    confusion: Confusion | None
    held_out: Answer
    seconds: float

    @property
    def pruned(self) -> int:
        """How many trials were given up early."""
        return sum(trial.pruned for trial in self.trials)


class _TrialTimeoutError(Exception):
    """A trial took longer than it may."""


def tune(
    task: TuneTask,
    inputs: Inputs,
    target: NDArray[Any],
    after_trial: Callable[[], None],
    journal: TrialJournal | None = None,
) -> Outcome:
    """Try ``task.trials`` sets of parameters, drawn at random first, then as TPE proposes.

    The same seed gives the same trials, so those in ``journal`` are taken over and not run again. ``after_trial`` is
    called after each.

    Raises:
        BackendError: no trial came to a score.
        TrimtabError: the rows or parameters cannot be used at all (from the first trial).
    """
    import optuna  # start-up cost: 0.3 s that only a tuning process pays

    began = time.perf_counter()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = journal or TrialJournal(None)
    higher = higher_is_better(task.problem.primary)
    study = optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=optuna.samplers.TPESampler(seed=task.seed, n_startup_trials=min(10, max(3, task.trials // 3))),
        pruner=optuna.pruners.MedianPruner(_UNPRUNED_TRIALS) if task.prune else optuna.pruners.NopPruner(),
    )
    trials: list[Trial] = []

    def objective(proposal: Any) -> float:
        params = _draw(proposal, task.candidate)
        trial = kept.done(len(trials), params)
        if trial is None:
            trial = _score(task, len(trials), params, inputs, target, proposal)
            kept.add(trial)
        else:
            # The sampler learns from what was reported, so a trial that is taken over must report the same.
            for fold, value in enumerate(trial.by_fold):
                proposal.report(value, fold)
        trials.append(trial)
        after_trial()
        if task.problem.primary not in trial.metrics:
            raise optuna.TrialPruned
        return trial.metrics[task.problem.primary]

    study.optimize(objective, n_trials=task.trials)
    scored = [trial for trial in trials if task.problem.primary in trial.metrics]
    if not scored:
        reason = next((trial.error for trial in trials if trial.error), f"{task.problem.primary} is undefined")
        raise BackendError(f"candidate {task.candidate.type}: none of {len(trials)} trials has a score ({reason})")
    choose = max if higher else min
    best = choose(scored, key=lambda trial: trial.metrics[task.problem.primary])
    test = task.split.test
    learnt = task.split.train if task.judged_fit is None else task.judged_fit
    raw = fit_rows(task, best.params, inputs, target, learnt).answer(inputs.take(test)).raw
    problem = replace(task.problem, threshold=best.threshold)
    held_out = problem.read(raw)
    return Outcome(
        candidate=task.candidate,
        trials=tuple(trials),
        best=best,
        metrics=metrics_of(problem, target[test], held_out),
        confusion=confusion_of(problem, target[test], held_out),
        held_out=held_out,
        seconds=time.perf_counter() - began,
    )


def _draw(proposal: Any, candidate: CandidateSettings) -> dict[str, Scalar]:
    params: dict[str, Scalar] = {}
    for name, dimension in candidate.full_space.items():
        if isinstance(dimension, Choices):
            params[name] = proposal.suggest_categorical(name, list(dimension.choices))
        else:
            params[name] = _draw_number(proposal, name, dimension)
    return params


def _draw_number(proposal: Any, name: str, dimension: Range) -> int | float:
    if dimension.is_whole:
        drawn = proposal.suggest_int(
            name, int(dimension.low), int(dimension.high), step=int(dimension.step or 1), log=dimension.log
        )
        return int(drawn)
    return float(
        proposal.suggest_float(
            name, float(dimension.low), float(dimension.high), step=dimension.step, log=dimension.log
        )
    )


def _score(
    task: TuneTask,
    number: int,
    params: dict[str, Scalar],
    inputs: Inputs,
    target: NDArray[Any],
    proposal: Any,
) -> Trial:
    """Fit and answer each fold, and judge the answers together; stop after a fold where that has become hopeless."""
    began = time.perf_counter()
    answers: list[NDArray[np.float64]] = []
    by_fold: list[float] = []
    importance: dict[str, float] = {feature.name: 0.0 for feature in task.features}
    try:
        with _deadline(task.trial_timeout_s):
            for fold in task.folds:
                fitted = fit_rows(task, params, inputs, target, fold.fit)
                answers.append(fitted.answer(inputs.take(fold.score)).raw)
                for name, share in fitted.importance().items():
                    importance[name] += share / len(task.folds)
                if len(answers) < len(task.folds) and _is_hopeless(task, target, answers, by_fold, proposal):
                    seconds = time.perf_counter() - began
                    return Trial(number, params, {}, None, {}, seconds, by_fold=tuple(by_fold), pruned=True)
    except (_TrialTimeoutError, TrimtabError) as error:
        if isinstance(error, TrimtabError) and number == 0:
            raise  # the rows or the space are at fault, not this draw
        seconds = time.perf_counter() - began
        return Trial(number, params, {}, None, {}, seconds, error=str(error), by_fold=tuple(by_fold))
    problem, truth, answer = _so_far(task, target, answers)
    return Trial(
        number=number,
        params=params,
        metrics=metrics_of(problem, truth, answer),
        confusion=confusion_of(problem, truth, answer),
        importance=importance,
        seconds=time.perf_counter() - began,
        by_fold=tuple(by_fold),
        threshold=problem.threshold,
    )


def _is_hopeless(
    task: TuneTask, target: NDArray[Any], answers: list[NDArray[np.float64]], by_fold: list[float], proposal: Any
) -> bool:
    """Add how the folds so far did to ``by_fold``, and say whether half of the trials before did better by then."""
    if not task.prune:
        return False
    value = metrics_of(*_so_far(task, target, answers)).get(task.problem.primary)
    if value is None:
        return False
    proposal.report(value, len(by_fold))
    by_fold.append(value)
    return bool(proposal.should_prune())


def _so_far(
    task: TuneTask, target: NDArray[Any], answers: list[NDArray[np.float64]]
) -> tuple[Problem, NDArray[Any], Answer]:
    """Return how the folds that were answered are judged, their truth, and the answers."""
    truth = np.concatenate([target[fold.score] for fold in task.folds[: len(answers)]])
    raw, problem = np.concatenate(answers), task.problem
    place = problem.positive_place
    if task.free_threshold and place is not None:
        problem = replace(problem, threshold=best_threshold(truth == place, raw[:, place]))
    return problem, truth, problem.read(raw)


def fit_rows(
    task: TuneTask, params: dict[str, Scalar], inputs: Inputs, target: NDArray[Any], rows: NDArray[np.int64]
) -> Fitted:
    """Fit the candidate with ``params`` on ``rows``."""
    return fit(
        task.candidate.type, params, task.problem, task.features, inputs.take(rows), target[rows], seed=task.seed
    )


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise `_TrialTimeoutError` inside the block after ``seconds``; only a main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    collects = False

    def note(phase: str, _info: dict[str, int]) -> None:
        nonlocal collects
        collects = phase == "start"

    def expire(_number: int, frame: FrameType | None) -> None:
        if collects or _is_told_of_garbage(frame):
            return  # what is raised there ends there
        raise _TrialTimeoutError(f"took longer than {seconds:g} s; raise trial_timeout or narrow the space")

    before = signal.signal(signal.SIGALRM, expire)
    gc.callbacks.insert(0, note)
    # More than once: the garbage collector, or who catches everything, may have been in the way.
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.callbacks.remove(note)


def _is_told_of_garbage(frame: FrameType | None) -> bool:
    """Return whether ``frame`` runs within a callback that the garbage collector calls at its start or end."""
    callbacks = {getattr(one, "__code__", None) for one in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks:
            return True
        frame = frame.f_back
    return False
