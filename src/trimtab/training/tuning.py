"""All candidates tuned side by side; those that were tuned before, on the same rows in the same space, not again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trimtab.core.errors import DataContractError, TrimtabError
from trimtab.training.plan import Plan
from trimtab.training.recorder import Recorder
from trimtab.training.request import CandidateResult
from trimtab.training.settings import Algorithm
from trimtab.training.stepbook import StepBook
from trimtab.training.steps import Step, step_key
from trimtab.training.tune import Outcome, TuneTask
from trimtab.training.workers import Workers, result_of

__all__ = ["Report", "Tuned", "tune_candidates"]

Report = Callable[[float, str], None]
"""Takes how far the training is (0..1) and what it just did."""

_FROM, _TUNED_SHARE = 0.05, 0.75
_SLOW_FIRST = (
    Algorithm.RANDOM_FOREST,
    Algorithm.XGBOOST,
    Algorithm.LIGHTGBM,
    Algorithm.LOGISTIC_REGRESSION,
    Algorithm.RIDGE,
)


@dataclass(slots=True)
class Tuned:
    """What came of the candidates: an outcome, or why there is none."""

    keys: dict[Algorithm, str]
    outcomes: dict[Algorithm, Outcome] = field(default_factory=dict)
    errors: dict[Algorithm, str] = field(default_factory=dict)
    reused: set[Algorithm] = field(default_factory=set)

    def results(self, plan: Plan) -> tuple[CandidateResult, ...]:
        """Return what is told of each candidate, in the order of the configuration."""
        return tuple(self._result(task.candidate.type) for task in plan.tasks)

    def _result(self, kind: Algorithm) -> CandidateResult:
        outcome = self.outcomes.get(kind)
        if outcome is None:
            return CandidateResult(algorithm=kind.value, error=self.errors.get(kind))
        return CandidateResult(
            algorithm=kind.value,
            metrics=outcome.metrics,
            validation=outcome.best.metrics,
            params=outcome.best.params,
            trials=len(outcome.trials),
            pruned=outcome.pruned,
            reused=kind in self.reused,
            seconds=outcome.seconds,
        )


def tune_candidates(
    plan: Plan, book: StepBook, workers: Workers, recorder: Recorder, journals: Path, report: Report
) -> Tuned:
    """Tune all candidates at once; each is written to MLflow as soon as it is done.

    ``journals`` is the folder where the trials of this job are written down as they end: taken up again after a crash,
    the job goes on behind the last one.

    Raises:
        DataContractError: no candidate could be tuned.
        BackendError: a worker was killed, or MLflow does not answer.
    """
    tuned = Tuned(
        {task.candidate.type: step_key(Step.TUNE, task.candidate.type, plan.rows_digest, task) for task in plan.tasks}
    )
    waiting = [task for task in plan.tasks if not _recalled(task, tuned, book, recorder, report)]
    total = sum(task.trials for task in waiting)
    # The slow ones first, so that none is left running alone at the end.
    waiting.sort(key=lambda task: _SLOW_FIRST.index(task.candidate.type))
    running = {workers.tune(task, journals / f"{tuned.keys[task.candidate.type]}.jsonl"): task for task in waiting}
    told = 0
    if running:
        report(_FROM, f"0 of {total} trials done")
    while running:
        done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        recorder.check()
        share = _FROM + _TUNED_SHARE * workers.trials_done / total
        for future in done:
            _take(future, running.pop(future), tuned, book, recorder, partial(report, share))
        if workers.trials_done > told:
            told = workers.trials_done
            report(share, f"{told} of {total} trials done")
    if not tuned.outcomes:
        raise DataContractError("; ".join(dict.fromkeys(tuned.errors.values())))
    return tuned


def _recalled(task: TuneTask, tuned: Tuned, book: StepBook, recorder: Recorder, report: Report) -> bool:
    kind = task.candidate.type
    outcome = book.recall(Step.TUNE, tuned.keys[kind], Outcome, kind)
    if outcome is None:
        return False
    tuned.outcomes[kind] = outcome
    tuned.reused.add(kind)
    recorder.outcome(outcome, tuned.keys[kind], reused=True)
    report(_FROM, f"took over {kind}: neither its rows nor its space have changed")
    return True


def _take(
    future: Future[Outcome],
    task: TuneTask,
    tuned: Tuned,
    book: StepBook,
    recorder: Recorder,
    tell: Callable[[str], None],
) -> None:
    kind = task.candidate.type
    try:
        outcome = result_of(future)
    except TrimtabError as error:
        tuned.errors[kind] = str(error)
        tell(f"{kind} failed: {error}")
        return
    tuned.outcomes[kind] = outcome
    book.keep(Step.TUNE, tuned.keys[kind], outcome, outcome.seconds, kind)
    recorder.outcome(outcome, tuned.keys[kind], reused=False)
    primary = task.problem.primary
    given_up = f", {outcome.pruned} of {len(outcome.trials)} trials given up early" if outcome.pruned else ""
    tell(f"tuned {kind}: {primary} {outcome.best.metrics[primary]:.4g} in {outcome.seconds:.1f} s{given_up}")
