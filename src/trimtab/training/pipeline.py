"""One training from snapshot to bundle: split, tune side by side, select, export, compare, record."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from trimtab.bundle.manifest import Lineage, Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import write_bundle
from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import BackendError, ConfigError, DataContractError, TrimtabError
from trimtab.profiles.reference import build_reference, write_reference
from trimtab.training.compare import compare
from trimtab.training.data import TrainingData, read_labelled, read_training_data
from trimtab.training.export import ParityError
from trimtab.training.finish import Finished, FinishTask
from trimtab.training.golden import choose_golden, golden_table
from trimtab.training.request import BUNDLE_NAME, CandidateResult, Comparison, TrainingRequest, TrainingResult
from trimtab.training.selection import check_gates, ranked
from trimtab.training.settings import Algorithm, CrossValidation, TimeSplit, TrainingConfig
from trimtab.training.split import Fold, Split, contiguous_folds, split_rows, validation_folds
from trimtab.training.tune import Outcome, TuneTask
from trimtab.training.workers import Workers, store_rows

if TYPE_CHECKING:
    from trimtab.training.tracking import Tracker

__all__ = ["Report", "train"]

Report = Callable[[float, str], None]
"""Takes how far the training is (0..1) and what it just did."""

_REFERENCE_FOLDS = CrossValidation(folds=4)
_TUNED_SHARE = 0.75
_SLOW_FIRST = (
    Algorithm.RANDOM_FOREST,
    Algorithm.XGBOOST,
    Algorithm.LIGHTGBM,
    Algorithm.LOGISTIC_REGRESSION,
    Algorithm.RIDGE,
)

ConfigT = TypeVar("ConfigT", bound=BaseModel)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is trained, on which rows."""

    model: ModelConfig
    settings: TrainingConfig
    data: TrainingData
    split: Split
    folds: tuple[Fold, ...]
    tasks: tuple[TuneTask, ...]


@dataclass(frozen=True, slots=True)
class _Winner:
    """The candidate that was chosen, made ready, and why others were not."""

    outcome: Outcome
    finished: Finished
    golden_rows: NDArray[np.int64]
    reference_folds: tuple[Fold, ...]
    notes: tuple[str, ...]


def train(request: TrainingRequest, *, now: datetime, report: Report) -> TrainingResult:
    """Train as ``request`` says and leave the winner's bundle in ``out_dir``.

    ``now`` stamps the run and the bundle.

    Raises:
        ConfigError: a configuration does not fit.
        DataContractError: the rows cannot be learnt from.
        BackendError: MLflow or a worker failed.
    """
    began = time.perf_counter()
    out = Path(request.out_dir)
    plan = _plan(request)
    report(0.05, f"read {len(plan.data)} rows with {len(plan.data.features)} features")
    store_rows(out / "work", plan.data.inputs, plan.data.target)
    workers = Workers(_worker_count(plan), out / "work", tuple(task.candidate.type for task in plan.tasks))
    # MLflow takes seconds to start: it does so, and writes, beside the tuning, on one thread of its own.
    writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
    opening = writing.submit(_open_tracker, request, plan.model.name, now)
    try:
        outcomes, errors, logged = _tune(plan, workers, writing, opening, report)
        winner = _finish(plan, outcomes, workers)
        report(0.85, f"exported {winner.outcome.candidate.type} with parity on {winner.finished.parity.rows} rows")
        tracker = _result_of(opening)
        for writes in logged:
            _result_of(writes)
        manifest = _write(plan, winner, request, now, tracker.run_id)
        report(0.9, "wrote the bundle")
        comparison, compare_notes = _compare(plan, request, out / BUNDLE_NAME, manifest)
        importance = winner.finished.importance
        tracker.log_winner(winner.outcome, out / BUNDLE_NAME, manifest.digest, importance)
        tracker.end("FINISHED", time.perf_counter() - began)
        workers.close(wait=True)
    except BaseException as error:
        _abandon(opening, "FAILED" if isinstance(error, Exception) else "KILLED", time.perf_counter() - began)
        workers.close(wait=False)
        raise
    finally:
        writing.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(out / "work", ignore_errors=True)
    gates = check_gates(plan.settings.gates, winner.outcome.metrics)
    return TrainingResult(
        job_id=request.job_id,
        status="succeeded" if all(gate.passed for gate in gates) else "rejected_by_gate",
        bundle_dir=str(out / BUNDLE_NAME),
        digest=manifest.digest,
        algorithm=winner.outcome.candidate.type.value,
        run_id=tracker.run_id,
        metrics=winner.outcome.metrics,
        gates=gates,
        candidates=_candidate_results(plan, outcomes, errors),
        comparison=comparison,
        rows=len(plan.data),
        notes=(*plan.data.notes, *winner.notes, *compare_notes),
        seconds=time.perf_counter() - began,
    )


def _plan(request: TrainingRequest) -> _Plan:
    model = _parsed(ModelConfig, request.model, "model")
    contract = _parsed(ContractConfig, request.contract, "contract")
    settings = _parsed(TrainingConfig, request.training, "training")
    for candidate in settings.candidates:
        if not candidate.type.fits(model.task):
            raise ConfigError(f"candidate {candidate.type}: not for task {model.task}; name another under candidates")
    data = read_training_data(Path(request.snapshot_path), model, contract, settings)
    rng = np.random.default_rng(settings.seed)
    classes = data.target if model.task.is_classification else None
    split = split_rows(settings.split, classes, data.time_us, len(data), rng)
    times = data.time_us if isinstance(settings.split, TimeSplit) else None
    folds = validation_folds(settings.cross_validation, split, classes, times, rng)
    tasks = tuple(
        TuneTask(
            candidate=candidate,
            problem=data.problem,
            features=data.features,
            split=split,
            folds=folds,
            trials=candidate.trials or settings.trials,
            trial_timeout_s=settings.trial_timeout.total_seconds(),
            seed=settings.seed,
        )
        for candidate in settings.candidates
    )
    return _Plan(model, settings, data, split, folds, tasks)


def _parsed(kind: type[ConfigT], value: JsonObject, name: str) -> ConfigT:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or name
        raise ConfigError(f"{name} configuration: {where}: {first['msg']}; correct it and train again") from None


def _worker_count(plan: _Plan) -> int:
    return min(plan.settings.workers or len(os.sched_getaffinity(0)), len(plan.tasks))


def _open_tracker(request: TrainingRequest, model: str, now: datetime) -> Tracker:
    from trimtab.training.tracking import Tracker  # start-up cost: MLflow takes seconds, spent beside the tuning

    return Tracker(request, model, now)


def _tune(
    plan: _Plan,
    workers: Workers,
    writing: ThreadPoolExecutor,
    opening: Future[Tracker],
    report: Report,
) -> tuple[list[Outcome], dict[Algorithm, str], list[Future[None]]]:
    """Tune all candidates at once; each is written to MLflow as soon as it is done."""
    total = sum(task.trials for task in plan.tasks)
    # The slow ones first, so that none is left running alone at the end.
    order = sorted(plan.tasks, key=lambda task: _SLOW_FIRST.index(task.candidate.type))
    running = {workers.tune(task): task for task in order}
    outcomes: dict[Algorithm, Outcome] = {}
    errors: dict[Algorithm, str] = {}
    logged: list[Future[None]] = []
    told = 0
    while running:
        done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        if opening.done():
            _result_of(opening)  # without MLflow there is no use in going on
        share = 0.05 + _TUNED_SHARE * workers.trials_done / total
        for future in done:
            kind = running.pop(future).candidate.type
            try:
                outcome = _result_of(future)
            except TrimtabError as error:
                errors[kind] = str(error)
                report(share, f"{kind} failed: {error}")
                continue
            outcomes[kind] = outcome
            logged.append(writing.submit(_log_outcome, opening, outcome))
            primary = plan.data.problem.primary
            report(share, f"tuned {kind}: {primary} {outcome.best.metrics[primary]:.4g} in {outcome.seconds:.1f} s")
        if workers.trials_done > told:
            told = workers.trials_done
            report(share, f"{told} of {total} trials done")
    if not outcomes:
        raise DataContractError("; ".join(dict.fromkeys(errors.values())))
    return [outcomes[task.candidate.type] for task in plan.tasks if task.candidate.type in outcomes], errors, logged


def _log_outcome(opening: Future[Tracker], outcome: Outcome) -> None:
    opening.result().log_outcome(outcome)


def _result_of(future: Future[ResultT]) -> ResultT:
    """Return the future's result; a process that died becomes an error that tells what to do.

    Raises:
        BackendError: the worker was killed.
        TrimtabError: what the task raised.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise BackendError(
            "training worker: ended abruptly (killed, or out of memory); lower workers in training_config.yaml and "
            "train again"
        ) from error


def _finish(plan: _Plan, outcomes: list[Outcome], workers: Workers) -> _Winner:
    """Make the best candidate ready; where its graph is refused, the next best."""
    settings, data, split = plan.settings, plan.data, plan.split
    rng = np.random.default_rng(settings.seed + 1)
    golden_rows = choose_golden(data.inputs, settings.golden_rows, rng)
    reference_folds = _reference_folds(plan, rng)
    rows = np.union1d(split.train, split.test) if settings.split.refit else split.train
    notes: list[str] = []
    tasks = {task.candidate.type: task for task in plan.tasks}
    for outcome in ranked(outcomes, data.problem.primary):
        task = FinishTask(
            tuned=tasks[outcome.candidate.type],
            params=outcome.best.params,
            rows=rows,
            golden_rows=golden_rows,
            reference_folds=reference_folds,
            parity_tolerance=settings.parity_tolerance,
        )
        try:
            finished = _result_of(workers.finish(task))
        except ParityError as error:
            notes.append(str(error))
            continue
        return _Winner(outcome, finished, golden_rows, reference_folds, tuple(notes))
    raise ParityError("; ".join(notes))


def _reference_folds(plan: _Plan, rng: np.random.Generator) -> tuple[Fold, ...]:
    """Return folds that score each training row once, for out-of-sample answers; neighbours together with time."""
    if plan.model.task.is_classification or plan.data.time_us is None:
        classes = plan.data.target if plan.model.task.is_classification else None
        return validation_folds(_REFERENCE_FOLDS, plan.split, classes, None, rng)
    return contiguous_folds(plan.split.train, _REFERENCE_FOLDS.folds)


def _write(plan: _Plan, winner: _Winner, request: TrainingRequest, now: datetime, run_id: str) -> Manifest:
    data, outcome = plan.data, winner.outcome
    manifest = Manifest(
        model=plan.model.name,
        task=plan.model.task,
        target=plan.model.target,
        algorithm=outcome.candidate.type.value,
        created_at=now.isoformat(),
        features=data.features,
        classes=data.problem.classes,
        positive_class=data.problem.positive_class,
        key=plan.model.key,
        time=plan.model.time,
        metrics=outcome.metrics,
        params=outcome.best.params,
        importance=winner.finished.importance,
        parity=winner.finished.parity,
        lineage=Lineage(
            snapshot_id=request.snapshot_id,
            dataset_hash=request.dataset_hash,
            config_hash=request.config_hash,
            run_id=run_id,
            git_commit=request.git_commit,
            job_id=request.job_id,
        ),
        files={},
    )
    return write_bundle(
        Path(request.out_dir) / BUNDLE_NAME,
        manifest,
        model_onnx=winner.finished.model_onnx,
        golden=golden_table(data.table, data.features, winner.golden_rows, winner.finished.golden),
        reference=lambda folder: _write_reference(folder, plan, winner),
    )


def _write_reference(folder: Path, plan: _Plan, winner: _Winner) -> None:
    """Leave profiles of the features, and of the answers to rows that the answering fit had not seen."""
    data, problem = plan.data, plan.data.problem
    folds = [fold.score for fold in winner.reference_folds]
    rows = np.concatenate([*folds, plan.split.test])
    raw = np.concatenate([*winner.finished.out_of_sample, winner.outcome.held_out.raw])
    order = np.argsort(rows, kind="stable")
    rows, answer = rows[order], problem.read(raw[order])
    kinds = {feature.name: feature.kind for feature in data.features}
    table = data.table.select(list(kinds)).take(pa.array(rows))
    if answer.probability is None:
        kinds["@prediction"] = ColumnKind.NUMBER
        table = table.append_column("@prediction", pa.array(answer.prediction, pa.float64()))
    else:
        kinds |= {"@prediction": ColumnKind.CATEGORY, "@probability": ColumnKind.NUMBER}
        table = table.append_column("@prediction", pa.array(answer.prediction.tolist(), pa.string()))
        table = table.append_column("@probability", pa.array(answer.probability, pa.float64()))
    time_us = None if data.time_us is None else data.time_us[rows]
    write_reference(folder, build_reference(table, kinds, time_us=time_us, blocks=plan.settings.reference_blocks))


def _compare(
    plan: _Plan, request: TrainingRequest, bundle: Path, manifest: Manifest
) -> tuple[Comparison | None, tuple[str, ...]]:
    if request.compare_with is None or request.compare_rows_path is None:
        return None, ()
    try:
        table, truth = read_labelled(Path(request.compare_rows_path), plan.model)
        candidate = Predictor.load(bundle, expected_digest=manifest.digest)
        rng = np.random.default_rng(plan.settings.seed)
        return compare(
            candidate, Path(request.compare_with), request.compare_digest, table, truth, plan.data.problem, rng
        ), ()
    except TrimtabError as error:
        # The new version stands without it; whoever decides sees that nothing was compared, and why.
        return None, (f"not compared with the current version: {error}",)


def _candidate_results(
    plan: _Plan, outcomes: list[Outcome], errors: dict[Algorithm, str]
) -> tuple[CandidateResult, ...]:
    done = {outcome.candidate.type: outcome for outcome in outcomes}
    results = []
    for task in plan.tasks:
        kind = task.candidate.type
        outcome = done.get(kind)
        if outcome is None:
            results.append(CandidateResult(algorithm=kind.value, error=errors.get(kind)))
            continue
        results.append(
            CandidateResult(
                algorithm=kind.value,
                metrics=outcome.metrics,
                validation=outcome.best.metrics,
                params=outcome.best.params,
                trials=len(outcome.trials),
                seconds=outcome.seconds,
            )
        )
    return tuple(results)


def _abandon(opening: Future[Tracker], status: str, seconds: float) -> None:
    """Close the run in MLflow if it was opened; what went wrong matters more than whether this works."""
    if opening.done() and opening.exception() is None:
        with contextlib.suppress(TrimtabError):
            opening.result().end(status, seconds)
