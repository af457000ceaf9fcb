"""One training from snapshot to bundle: split, tune side by side, select, export, explain, compare, record."""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from trimtab.core.crashpoints import reached
from trimtab.training.beside import NotesBeside
from trimtab.training.cache import StepCache
from trimtab.training.comparing import compare_with_current
from trimtab.training.finishing import Winner, finish_winner
from trimtab.training.leakage import leakage_notes
from trimtab.training.picturing import Picturing
from trimtab.training.plan import Plan, make_plan, read_configuration
from trimtab.training.recorder import Recorder
from trimtab.training.request import BUNDLE_NAME, TRIALS_NAME, GateResult, TrainingRequest, TrainingResult
from trimtab.training.selection import check_gates
from trimtab.training.stepbook import StepBook
from trimtab.training.steps import Step, pipeline_version, step_key
from trimtab.training.tuning import Report, tune_candidates
from trimtab.training.workers import Workers, store_rows
from trimtab.training.writing import write_winner

__all__ = ["Report", "train"]

_NOT_LOOKED_FOR = "leakage could not be looked for; look yourself for columns that are known only once the target is"


def train(
    request: TrainingRequest, *, now: datetime, report: Report, available_bytes: int | None = None
) -> TrainingResult:
    """Train as ``request`` says and leave the winner's bundle in ``out_dir``.

    ``now`` stamps the run and the bundle; what needs more memory than ``available_bytes`` is refused. Steps that an
    earlier training left in the request's ``cache_dir`` are taken over; so are the trials that an attempt in the same
    ``out_dir`` ended before it was killed.

    Raises:
        ConfigError: a configuration does not fit.
        DataContractError: the rows cannot be learnt from.
        TrackerAwayError: MLflow does not answer now.
        BackendError: MLflow refuses, or a worker failed.
    """
    began = time.perf_counter()
    training = read_configuration(request)
    keeps = request.cache_dir is not None and training.settings.cache
    book = StepBook(StepCache(Path(request.cache_dir) if keeps and request.cache_dir else None))
    plan = make_plan(training, request, book, available_bytes)
    report(0.05, f"read {len(plan.data)} rows with {len(plan.data.features)} features")
    work = Path(request.out_dir) / "work"
    store_rows(work, plan.data.inputs, plan.data.target)
    workers = Workers(plan.worker_count, work, tuple(task.candidate.type for task in plan.tasks))
    recorder = Recorder(request, plan.model.name, now)
    try:
        result = _train(request, plan, book, workers, recorder, now, report, began)
        recorder.end(time.perf_counter() - began)
        workers.close(wait=True)
    except BaseException as error:
        recorder.abandon("FAILED" if isinstance(error, Exception) else "KILLED", time.perf_counter() - began)
        workers.close(wait=False)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report(0.99, _told(result))
    return result


def _train(
    request: TrainingRequest,
    plan: Plan,
    book: StepBook,
    workers: Workers,
    recorder: Recorder,
    now: datetime,
    report: Report,
    began: float,
) -> TrainingResult:
    out = Path(request.out_dir)
    rng = np.random.default_rng(plan.settings.seed + 4)
    # The workers tune meanwhile; this process would only wait for them.
    looking = NotesBeside(lambda: leakage_notes(plan.data, plan.split, rng), missing=_NOT_LOOKED_FOR)
    tuned = tune_candidates(plan, book, workers, recorder, out / TRIALS_NAME, report)
    leaks = looking.notes()
    reached("training.tuned")
    winner = finish_winner(plan, tuned, book, workers)
    finished, algorithm = winner.finished, winner.outcome.candidate.type
    report(0.85, f"exported {algorithm} with parity on {finished.parity.rows} rows")
    picturing = Picturing(plan, winner, book, workers)
    with book.doing(Step.WRITE, step_key(Step.WRITE, None, winner.key, request)):
        manifest = write_winner(plan, winner, request, now, recorder.run_id)
    report(0.9, "wrote the bundle")
    reached("training.bundle_written")
    recorder.write(lambda tracker: tracker.log_winner(winner))
    comparison, compare_notes = compare_with_current(plan, winner, request, manifest, book)
    gates = _judged(plan, winner, book)
    pictures, picture_notes = picturing.finish()
    result = TrainingResult(
        job_id=request.job_id,
        status="succeeded" if all(gate.passed for gate in gates) else "rejected_by_gate",
        bundle_dir=str(out / BUNDLE_NAME),
        digest=manifest.digest,
        algorithm=algorithm.value,
        run_id=recorder.run_id,
        metrics=finished.metrics,
        gates=gates,
        candidates=tuned.results(plan),
        comparison=comparison,
        steps=book.results,
        pipeline=pipeline_version(),
        rows=len(plan.data),
        notes=(*plan.data.notes, *plan.notes, *leaks, *winner.notes, *compare_notes, *picture_notes),
        seconds=time.perf_counter() - began,
    )
    recorder.write(lambda tracker: tracker.log_result(result, pictures))
    return result


def _judged(plan: Plan, winner: Winner, book: StepBook) -> tuple[GateResult, ...]:
    bounds, metrics = plan.settings.gates, winner.finished.metrics
    with book.doing(Step.GATE, step_key(Step.GATE, None, bounds, metrics)):
        return check_gates(bounds, metrics)


def _told(result: TrainingResult) -> str:
    reused = [step.name for step in result.steps if step.reused]
    if not reused:
        return f"did all {len(result.steps)} steps"
    return f"took over {len(reused)} of {len(result.steps)} steps that had not changed: {', '.join(reused)}"
