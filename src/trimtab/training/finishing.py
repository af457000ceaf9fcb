"""The winner: chosen by its validation, made ready, explained; where its graph is refused, the next best."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.training.explain import Explained, ExplainTask, Explanation
from trimtab.training.export import ParityError
from trimtab.training.finish import Finished, FinishTask
from trimtab.training.golden import choose_golden
from trimtab.training.plan import Plan, most_to_fit, sampled
from trimtab.training.selection import ranked
from trimtab.training.settings import CrossValidation
from trimtab.training.split import Fold, contiguous_folds, validation_folds
from trimtab.training.stepbook import StepBook
from trimtab.training.steps import Step, step_key
from trimtab.training.tune import Outcome
from trimtab.training.tuning import Tuned
from trimtab.training.workers import Workers, result_of

__all__ = ["Winner", "finish_winner", "reference_folds"]

_REFERENCE_FOLDS = CrossValidation(folds=4)


@dataclass(frozen=True, slots=True)
class Winner:
    """The candidate that was chosen, made ready, and why others were not. ``key`` is that of the finishing step."""

    key: str
    outcome: Outcome
    finished: Finished
    explanation: Explanation | None
    golden_rows: NDArray[np.int64]
    reference_folds: tuple[Fold, ...]
    notes: tuple[str, ...]


def finish_winner(plan: Plan, tuned: Tuned, book: StepBook, workers: Workers) -> Winner:
    """Make the best candidate ready, and explain it beside that.

    Raises:
        ParityError: the graph of no candidate answers as its estimator does.
        BackendError: a worker was killed.
    """
    settings, data = plan.settings, plan.data
    rng = np.random.default_rng(settings.seed + 1)
    golden_rows = choose_golden(data.inputs, settings.golden_rows, rng)
    folds = reference_folds(plan, rng)
    in_order = [tuned.outcomes[task.candidate.type] for task in plan.tasks if task.candidate.type in tuned.outcomes]
    with book.doing(Step.SELECT, step_key(Step.SELECT, None, data.problem.primary, sorted(tuned.keys.values()))):
        best_first = ranked(in_order, data.problem.primary)
    refused: list[str] = []
    for outcome in best_first:
        task = _finish_task(plan, outcome, golden_rows, folds)
        key = step_key(Step.FINISH, outcome.candidate.type, plan.rows_digest, task)
        try:
            finished, explained = _finished(plan, task, key, book, workers)
        except ParityError as error:
            refused.append(str(error))
            continue
        notes = (*refused, *finished.notes, *([explained.note] if explained.note else []))
        return Winner(key, outcome, finished, explained.explanation, golden_rows, folds, notes)
    raise ParityError("; ".join(refused))


def _finish_task(
    plan: Plan, outcome: Outcome, golden_rows: NDArray[np.int64], reference_folds: tuple[Fold, ...]
) -> FinishTask:
    settings, split = plan.settings, plan.split
    tuned = next(task for task in plan.tasks if task.candidate.type is outcome.candidate.type)
    return FinishTask(
        tuned=tuned,
        params=outcome.best.params,
        rows=np.union1d(split.train, split.test) if settings.split.refit else split.train,
        golden_rows=golden_rows,
        reference_folds=reference_folds,
        parity_tolerance=settings.parity_tolerance,
        held_out_raw=outcome.held_out.raw if tuned.judged_fit is None else None,
        calibration=settings.calibration,
        decision_threshold=settings.decision_threshold,
    )


def _finished(plan: Plan, task: FinishTask, key: str, book: StepBook, workers: Workers) -> tuple[Finished, Explained]:
    """Finish and explain; what is known from before is taken over.

    The fit that will serve is made, and explained, in one worker while another answers rows out of sample.
    """
    kind = task.tuned.candidate.type
    began = time.perf_counter()
    finished = book.recall(Step.FINISH, key, Finished, kind)
    explain_key, explained, explain_task = "", Explained(None), None
    if plan.settings.explain_rows:
        explain_task = _explain_task(plan, task)
        explain_key = step_key(Step.EXPLAIN, kind, plan.rows_digest, explain_task)
        known = book.recall(Step.EXPLAIN, explain_key, Explained, kind)
        if known is not None:
            explained, explain_task = known, None
    if finished is not None and explain_task is None:
        return finished, explained
    fitting = workers.fit_for_good(task, explain_task)
    if finished is None:
        answering = workers.answer_unseen(task)
        workers.prepare_drawing()
        finished = result_of(workers.finish(task, result_of(fitting), result_of(answering)))
        book.keep(Step.FINISH, key, finished, time.perf_counter() - began, kind)
    final = result_of(fitting)
    if explain_task is not None and final.explained is not None:
        explained = final.explained
        # One that failed, or lacked the extra, is tried again next time.
        book.keep(
            Step.EXPLAIN, explain_key, explained if explained.note is None else None, time.perf_counter() - began, kind
        )
    return finished, explained


def _explain_task(plan: Plan, task: FinishTask) -> ExplainTask:
    test = plan.split.test
    # A generator of its own: to explain more rows must not change anything else.
    rng = np.random.default_rng(plan.settings.seed + 3)
    chosen = np.sort(rng.permutation(len(test))[: plan.settings.explain_rows])
    return ExplainTask(tuned=task.tuned, params=task.params, fit=task.rows, rows=test[chosen])


def reference_folds(plan: Plan, rng: np.random.Generator) -> tuple[Fold, ...]:
    """Return folds that score each training row once, for out-of-sample answers; neighbours together with time.

    Each is fitted on a sample of the other rows where they are very many.
    """
    classes = plan.data.target if plan.model.task.is_classification else None
    if classes is not None or plan.data.time_us is None:
        folds = validation_folds(_REFERENCE_FOLDS, plan.split, classes, None, rng, plan.data.copies)
    else:
        train = plan.split.train
        folds = contiguous_folds(train, _REFERENCE_FOLDS.folds_for(len(train)), plan.data.copies)
    most = most_to_fit(plan.settings)
    # A generator of its own: another size of the samples must not change which rows are golden.
    own = np.random.default_rng(plan.settings.seed + 5)
    return tuple(replace(fold, fit=sampled(fold.fit, most, classes, own)) for fold in folds)
