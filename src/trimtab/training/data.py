"""A snapshot as training needs it: features with their dictionaries, matrices, target, times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trimtab.bundle.encoder import Encoder, Inputs
from trimtab.bundle.manifest import Feature, Lineage, Manifest, Parity
from trimtab.config.columns import ColumnContract, ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import DataContractError
from trimtab.training.copies import copies_in
from trimtab.training.memory import TEXT_BYTES, check_memory, terms_that_fit
from trimtab.training.problem import Problem
from trimtab.training.settings import TrainingConfig
from trimtab.training.split import split_rows
from trimtab.training.target import check_problem, class_names, numbers, read_target, rows_with_target, weighs_rare
from trimtab.training.terms import choose_terms

__all__ = [
    "EVENT_COLUMN",
    "TrainingData",
    "read_labelled",
    "read_table",
    "read_training_data",
    "shell_manifest",
]

EVENT_COLUMN = "@event_us"

_EXAMPLE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows whose target is known. ``target`` (n,): class places (int64) or values (float64); ``time_us`` (n,) int64.

    ``copies`` (n,): equal numbers for rows that are copies of one another; None where there are none.
    """

    problem: Problem
    features: tuple[Feature, ...]
    table: pa.Table
    inputs: Inputs
    target: NDArray[Any]
    time_us: NDArray[np.int64] | None
    notes: tuple[str, ...]
    copies: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.target)


def read_table(path: Path) -> pa.Table:
    """Return the Parquet file as a table.

    Raises:
        DataContractError: it is missing, unreadable or empty.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataContractError(f"{path}: no such file; make the snapshot again") from None
    except (OSError, pa.ArrowException) as error:
        raise DataContractError(f"{path}: no readable Parquet file ({_first_line(error)}); make it again") from error
    if table.num_rows == 0:
        raise DataContractError(f"{path}: has no row; deliver data that passes the contract first")
    return table


def read_training_data(
    path: Path,
    model: ModelConfig,
    contract: ContractConfig,
    settings: TrainingConfig,
    *,
    available_bytes: int | None = None,
) -> TrainingData:
    """Return the snapshot in ``path``, ready to be split.

    Raises:
        DataContractError: no row, no feature, a target that cannot be learnt, columns missing or of a wrong type, or
            more rows and columns than fit into ``available_bytes`` of memory.
        ConfigError: model and contract do not fit together.
    """
    table = read_table(path)
    notes: list[str] = []
    check_problem(model, settings)
    _column(table, model.target, "the target", path)
    table, classes, target = read_target(rows_with_target(table, model, notes), model, notes)
    time_us = _times(table, model)
    names = _feature_names(table, model, contract, path, notes)
    texts = {name: table.column(name) for name in names if contract.columns[name].type is ColumnKind.TEXT}
    copies = copies_in(table, names, target)
    terms = _terms(texts, settings, classes, target, time_us, copies, notes)
    features = tuple(
        _feature(name, contract.columns[name], table.column(name), settings, terms.get(name, ()), name == model.time)
        for name in names
    )
    problem = Problem(
        task=model.task,
        classes=classes,
        positive_class=model.positive_class,
        metrics=tuple(dict.fromkeys((*model.all_metrics, model.main_metric, *settings.gates))),
        primary=model.main_metric,
        transform=settings.target_transform if model.task is Task.REGRESSION else "none",
        weighted=weighs_rare(model, settings, classes, target),
        threshold=settings.decision_threshold if isinstance(settings.decision_threshold, float) else 0.5,
    )
    if problem.weighted:
        rarest = int(np.bincount(target).argmin())
        share = float((target == rarest).mean())
        notes.append(
            f"rare classes weigh more in the fit: {classes[rarest]!r} has {share:.1%} of the rows (class_balance "
            f"{settings.class_balance})"
        )
    if problem.transform == "log1p" and float(target.min()) <= -1:
        raise DataContractError(
            f"target {model.target!r}: smallest value {target.min():g}, expected above -1 for target_transform log1p; "
            "set it to none"
        )
    manifest = shell_manifest(problem, features, model.name, model.target)
    check_memory(manifest, len(target), table.nbytes, available_bytes)
    return TrainingData(
        problem=problem,
        features=features,
        table=table,
        inputs=Encoder(manifest).encode_table(table),
        target=target,
        time_us=time_us,
        notes=tuple(notes),
        copies=copies,
    )


def read_labelled(path: Path, model: ModelConfig) -> tuple[pa.Table, NDArray[Any]]:
    """Return rows to compare versions on, in order of time, and their truth: class names or values.

    Raises:
        DataContractError: the file or its target cannot be read, or no row has a target.
    """
    table = read_table(path)
    column = _column(table, model.target, "the target", path)
    table = table.filter(pc.is_valid(column))
    if table.num_rows == 0:
        raise DataContractError(f"{path}: target {model.target!r} is missing in all rows; wait for labels")
    times = _times(table, model)
    if times is not None:
        table = table.take(pa.array(np.argsort(times, kind="stable")))
    column = table.column(model.target)
    if model.task is Task.REGRESSION:
        return table, numbers(column, model.target)
    return table, class_names(column)


def _column(table: pa.Table, name: str, role: str, path: Path) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataContractError(
            f"{path}: has no column {name!r} ({role}); found {', '.join(table.column_names)[:300]}; correct model.yaml"
        )
    return table.column(name)


def _feature_names(
    table: pa.Table, model: ModelConfig, contract: ContractConfig, path: Path, notes: list[str]
) -> list[str]:
    """Return the contract's columns to learn from; a note tells of each that is left out."""
    names: list[str] = []
    for name in contract.columns:
        if name in model.not_features:
            continue
        values = _column(table, name, "a feature of the contract", path)
        if values.null_count == len(values):
            notes.append(f"feature {name!r} was dropped: it is null in all rows")
            continue
        names.append(name)
    if not names:
        raise DataContractError(f"{path}: no feature is left; expected a column besides target, key and time")
    return names


def _terms(
    texts: dict[str, pa.ChunkedArray],
    settings: TrainingConfig,
    classes: tuple[str, ...],
    target: NDArray[Any],
    time_us: NDArray[np.int64] | None,
    copies: NDArray[np.int64] | None,
    notes: list[str],
) -> dict[str, tuple[str, ...]]:
    """Return the terms of each text column, chosen by rows that are learnt from: held-out ones must not tell."""
    if not texts:
        return {}
    # The very split that is made later: the same rows, the same seed.
    rng = np.random.default_rng(settings.seed)
    rows = split_rows(settings.split, target if classes else None, time_us, len(target), rng, copies).train
    count = terms_that_fit(settings.max_terms, len(target), len(texts))
    if count < settings.max_terms:
        notes.append(f"only {count} terms of a text column are counted: more would not fit into {TEXT_BYTES >> 20} MiB")
    chosen = {}
    for name, column in texts.items():
        known = column.take(pa.array(rows)).to_pylist()
        chosen[name] = choose_terms(known, target[rows], count, classes=len(classes))
        if not chosen[name]:
            notes.append(f"feature {name!r}: no term stands in enough of its texts; only their length is learnt from")
    return chosen


def _feature(
    name: str,
    column: ColumnContract,
    values: pa.ChunkedArray,
    settings: TrainingConfig,
    terms: tuple[str, ...],
    is_time: bool,
) -> Feature:
    example = values.drop_null()[0].as_py()
    if isinstance(example, (int, float)) and not isinstance(example, bool):
        example = float(example)
    elif isinstance(example, date):
        example = example.isoformat()
    elif column.type is ColumnKind.TEXT:
        example = str(example)[:_EXAMPLE_CHARACTERS]
    return Feature(
        name=name,
        kind=column.type,
        nullable=column.nullable,
        unit=column.unit,
        categories=_categories(column, values, settings),
        terms=terms,
        format=column.format,
        missing=tuple(dict.fromkeys(("", *(text.strip() for text in column.missing)))),
        is_event_time=is_time and column.type is ColumnKind.DATETIME,
        example=str(example) if column.type is ColumnKind.CATEGORY else example,
    )


def _categories(column: ColumnContract, values: pa.ChunkedArray, settings: TrainingConfig) -> tuple[str, ...]:
    if column.type is not ColumnKind.CATEGORY:
        return ()
    if column.values is not None:
        return column.values
    counts = Counter(str(value) for value in values.to_pylist() if value is not None)
    # The commonest, ties by name: so that two runs on the same rows give the same codes.
    commonest = sorted(counts, key=lambda text: (-counts[text], text))[: settings.max_categories]
    return tuple(sorted(commonest))


def shell_manifest(problem: Problem, features: tuple[Feature, ...], model: str, target: str) -> Manifest:
    """Return a manifest that knows the schema, but nothing yet of the version: to encode and to check with."""
    return Manifest(
        model=model,
        task=problem.task,
        target=target,
        algorithm="",
        created_at="",
        features=features,
        classes=problem.classes,
        positive_class=problem.positive_class,
        parity=Parity(rows=0, max_abs_difference=0.0, tolerance=0.0),
        lineage=Lineage(snapshot_id="", dataset_hash="", config_hash=""),
        files={},
    )


def _times(table: pa.Table, model: ModelConfig) -> NDArray[np.int64] | None:
    """Return event times in microseconds: ``@event_us``, or the model's time column if that is a timestamp.

    None where nothing is known of time, or, for a model without a time column, of some rows only (delivered ones
    have none, those of production do): then there is no order to split or to cut a reference by.
    """
    if EVENT_COLUMN in table.column_names:
        column = table.column(EVENT_COLUMN)
    elif model.time in table.column_names and pa.types.is_timestamp(table.schema.field(model.time).type):
        column = table.column(model.time).cast(pa.timestamp("us"), safe=False)
    else:
        return None
    if column.null_count and model.time is None:
        return None
    if column.null_count:
        raise DataContractError(
            f"event time: missing in {column.null_count} rows; expected it in each; repair the data"
        )
    times: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return times


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
