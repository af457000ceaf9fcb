"""What a training is about: which rows, how they are split, and what each candidate is asked."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError
from trimtab.training.data import TrainingData, read_training_data
from trimtab.training.problem import Problem
from trimtab.training.request import TrainingRequest
from trimtab.training.selection import bounded
from trimtab.training.settings import TimeSplit, TrainingConfig
from trimtab.training.split import Fold, Split, split_rows, validation_folds
from trimtab.training.stepbook import StepBook
from trimtab.training.steps import Step, fingerprint, step_key
from trimtab.training.tune import TuneTask

__all__ = ["Plan", "Training", "make_plan", "most_to_fit", "read_configuration", "sampled"]

_TUNING_SAMPLES = 4

ConfigT = TypeVar("ConfigT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Training:
    """The configuration of a training, checked."""

    model: ModelConfig
    contract: ContractConfig
    settings: TrainingConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained, on which rows. ``rows_digest`` covers all that an estimator sees of them."""

    model: ModelConfig
    settings: TrainingConfig
    data: TrainingData
    rows_digest: str
    split: Split
    tasks: tuple[TuneTask, ...]
    notes: tuple[str, ...]

    @property
    def worker_count(self) -> int:
        """Processes to work with: as configured, or one a core, and no more than there are candidates."""
        return min(self.settings.workers or len(os.sched_getaffinity(0)), max(2, len(self.tasks)))


def read_configuration(request: TrainingRequest) -> Training:
    """Return the configurations that the request holds.

    Raises:
        ConfigError: one does not fit, or a candidate not the task.
    """
    model = _parsed(ModelConfig, request.model, "model")
    contract = _parsed(ContractConfig, request.contract, "contract")
    settings = _parsed(TrainingConfig, request.training, "training")
    for candidate in settings.candidates:
        if not candidate.type.fits(model.task):
            raise ConfigError(f"candidate {candidate.type}: not for task {model.task}; name another under candidates")
    return Training(model, contract, settings)


def make_plan(training: Training, request: TrainingRequest, book: StepBook, available_bytes: int | None = None) -> Plan:
    """Read the snapshot, if what is made of it fits into ``available_bytes`` of memory, and split it.

    Reading and splitting are done each time: what they give is needed to write the bundle, and a copy would be read no
    faster than the snapshot.

    Raises:
        ConfigError: the configurations do not fit the snapshot.
        DataContractError: the rows cannot be learnt from.
    """
    model, settings = training.model, training.settings
    with book.doing(Step.READ, step_key(Step.READ, None, request.dataset_hash, model, training.contract, settings)):
        data = read_training_data(
            Path(request.snapshot_path), model, training.contract, settings, available_bytes=available_bytes
        )
        rows_digest = fingerprint((data.inputs, data.target))
    rng = np.random.default_rng(settings.seed)
    split_key = step_key(
        Step.SPLIT,
        None,
        rows_digest,
        settings.split,
        settings.cross_validation,
        settings.tuning_rows,
        settings.seed,
        data.copies,
    )
    with book.doing(Step.SPLIT, split_key):
        classes = data.target if model.task.is_classification else None
        split = split_rows(settings.split, classes, data.time_us, len(data), rng, data.copies)
        tuned_on, notes = _tuning_sample(settings, split, classes)
        times = data.time_us if isinstance(settings.split, TimeSplit) else None
        folds = validation_folds(settings.cross_validation, tuned_on, classes, times, rng, data.copies)
    notes = (*_told(data, split), *notes)
    return Plan(model, settings, data, rows_digest, split, _tasks(settings, data, split, folds), notes)


def most_to_fit(settings: TrainingConfig) -> int:
    """Return how many rows a fit that does not serve learns from at most: one of all rows, many times, is too slow."""
    return _TUNING_SAMPLES * settings.tuning_rows


def _tasks(settings: TrainingConfig, data: TrainingData, split: Split, folds: tuple[Fold, ...]) -> tuple[TuneTask, ...]:
    judged_fit = None
    if len(split.train) > most_to_fit(settings):
        classes = data.target if data.problem.task.is_classification else None
        judged_fit = sampled(split.train, most_to_fit(settings), classes, np.random.default_rng(settings.seed + 6))
    return tuple(
        TuneTask(
            candidate=bounded(candidate, data.problem),
            problem=data.problem,
            features=data.features,
            split=split,
            folds=folds,
            trials=candidate.trials or settings.trials,
            trial_timeout_s=settings.trial_timeout.total_seconds(),
            seed=settings.seed,
            prune=settings.prune,
            free_threshold=_frees_threshold(settings, data.problem),
            judged_fit=judged_fit,
        )
        for candidate in settings.candidates
    )


def _frees_threshold(settings: TrainingConfig, problem: Problem) -> bool:
    wanted = settings.decision_threshold
    return problem.positive_place is not None and (wanted == "auto" or (wanted is None and problem.weighted))


def _told(data: TrainingData, split: Split) -> tuple[str, ...]:
    """Say what became of rows that stand in the snapshot more than once."""
    if data.copies is None:
        return ()
    count = len(data) - len(np.unique(data.copies))
    left_out = len(data) - len(split.train) - len(split.test)
    told = f", and {left_out} late ones are neither learnt from nor held out" if left_out else ""
    return (
        f"{count} of {len(data)} rows equal an earlier one in all features and the target: copies stay on one side of "
        f"each split{told}, so that the metrics are of rows that were not learnt from",
    )


def _tuning_sample(
    settings: TrainingConfig, split: Split, classes: NDArray[Any] | None
) -> tuple[Split, tuple[str, ...]]:
    """Return the split with at most ``tuning_rows`` to learn from, in their order, of each class alike."""
    train = split.train
    if len(train) <= settings.tuning_rows:
        return split, ()
    # A generator of its own: another size of the sample must not change how the rows are split.
    sample = sampled(train, settings.tuning_rows, classes, np.random.default_rng(settings.seed + 2))
    note = f"trials saw {len(sample)} of {len(train)} training rows (tuning_rows); the winner was fitted on all"
    if len(train) > most_to_fit(settings):
        note += (
            f", and judged so; other candidates' held-out metrics, and the monitors' reference, are of fits on at most "
            f"{most_to_fit(settings)} rows"
        )
    return dataclasses.replace(split, train=sample), (note,)


def sampled(
    rows: NDArray[np.int64], most: int, classes: NDArray[Any] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return about ``most`` of ``rows`` in their order, of each of ``classes`` alike; all of them if they are no more.

    ``classes`` holds the class of every row of the table.
    """
    if len(rows) <= most:
        return rows
    strata = np.zeros(len(rows), dtype=np.int64) if classes is None else classes[rows]
    share = most / len(rows)
    chosen = []
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        # Two of a rare class at least, so that it stays known.
        count = min(len(members), max(2, round(share * len(members))))
        chosen.append(rng.permutation(members)[:count])
    sample: NDArray[np.int64] = rows[np.sort(np.concatenate(chosen))]
    return sample


def _parsed(kind: type[ConfigT], value: JsonObject, name: str) -> ConfigT:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or name
        raise ConfigError(f"{name} configuration: {where}: {first['msg']}; correct it and train again") from None
