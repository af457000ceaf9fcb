"""The target as it is learnt: classes by place, or numbers; refused with the reason where there is nothing to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.config.model import ModelConfig
from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.training.settings import TrainingConfig

__all__ = ["check_problem", "class_name", "class_names", "numbers", "read_target", "rows_with_target", "weighs_rare"]

_MAX_CLASSES = 200
_FEWEST_OF_A_CLASS = 5
_LARGEST_LEFT_OUT = 0.1
_FEWEST_FOR_AN_ID = 20
_RARE_SHARE = 0.1
_COUNT_ALL_ALIKE = frozenset({"accuracy", "log_loss", "brier", "ece"})


def check_problem(model: ModelConfig, settings: TrainingConfig) -> None:
    """Refuse settings that do not fit the task.

    Raises:
        ConfigError: a sigmoid for more than two classes.
    """
    if settings.calibration == "sigmoid" and model.task is Task.MULTICLASS:
        raise ConfigError(
            f"model {model.name!r}: calibration sigmoid is for two classes, task is multiclass; set it to temperature, "
            "or to auto"
        )


def rows_with_target(table: pa.Table, model: ModelConfig, notes: list[str]) -> pa.Table:
    """Return the rows whose target is known; a note counts the others.

    Raises:
        DataContractError: none is.
    """
    known = pc.is_valid(table.column(model.target))
    missing = table.num_rows - int(pc.sum(known).as_py() or 0)
    if missing == table.num_rows:
        raise DataContractError(f"target {model.target!r}: missing in all {missing} rows; deliver labelled rows")
    if not missing:
        return table
    said = f"{missing} rows without target {model.target!r} were left out"
    if 2 * missing > table.num_rows:
        first = pc.index(known, pa.scalar(False)).as_py()
        said += (
            f": it is missing in {missing / table.num_rows:.0%} of all {table.num_rows} (the first is row {first}); "
            "if it should be known, correct the column or its missing values in contract.yaml"
        )
    notes.append(said)
    return table.filter(known)


def read_target(
    table: pa.Table, model: ModelConfig, notes: list[str]
) -> tuple[pa.Table, tuple[str, ...], NDArray[Any]]:
    """Return the rows to learn from, the classes, sorted, and each row's place among them or its value.

    ``table`` holds rows with a known target. Of more than two classes, those with fewer than five rows are left out,
    with a note, as long as they are at most a tenth of the rows: nobody learns a class from four rows, and no fold
    could judge it.

    Raises:
        DataContractError: the target is constant, an id, of a wrong type, or its classes do not fit the task.
    """
    column = table.column(model.target)
    if model.task is Task.REGRESSION:
        values = numbers(column, model.target)
        _check_numbers(values, model.target)
        return table, (), values
    names = class_names(column)
    classes, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    rare = counts < _FEWEST_OF_A_CLASS
    left_out = int(counts[rare].sum())
    few = left_out <= _LARGEST_LEFT_OUT * len(names) and int((~rare).sum()) >= 2
    if model.task is Task.MULTICLASS and left_out and few:
        shown = ", ".join(f"{name} ({count})" for name, count in zip(classes[rare][:5], counts[rare][:5], strict=True))
        notes.append(
            f"target {model.target!r}: {int(rare.sum())} classes with fewer than {_FEWEST_OF_A_CLASS} rows were left "
            f"out ({shown}{', …' if rare.sum() > 5 else ''}; {left_out} rows in all); deliver more of their rows"
        )
        kept = ~rare[places]
        table, names = table.filter(pa.array(kept)), names[kept]
        classes, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    _check_classes(column.type, names, classes, counts, model)
    return table, tuple(str(name) for name in classes), places.astype(np.int64)


def weighs_rare(model: ModelConfig, settings: TrainingConfig, classes: tuple[str, ...], target: NDArray[Any]) -> bool:
    """Return whether rare classes weigh more in the fit: as set; auto: where the rarest has less than a tenth.

    Not by ``auto`` where the primary metric counts all rows alike: there the weights would only spoil it.
    """
    if not classes or settings.class_balance == "none":
        return False
    if settings.class_balance == "weighted":
        return True
    rarest = int(np.bincount(target).min())
    return model.main_metric not in _COUNT_ALL_ALIKE and rarest < _RARE_SHARE * len(target)


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


def class_names(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return the class of each row as text, ``(n,)``; the column holds no null."""
    coded = column.combine_chunks().dictionary_encode()
    spelt = np.array([class_name(value) for value in coded.dictionary.to_pylist()], dtype=np.str_)
    return np.asarray(spelt[coded.indices.to_numpy(zero_copy_only=False)])


def numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """Return the target as numbers, ``(n,)``; the column holds no null.

    Raises:
        DataContractError: it holds something else, or a number that is not finite.
    """
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataContractError(
            f"target {name!r}: type {kind} (row 0: {str(column[0].as_py())[:60]!r}), expected numbers; correct task or "
            "target in model.yaml, or the column's type in contract.yaml"
        )
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataContractError(f"target {name!r}: {values[at]} in row {at}, expected finite numbers; correct it")
    return values


def _check_numbers(values: NDArray[np.float64], name: str) -> None:
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise DataContractError(
            f"target {name!r}: always {values[0]:g} in {len(values)} rows; expected values that vary; name another "
            "target in model.yaml"
        )
    if len(values) < _FEWEST_FOR_AN_ID or (values != np.floor(values)).any():
        return
    # Every number of a stretch once: a counter in whatever order, which no feature can tell.
    if high - low == len(values) - 1 and len(np.unique(values)) == len(values):
        raise DataContractError(
            f"target {name!r}: each of the numbers {low:.0f} to {high:.0f} once in {len(values)} rows (row 0: "
            f"{values[0]:.0f}), as ids have; expected a quantity; name another target in model.yaml"
        )


def _check_classes(
    kind: pa.DataType, names: NDArray[Any], classes: NDArray[Any], counts: NDArray[Any], model: ModelConfig
) -> None:
    found = ", ".join(f"{name!s} ({count})" for name, count in zip(classes[:5], counts[:5], strict=True))
    rare = int(counts.argmin())
    at = int(np.flatnonzero(names == classes[rare])[0])
    example = f"row {at}: {str(classes[rare])[:60]!r}"
    if len(classes) == 1:
        raise DataContractError(
            f"target {model.target!r}: only class {str(classes[0])!r} in {len(names)} rows; expected at least two; "
            "deliver rows of other classes"
        )
    if model.task is Task.BINARY and (len(classes) != 2 or model.positive_class not in classes):
        move = "task or positive_class" if len(classes) == 2 else "task (multiclass?) or the values"
        raise DataContractError(
            f"target {model.target!r}: {len(classes)} classes, {found} ({example}); expected two, one of them "
            f"positive_class {model.positive_class!r}; correct {move} in model.yaml"
        )
    if len(classes) > _MAX_CLASSES:
        is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        move = "set task to regression" if is_number else "name another target, or group its values"
        raise DataContractError(
            f"target {model.target!r}: {len(classes)} classes in {len(names)} rows ({example}), expected at most "
            f"{_MAX_CLASSES}; it looks like {'a quantity or an id' if is_number else 'an id or free text'}; {move}"
        )
    if counts[rare] < 2:
        raise DataContractError(
            f"target {model.target!r}: class {str(classes[rare])!r} has one row (row {at}) of {len(names)}: {found}; "
            "expected two or more of each; deliver more, or leave it out"
        )
