"""What is to be predicted: the task, its classes, and what knowing nothing would achieve."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.lake.casting import cast_as
from trimtab.lake.inference import Finding
from trimtab.loop.starter.numbering import numbering_of
from trimtab.loop.starter.wishes import Baseline, Wishes

__all__ = ["Target", "study_target"]

_MAX_CLASSES = 100
_FEW_NUMBERS = 20
_RARE_CLASS = 10
_LISTED = 20
_YES_AND_NO = frozenset(
    {("yes", "no"), ("true", "false"), ("1", "0"), ("1", "-1"), ("y", "n"), ("t", "f"), ("positive", "negative")}
)
_SKEWED = 10.0
_HEAVY_TAILED = 3.0
_LEAST_GAIN = 0.01


@dataclass(frozen=True, slots=True)
class Target:
    """The target as the contract will have it, and what follows from it; see `trimtab.loop.starter.wishes.Plan`."""

    finding: Finding
    task: Task
    why_task: str
    metrics: tuple[str, ...]
    baseline: Baseline
    classes: tuple[tuple[str, int], ...] = ()
    positive_class: str | None = None
    why_positive: str = ""
    skewed: bool = False
    heavy_tailed: bool = False
    notes: tuple[str, ...] = ()


def study_target(column: pa.ChunkedArray, finding: Finding, wishes: Wishes) -> Target:
    """Return what predicting ``column`` takes.

    Raises:
        DataContractError: it is constant, an id, has too many classes, or is no target for the task asked for.
    """
    _refuse_unlearnable(finding, wishes)
    if wishes.task is None:
        _refuse_numbering(column, finding)
    task, why = _task(finding, wishes)
    if wishes.positive_class is not None and task is not Task.BINARY:
        raise ConfigError(
            f"--positive-class {wishes.positive_class}: target {finding.name!r} is a {task} ({why}), and only two "
            "outcomes have one; leave it out"
        )
    notes = []
    if finding.missing:
        notes.append(f"{finding.name}: {finding.missing} rows have no outcome; they go to quarantine, nothing to learn")
    if task is Task.REGRESSION:
        return _regression(column, finding, why, tuple(notes))
    return _classification(column, finding, task, why, wishes, tuple(notes))


def _refuse_unlearnable(finding: Finding, wishes: Wishes) -> None:
    name, known = finding.name, finding.rows - finding.missing
    if finding.distinct == 0:
        raise DataContractError(f"target {name!r}: no row has a value; name another column with --target")
    if finding.distinct == 1:
        raise DataContractError(
            f"target {name!r}: always {finding.counts[0][0]!r} in {known} rows; expected at least two values; name "
            "another column with --target, or bring rows with other outcomes"
        )
    if finding.column.type is ColumnKind.DATETIME:
        raise DataContractError(
            f"target {name!r}: holds dates, e.g. {finding.counts[0][0]!r}; a moment cannot be predicted; write what is "
            "wanted as a number (days until then), or name another column with --target"
        )
    if finding.notes and finding.column.type is ColumnKind.CATEGORY and finding.distinct > _MAX_CLASSES:
        raise DataContractError(f"target {name!r}: {finding.distinct} distinct words; {finding.notes[0]}")
    if finding.useless and wishes.task is None and finding.distinct > _LISTED:
        raise DataContractError(
            f"target {name!r}: looks like an id ({finding.useless}); an id cannot be predicted; name another column "
            "with --target, or pass --task if it is an outcome"
        )


def _refuse_numbering(column: pa.ChunkedArray, finding: Finding) -> None:
    if not finding.column.type.is_numeric:
        return
    found = numbering_of(cast_as(column, finding.column.model_copy(update={"type": ColumnKind.NUMBER})).values)
    if found is not None:
        raise DataContractError(
            f"target {finding.name!r}: looks like an id ({found}); an id cannot be predicted; name another column with "
            "--target, or pass --task if it is an outcome"
        )


def _task(finding: Finding, wishes: Wishes) -> tuple[Task, str]:
    kind, distinct = finding.column.type, finding.distinct
    if wishes.task is not None:
        if wishes.task is Task.REGRESSION and kind not in {ColumnKind.NUMBER, ColumnKind.INTEGER}:
            raise DataContractError(
                f"target {finding.name!r}: holds {kind} values, e.g. {finding.counts[0][0]!r}; task regression needs "
                "numbers; pass --task multiclass, or another target"
            )
        if wishes.task is Task.BINARY and distinct != 2:
            raise DataContractError(
                f"target {finding.name!r}: {distinct} distinct values; task binary needs two; pass --task multiclass"
            )
        return wishes.task, "as asked for"
    if distinct == 2:
        return Task.BINARY, "two distinct outcomes were seen"
    if kind is ColumnKind.NUMBER:
        return Task.REGRESSION, f"{distinct} distinct numbers were seen"
    if kind is ColumnKind.INTEGER and distinct > _FEW_NUMBERS:
        return Task.REGRESSION, f"{distinct} distinct whole numbers were seen"
    what = "whole numbers: if they are amounts, pass --task regression" if kind is ColumnKind.INTEGER else "classes"
    return Task.MULTICLASS, f"{distinct} distinct {what}"


def _classification(
    column: pa.ChunkedArray, finding: Finding, task: Task, why: str, wishes: Wishes, notes: tuple[str, ...]
) -> Target:
    if finding.distinct > _MAX_CLASSES:
        raise DataContractError(
            f"target {finding.name!r}: {finding.distinct} distinct classes; at most {_MAX_CLASSES} can be learnt; "
            "group the rare ones, or name another column with --target"
        )
    contract = ColumnContract(type=ColumnKind.CATEGORY, missing=finding.column.missing)
    counted = pc.value_counts(cast_as(column, contract).values.drop_null()).to_pylist()
    classes = tuple(sorted(((one["values"], one["counts"]) for one in counted), key=lambda pair: (-pair[1], pair[0])))
    listed = tuple(sorted(name for name, _ in classes)) if len(classes) <= _LISTED else None
    rare = [f"{name!r} ({rows})" for name, rows in classes if rows < _RARE_CLASS]
    if rare:
        shown = ", ".join(rare[:5]) + (", …" if len(rare) > 5 else "")
        notes = (*notes, f"{finding.name}: classes with fewer than {_RARE_CLASS} rows are hardly learnt: {shown}")
    positive, why_positive = _positive(classes, wishes) if task is Task.BINARY else (None, "")
    return Target(
        finding=replace(
            finding, column=contract.model_copy(update={"values": listed}), notes=(), low=None, high=None, useless=""
        ),
        task=task,
        why_task=why,
        metrics=("f1", "roc_auc", "accuracy", "precision", "recall")
        if task is Task.BINARY
        else ("f1", "accuracy", "precision", "recall"),
        baseline=_class_baseline(task, classes),
        classes=classes,
        positive_class=positive,
        why_positive=why_positive,
        notes=notes,
    )


def _positive(classes: tuple[tuple[str, int], ...], wishes: Wishes) -> tuple[str, str]:
    names = [name for name, _ in classes]
    if wishes.positive_class is not None:
        if wishes.positive_class not in names:
            raise DataContractError(
                f"positive class {wishes.positive_class!r}: not in column {wishes.target!r}, which has "
                f"{' and '.join(map(repr, names))}; name one of them"
            )
        return wishes.positive_class, "as asked for"
    for yes in names:
        if any((yes.lower(), no.lower()) in _YES_AND_NO for no in names):
            return yes, "it says 'yes'"
    rows = sum(count for _, count in classes)
    return classes[-1][0], f"the rarer of the two, {classes[-1][1]} of {rows} rows"


def _class_baseline(task: Task, classes: tuple[tuple[str, int], ...]) -> Baseline:
    rows = sum(count for _, count in classes)
    most, count = classes[0]
    share = count / rows
    if task is Task.BINARY:
        return Baseline(
            "roc_auc", 0.6, True, f"a coin has 0.5; always answering {most!r} is right in {share:.1%} of the rows"
        )
    # Macro F1 of one answer: that class's own F1, and 0 for each other class.
    bound = float(np.ceil(1000 * (2 * share / (1 + share)) / len(classes)) / 1000)
    return Baseline("f1", bound, True, f"always answering {most!r} ({share:.1%} of the rows) has {bound}")


def _regression(column: pa.ChunkedArray, finding: Finding, why: str, notes: tuple[str, ...]) -> Target:
    values = cast_as(column, finding.column.model_copy(update={"type": ColumnKind.NUMBER}))
    numbers = values.values.drop_null().to_numpy(zero_copy_only=False)
    median = float(np.median(numbers))
    mae = float(np.mean(np.abs(numbers - median)))
    positive = bool(numbers.min() >= 0)
    skewed = positive and bool(np.percentile(numbers, 99) > _SKEWED * max(median, 1e-12))
    # Of a normal distribution it is 1.25, of an exponential one 1.44.
    heavy_tailed = not skewed and mae > 0 and float(numbers.std()) > _HEAVY_TAILED * mae
    # What a few huge values decide alone judges nothing.
    of_squares = () if heavy_tailed else ("r2",)
    contract = finding.column.model_copy(update={"nullable": False})
    return Target(
        finding=replace(finding, column=contract, useless=""),
        task=Task.REGRESSION,
        why_task=why,
        metrics=(*(("wape",) if positive else ()), "mae", "rmse", *of_squares, "d2_absolute_error"),
        baseline=Baseline(
            "d2_absolute_error",
            _LEAST_GAIN,
            True,
            f"the share of the median's error that it spares: always {median:.4g}, off by {mae:.4g}, has 0 at most",
        ),
        skewed=skewed,
        heavy_tailed=heavy_tailed,
        notes=notes,
    )
