"""A snapshot as training needs it: features with their dictionaries, matrices, target, times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
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
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.training.problem import Problem
from trimtab.training.settings import TrainingConfig

__all__ = [
    "EVENT_COLUMN",
    "TrainingData",
    "class_name",
    "read_labelled",
    "read_table",
    "read_training_data",
    "shell_manifest",
]

EVENT_COLUMN = "@event_us"

_ENCODABLE = frozenset({ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.BOOLEAN, ColumnKind.CATEGORY})
_MAX_CLASSES = 200


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows whose target is known. ``target`` (n,): class places (int64) or values (float64); ``time_us`` (n,) int64."""

    problem: Problem
    features: tuple[Feature, ...]
    table: pa.Table
    inputs: Inputs
    target: NDArray[Any]
    time_us: NDArray[np.int64] | None
    notes: tuple[str, ...]

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
    path: Path, model: ModelConfig, contract: ContractConfig, settings: TrainingConfig
) -> TrainingData:
    """Return the snapshot in ``path``, ready to be split.

    Raises:
        DataContractError: no row, no feature, a target that cannot be learnt, columns missing or of a wrong type.
        ConfigError: model and contract do not fit together.
    """
    table = read_table(path)
    notes: list[str] = []
    target_column = _column(table, model.target, "the target", path)
    known = pc.is_valid(target_column)
    missing = table.num_rows - int(pc.sum(known).as_py() or 0)
    if missing == table.num_rows:
        raise DataContractError(f"target {model.target!r}: missing in all {missing} rows; deliver labelled rows")
    if missing:
        notes.append(f"{missing} rows without target {model.target!r} were left out")
        table = table.filter(known)
    features, dropped = _features(table, model, contract, settings, path)
    notes += dropped
    classes, target = _target(table.column(model.target), model)
    problem = Problem(
        task=model.task,
        classes=classes,
        positive_class=model.positive_class,
        metrics=tuple(dict.fromkeys((*model.all_metrics, model.main_metric, *settings.gates))),
        primary=model.main_metric,
        transform=settings.target_transform if model.task is Task.REGRESSION else "none",
    )
    if problem.transform == "log1p" and float(target.min()) <= -1:
        raise DataContractError(
            f"target {model.target!r}: smallest value {target.min():g}, expected above -1 for target_transform log1p; "
            "set it to none"
        )
    return TrainingData(
        problem=problem,
        features=features,
        table=table,
        inputs=Encoder(shell_manifest(problem, features, model.name, model.target)).encode_table(table),
        target=target,
        time_us=_times(table, model),
        notes=tuple(notes),
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
        return table, _numbers(column, model.target)
    return table, np.array([class_name(value) for value in column.to_pylist()])


def class_name(value: object) -> str:
    """Return a class as text, in one spelling however it was stored.

    >>> class_name(True), class_name(1), class_name(1.0), class_name("no")
    ('true', '1', '1', 'no')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _column(table: pa.Table, name: str, role: str, path: Path) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataContractError(
            f"{path}: has no column {name!r} ({role}); found {', '.join(table.column_names)[:300]}; correct model.yaml"
        )
    return table.column(name)


def _features(
    table: pa.Table, model: ModelConfig, contract: ContractConfig, settings: TrainingConfig, path: Path
) -> tuple[tuple[Feature, ...], list[str]]:
    features: list[Feature] = []
    dropped: list[str] = []
    for name, column in contract.columns.items():
        if name in model.not_features:
            continue
        if column.type not in _ENCODABLE:
            raise ConfigError(
                f"column {name!r}: a feature of type {column.type}, expected number, integer, boolean or category; "
                "name it under ignore in model.yaml, or derive features from it"
            )
        values = _column(table, name, "a feature of the contract", path)
        if values.null_count == len(values):
            dropped.append(f"feature {name!r} was dropped: it is null in all rows")
            continue
        features.append(_feature(name, column, values, settings))
    if not features:
        raise DataContractError(f"{path}: no feature is left; expected a column besides target, key and time")
    return tuple(features), dropped


def _feature(name: str, column: ColumnContract, values: pa.ChunkedArray, settings: TrainingConfig) -> Feature:
    example = values.drop_null()[0].as_py()
    if column.type is not ColumnKind.CATEGORY:
        shown = float(example) if isinstance(example, (int, float)) and not isinstance(example, bool) else example
        return Feature(name=name, kind=column.type, nullable=column.nullable, unit=column.unit, example=shown)
    if column.values is not None:
        categories = column.values
    else:
        counts = Counter(str(value) for value in values.to_pylist() if value is not None)
        # The commonest, ties by name: so that two runs on the same rows give the same codes.
        commonest = sorted(counts, key=lambda text: (-counts[text], text))[: settings.max_categories]
        categories = tuple(sorted(commonest))
    return Feature(
        name=name,
        kind=column.type,
        nullable=column.nullable,
        unit=column.unit,
        categories=tuple(categories),
        example=str(example),
    )


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


def _target(column: pa.ChunkedArray, model: ModelConfig) -> tuple[tuple[str, ...], NDArray[Any]]:
    if model.task is Task.REGRESSION:
        values = _numbers(column, model.target)
        if float(values.min()) == float(values.max()):
            raise DataContractError(
                f"target {model.target!r}: always {values[0]:g} in {len(values)} rows; expected values that vary"
            )
        return (), values
    names = np.array([class_name(value) for value in column.to_pylist()])
    classes, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    found = ", ".join(repr(str(name)) for name in classes[:5])
    if len(classes) == 1:
        raise DataContractError(
            f"target {model.target!r}: only class {found} in {len(names)} rows; expected at least two; deliver rows of "
            "other classes"
        )
    if model.task is Task.BINARY and (len(classes) != 2 or model.positive_class not in classes):
        raise DataContractError(
            f"target {model.target!r}: {len(classes)} classes ({found}), expected two, one of them positive_class "
            f"{model.positive_class!r}; correct task or positive_class in model.yaml"
        )
    if len(classes) > _MAX_CLASSES:
        raise DataContractError(
            f"target {model.target!r}: {len(classes)} classes, expected at most {_MAX_CLASSES}; is it an id?"
        )
    if counts.min() < 2:
        rare = str(classes[int(counts.argmin())])
        raise DataContractError(f"target {model.target!r}: class {rare!r} has one row; expected two or more of each")
    return tuple(str(name) for name in classes), places.astype(np.int64)


def _numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataContractError(f"target {name!r}: type {kind}, expected numbers; correct task or target in model.yaml")
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataContractError(f"target {name!r}: {values[at]} in row {at}, expected finite numbers; correct it")
    return values


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
