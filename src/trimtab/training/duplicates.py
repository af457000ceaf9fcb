"""Columns that repeat one another, and held-out rows that were learnt from: told as notes, never acted on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.training.column_values import codes_of, values_of
from trimtab.training.copies import row_keys
from trimtab.training.data import TrainingData
from trimtab.training.split import Split

__all__ = ["repeated_columns", "repeated_rows"]

_MOST_ROWS = 20_000
_SAME_ROWS_SHARE = 0.01
_LATE_SHARE = 0.5


def repeated_columns(table: pa.Table, features: tuple[Feature, ...]) -> Iterator[str]:
    """Yield a note for each column that says what an earlier one says, value by value."""
    first: dict[bytes, str] = {}
    for feature in features:
        form = _form(table.column(feature.name), feature)
        if form in first:
            yield (
                f"feature {feature.name!r} says the same as {first[form]!r} in all {table.num_rows} rows; name one "
                "of them under ignore in model.yaml"
            )
        if form is not None:
            first.setdefault(form, feature.name)


def repeated_rows(data: TrainingData, split: Split, rng: np.random.Generator) -> Iterator[str]:
    """Yield a note if held-out rows, target included, stand among the others: then the metrics flatter."""
    test = split.test if len(split.test) <= _MOST_ROWS else rng.choice(split.test, _MOST_ROWS, replace=False)
    train = split.train
    if len(train) > 10 * _MOST_ROWS:
        train = rng.choice(train, 10 * _MOST_ROWS, replace=False)
    rows = np.concatenate([test, train])
    names = [feature.name for feature in data.features]
    keys = row_keys(data.table.select(names).take(pa.array(rows)), names, data.target[rows])
    learnt = set(keys[len(test) :].tolist())
    again = sum(key in learnt for key in keys[: len(test)].tolist())
    # Tables of few columns repeat by themselves: that is no leakage.
    distinct = len(learnt) / len(train)
    if again > _SAME_ROWS_SHARE * len(test) and distinct > _LATE_SHARE:
        yield (
            f"leakage: {again} of {len(test)} held-out rows stand, equal in all features and the target, among the "
            "rows learnt from, so the metrics flatter; remove duplicates at the source, or name a key in model.yaml"
        )


def _form(column: pa.ChunkedArray, feature: Feature) -> bytes | None:
    """Return what two columns have in common that repeat each other; None for a column that cannot be told."""
    codes, count = codes_of(column)
    if count < 2:
        return None
    if count <= _LATE_SHARE * len(codes):
        # Places in the order in which values first occur: equal for columns that are renamings of one another.
        return codes.astype(np.int32).tobytes()
    if feature.kind in {ColumnKind.CATEGORY, ColumnKind.TEXT}:
        return None
    # Where most values differ, so do those of any two columns: there the numbers must lie on a line.
    values = values_of(column)
    spread = float(np.nanstd(values))
    return np.round((values - np.nanmean(values)) / spread, 5).tobytes() if spread else None
