"""Tuning one candidate: a few trials, each scored on the validation folds, the best judged on the held-out rows."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.measures.metrics import higher_is_better
from trimtab.training.estimators import Scalar, fit
from trimtab.training.evaluate import Confusion, confusion_of, metrics_of
from trimtab.training.problem import Answer, Problem
from trimtab.training.settings import CandidateSettings, Choices, Range
from trimtab.training.split import Fold, Split

__all__ = ["Outcome", "Trial", "TuneTask", "tune"]


@dataclass(frozen=True, slots=True)
class TuneTask:
    """Everything that tuning one candidate needs besides the rows."""

    candidate: CandidateSettings
    problem: Problem
    features: tuple[Feature, ...]
    split: Split
    folds: tuple[Fold, ...]
    trials: int
    trial_timeout_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: what was tried, and how it did on the validation rows. ``error`` tells why it has no metrics."""

    number: int
    params: dict[str, Scalar]
    metrics: dict[str, float]
    confusion: Confusion | None
    importance: dict[str, float]
    seconds: float
    error: str | None = None


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


class _TrialTimeoutError(Exception):
    """A trial took longer than it may."""


def tune(task: TuneTask, inputs: Inputs, target: NDArray[Any], after_trial: Callable[[], None]) -> Outcome:
    """Try ``task.trials`` sets of parameters, drawn at random first, then as TPE proposes.

    The same seed gives the same trials. ``after_trial`` is called after each.

    Raises:
        BackendError: no trial came to a score.
        TrimtabError: the rows or parameters cannot be used at all (from the first trial).
    """
    import optuna  # start-up cost: 0.3 s that only a tuning process pays

    began = time.perf_counter()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    higher = higher_is_better(task.problem.primary)
    study = optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=optuna.samplers.TPESampler(seed=task.seed, n_startup_trials=min(10, max(3, task.trials // 3))),
    )
    trials: list[Trial] = []

    def objective(proposal: Any) -> float:
        params = _draw(proposal, task.candidate)
        trial = _score(task, len(trials), params, inputs, target)
        trials.append(trial)
        after_trial()
        if trial.error is not None or task.problem.primary not in trial.metrics:
            raise optuna.TrialPruned
        return trial.metrics[task.problem.primary]

    study.optimize(objective, n_trials=task.trials)
    scored = [trial for trial in trials if task.problem.primary in trial.metrics]
    if not scored:
        reason = next((trial.error for trial in trials if trial.error), f"{task.problem.primary} is undefined")
        raise BackendError(f"candidate {task.candidate.type}: none of {len(trials)} trials has a score ({reason})")
    choose = max if higher else min
    best = choose(scored, key=lambda trial: trial.metrics[task.problem.primary])
    train, test = task.split.train, task.split.test
    fitted = fit(
        task.candidate.type,
        best.params,
        task.problem,
        task.features,
        inputs.take(train),
        target[train],
        seed=task.seed,
    )
    held_out = fitted.answer(inputs.take(test))
    return Outcome(
        candidate=task.candidate,
        trials=tuple(trials),
        best=best,
        metrics=metrics_of(task.problem, target[test], held_out),
        confusion=confusion_of(task.problem, target[test], held_out),
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


def _score(task: TuneTask, number: int, params: dict[str, Scalar], inputs: Inputs, target: NDArray[Any]) -> Trial:
    """Fit and answer each fold, and judge the answers together."""
    began = time.perf_counter()
    answers: list[NDArray[np.float64]] = []
    importance: dict[str, float] = {feature.name: 0.0 for feature in task.features}
    try:
        with _deadline(task.trial_timeout_s):
            for fold in task.folds:
                fitted = fit(
                    task.candidate.type,
                    params,
                    task.problem,
                    task.features,
                    inputs.take(fold.fit),
                    target[fold.fit],
                    seed=task.seed,
                )
                answers.append(fitted.answer(inputs.take(fold.score)).raw)
                for name, share in fitted.importance().items():
                    importance[name] += share / len(task.folds)
    except (_TrialTimeoutError, TrimtabError) as error:
        if isinstance(error, TrimtabError) and number == 0:
            raise  # the rows or the space are at fault, not this draw
        return Trial(number, params, {}, None, {}, time.perf_counter() - began, error=str(error))
    truth = np.concatenate([target[fold.score] for fold in task.folds])
    answer = task.problem.read(np.concatenate(answers))
    return Trial(
        number=number,
        params=params,
        metrics=metrics_of(task.problem, truth, answer),
        confusion=confusion_of(task.problem, truth, answer),
        importance=importance,
        seconds=time.perf_counter() - began,
    )


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise `_TrialTimeoutError` inside the block after ``seconds``; only a main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise _TrialTimeoutError(f"took longer than {seconds:g} s; raise trial_timeout or narrow the space")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
