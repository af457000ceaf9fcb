"""What in a table gives the answer away, or is no knowledge at all: told as notes, never acted on.

Each note names the column, what was seen, and the next move. All is judged on at most 20 000 rows of the part that is
learnt from, so that a table of a million rows costs no more than a small one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import rankdata

from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.training.column_values import codes_of, values_of
from trimtab.training.data import TrainingData
from trimtab.training.duplicates import repeated_columns, repeated_rows
from trimtab.training.problem import Problem
from trimtab.training.split import Split

__all__ = ["leakage_notes"]

_MOST_ROWS = 20_000
_FEWEST_ROWS = 30
_TELLS_ALL = 0.98
_MOST_NOTES_OF_A_KIND = 5
_FEWEST_OF_A_VALUE = 5
_LATE_SHARE = 0.5
_ID_SHARE = 0.98
_AFTER = re.compile(
    r"(^|_)(outcome|result|final|closed|resolved|discharge|cancel\w*|refund\w*|churned|paid|actual)(_|$)"
)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Rows that are judged, of ``total``; ``target`` (n,) as training has it."""

    problem: Problem
    table: pa.Table
    target: NDArray[Any]
    time_us: NDArray[np.int64] | None
    total: int


def leakage_notes(data: TrainingData, split: Split, rng: np.random.Generator) -> tuple[str, ...]:
    """Return a sentence for each suspicion, the gravest kinds first; at most five of a kind, and how many more.

    Looked for: features that tell the target alone, datetimes that lie after the event, ids, constant columns, columns
    that repeat another, and held-out rows that stand among those learnt from. Below 30 rows nothing can be told.
    """
    if len(split.train) < _FEWEST_ROWS:
        return ()
    rows = split.train
    if len(rows) > _MOST_ROWS:
        rows = np.sort(rng.choice(rows, _MOST_ROWS, replace=False))
    names = [feature.name for feature in data.features]
    sample = _Sample(
        problem=data.problem,
        table=data.table.select(names).take(pa.array(rows)),
        target=data.target[rows],
        time_us=None if data.time_us is None else data.time_us[rows],
        total=len(data),
    )
    twins = [note for feature in data.features for note in _tells_target(sample, feature)]
    told = {name for name, _ in twins}
    kinds = [
        [note for _, note in twins],
        [note for feature in data.features for note in _comes_later(sample, feature)],
        [note for feature in data.features if feature.name not in told for note in _is_id(sample, feature)],
        [note for feature in data.features for note in _is_constant(sample, feature)],
        list(repeated_columns(sample.table, data.features)),
        list(repeated_rows(data, split, rng)),
    ]
    return tuple(note for kind in kinds for note in _bounded(kind))


def _bounded(notes: list[str]) -> list[str]:
    if len(notes) <= _MOST_NOTES_OF_A_KIND:
        return notes
    shown = notes[:_MOST_NOTES_OF_A_KIND]
    return [*shown, f"{len(notes) - len(shown)} more columns are like the last one named"]


def _tells_target(sample: _Sample, feature: Feature) -> Iterator[tuple[str, str]]:
    """Yield the feature's name and a note if it alone tells the target: a twin, or something derived from it."""
    column = sample.table.column(feature.name)
    seen = None
    if feature.kind is ColumnKind.CATEGORY:
        seen = _category_tells(column, sample)
    elif feature.kind is not ColumnKind.TEXT:
        seen = _number_tells(values_of(column), sample)
    if seen is None:
        return
    hint = "; its name, too, speaks of what comes after" if _AFTER.search(feature.name.lower()) else ""
    yield (
        feature.name,
        f"leakage: feature {feature.name!r} alone tells the target ({seen}{hint}); if it is not known when a "
        "prediction is asked for, name it under ignore in model.yaml",
    )


def _number_tells(values: NDArray[np.float64], sample: _Sample) -> str | None:
    known = ~np.isnan(values)
    if not sample.problem.task.is_classification:
        target = sample.target[known]
        if known.sum() < _FEWEST_ROWS or np.ptp(values[known]) == 0 or np.ptp(target) == 0:
            return None
        # Ranks as well: a logarithm or a square of the target tells it just as well.
        straight = _correlation(values[known], target) ** 2
        ranked = _correlation(rankdata(values[known]), rankdata(target)) ** 2
        best = max(straight, ranked)
        return f"R² {best:.3f}" if best >= _TELLS_ALL and known.mean() > _LATE_SHARE else None
    worst = _worst_area(values, known, sample)
    if worst is not None and worst >= _TELLS_ALL:
        return f"ROC AUC {worst:.3f}"
    # A column that is filled in for one class only tells by being there.
    missing = ~known
    if _FEWEST_OF_A_VALUE <= missing.sum() <= len(values) - _FEWEST_OF_A_VALUE:
        return _presence_tells(missing, sample)
    return None


def _worst_area(values: NDArray[np.float64], known: NDArray[np.bool_], sample: _Sample) -> float | None:
    """Return the smallest ROC AUC of a class against the rest, in either direction; None where it cannot be told."""
    target = sample.target[known]
    if known.mean() <= _LATE_SHARE or len(target) < _FEWEST_ROWS:
        return None
    ranks = rankdata(values[known])
    areas = []
    for place in np.unique(target):
        inside = target == place
        count, others = int(inside.sum()), int((~inside).sum())
        if count < _FEWEST_OF_A_VALUE or not others:
            continue
        area = (ranks[inside].sum() - count * (count + 1) / 2) / (count * others)
        areas.append(max(area, 1 - area))
    return float(min(areas)) if areas else None


def _presence_tells(missing: NDArray[np.bool_], sample: _Sample) -> str | None:
    right = sum(
        int(np.bincount(sample.target[part], minlength=len(sample.problem.classes)).max())
        for part in (missing, ~missing)
    )
    commonest = int(np.bincount(sample.target).max())
    if _gain(right, commonest, len(missing)) < _TELLS_ALL:
        return None
    return "whether it is missing says the class"


def _category_tells(column: pa.ChunkedArray, sample: _Sample) -> str | None:
    codes, count = codes_of(column)
    sizes = np.bincount(codes, minlength=count)
    common = sizes >= _FEWEST_OF_A_VALUE
    kept = common[codes]
    # Values that occur once are right by themselves, and say nothing.
    if kept.mean() <= _LATE_SHARE or common.sum() < 2:
        return None
    codes, target = codes[kept], sample.target[kept]
    if not sample.problem.task.is_classification:
        spread = float(((target - target.mean()) ** 2).sum())
        if spread == 0:
            return None
        means = np.bincount(codes, weights=target, minlength=count) / np.maximum(sizes, 1)
        share = 1 - float(((target - means[codes]) ** 2).sum()) / spread
        return f"its values explain {share:.1%} of the spread" if share >= _TELLS_ALL else None
    classes = len(sample.problem.classes)
    table = np.bincount(codes * classes + target, minlength=count * classes).reshape(count, classes)
    right, commonest = int(table.max(axis=1).sum()), int(np.bincount(target).max())
    if _gain(right, commonest, len(target)) < _TELLS_ALL:
        return None
    return f"its values name the class in {right / len(target):.1%} of the rows"


def _gain(right: int, commonest: int, rows: int) -> float:
    """Return which share of what naming the commonest class gets wrong is got right: 1 is all."""
    return (right - commonest) / (rows - commonest) if rows > commonest else 0.0


def _comes_later(sample: _Sample, feature: Feature) -> Iterator[str]:
    column = sample.table.column(feature.name)
    if sample.time_us is None or not pa.types.is_timestamp(column.type):
        return
    moments = values_of(column)
    known = ~np.isnan(moments)
    if known.sum() < _FEWEST_ROWS:
        return
    later = moments[known] > sample.time_us[known]
    if later.mean() > _LATE_SHARE:
        yield (
            f"leakage: feature {feature.name!r} lies after the event time in {later.mean():.0%} of the rows, so it was "
            "not known then; name it under ignore in model.yaml"
        )


def _is_id(sample: _Sample, feature: Feature) -> Iterator[str]:
    column = sample.table.column(feature.name).drop_null()
    rows = len(column)
    if rows < _FEWEST_ROWS or feature.kind in {ColumnKind.TEXT, ColumnKind.BOOLEAN, ColumnKind.DATETIME}:
        return
    distinct = pc.count_distinct(column).as_py()
    if distinct < _ID_SHARE * rows:
        return
    seen = f"{distinct} different values in {rows} rows"
    if feature.kind is not ColumnKind.CATEGORY:
        values = values_of(column)
        if (values != np.floor(values)).any():
            return
        steps = np.diff(values)
        counts_up = bool((steps > 0).all() or (steps < 0).all())
        # Whole numbers that are all different are ids if they count rows, or fill a stretch; amounts do neither.
        if not counts_up and np.ptp(values) > 3 * sample.total:
            return
        seen += ", counting on from row to row" if counts_up else ""
    yield (
        f"feature {feature.name!r} looks like an id ({seen}): what is learnt of it holds for no new row; name it under "
        "ignore in model.yaml, or as key"
    )


def _is_constant(sample: _Sample, feature: Feature) -> Iterator[str]:
    column = sample.table.column(feature.name)
    distinct = pc.unique(column)
    if len(distinct) == 1:
        yield (
            f"feature {feature.name!r} is always {str(distinct[0].as_py())[:60]!r} in {len(column)} rows: it tells "
            "nothing; name it under ignore in model.yaml"
        )


def _correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / size if size else 0.0
