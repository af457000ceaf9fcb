"""What happens to the two matrices before an estimator sees them: calendar parts, filling, scaling, one-hot.

NumPy and the graph do the same operations in the same order, so the estimator in the graph sees the very bits that it
was trained on. (The logarithm of the words' counts may differ in its last bit: only linear models see it.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import MISSING_CODE, Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.training.calendar_parts import CalendarColumn, calendar_columns

__all__ = ["Preparation", "fit_preparation", "numeric_names"]

_SMALLEST_SPREAD = 1e-30
"""Below it a column counts as constant; its reciprocal would not fit a float32."""

_CELLS_A_BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class Preparation:
    """A fitted preparation of F numeric and C code columns into D float32 columns: first F + P floats, then one-hots.

    ``calendar`` (P,): columns that datetimes become. ``log_from``: the numeric columns from there on (counts of words)
    are replaced by log(1 + x); None: none are. ``fill`` (F + P,): what replaces NaN; NaN where the estimator takes it
    as it is. ``centre``, ``factor`` (F + P,): scaled = (x - centre) · factor; None where nothing is scaled.
    ``one_hot_column``, ``one_hot_code`` (D - F - P,): each further column is 1 where that code column has that code.
    ``names`` (D,): the feature behind each column. ``codes_width``: C.
    """

    calendar: tuple[CalendarColumn, ...]
    log_from: int | None
    fill: NDArray[np.float32]
    centre: NDArray[np.float32] | None
    factor: NDArray[np.float32] | None
    one_hot_column: NDArray[np.int64]
    one_hot_code: NDArray[np.int64]
    names: tuple[str, ...]
    codes_width: int

    @property
    def numeric_width(self) -> int:
        """F."""
        return len(self.fill) - len(self.calendar)

    @property
    def width(self) -> int:
        """D."""
        return len(self.names)

    def transform(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return the matrix (n, D) that the estimator sees; beside it little memory is needed."""
        design = np.empty((len(inputs), self.width), dtype=np.float32)
        rows = max(256, _CELLS_A_BLOCK // max(1, self.width))
        for start in range(0, len(inputs), rows):
            part = slice(start, start + rows)
            self._transform_block(inputs.numeric[part], inputs.codes[part], design[part])
        return design

    def _transform_block(
        self, numeric: NDArray[np.float32], codes: NDArray[np.int64], design: NDArray[np.float32]
    ) -> None:
        width = len(self.fill)
        floats = design[:, :width]
        floats[:, : self.numeric_width] = numeric
        if self.log_from is not None:
            counts = floats[:, self.log_from : self.numeric_width]
            counts[:] = np.log(counts + np.float32(1))
        for place, column in enumerate(self.calendar, start=self.numeric_width):
            floats[:, place] = column.values(codes[:, column.column])
        np.copyto(floats, self.fill, where=np.isnan(floats))
        if self.centre is not None and self.factor is not None:
            floats -= self.centre
            floats *= self.factor
        design[:, width:] = codes[:, self.one_hot_column] == self.one_hot_code


def numeric_names(features: tuple[Feature, ...]) -> tuple[str, ...]:
    """Return the feature behind each column of the float matrix: numbers first, then the blocks of the texts."""
    names = [feature.name for feature in features if feature.kind.is_numeric]
    for feature in features:
        if feature.kind is ColumnKind.TEXT:
            names += [feature.name] * (1 + len(feature.terms))
    return tuple(names)


def fit_preparation(features: tuple[Feature, ...], inputs: Inputs, *, keep_nan: bool, scale: bool) -> Preparation:
    """Learn medians, scales, which calendar parts vary and which codes occur.

    ``keep_nan``: the estimator handles NaN; it still gets medians in columns where training saw no NaN, since then it
    learnt no direction for it. Codes that training never saw get no column. ``scale``: counts of words are taken
    logarithms of too; estimators that need no scale split at the same places without.
    """
    names = numeric_names(features)
    plain = sum(feature.kind.is_numeric for feature in features)
    categories = [feature.name for feature in features if feature.kind is ColumnKind.CATEGORY]
    moments = [feature.name for feature in features if feature.kind is ColumnKind.DATETIME]
    calendar = calendar_columns(inputs.codes, range(len(categories), len(categories) + len(moments)))
    log_from = plain if scale and len(names) > plain else None
    fill, centre, factor = [], [], []
    for place in range(len(names) + len(calendar)):
        values = _floats(inputs, place, len(names), calendar, log_from)
        missing = np.isnan(values)
        median = _median(values[~missing])
        if scale:
            filled = np.where(missing, median, values).astype(np.float64)
            spread = float(filled.std())
            centre.append(float(filled.mean()))
            factor.append(1 / spread if spread > _SMALLEST_SPREAD else 1.0)
        fill.append(np.nan if keep_nan and missing.any() else median)
    columns: list[int] = []
    codes: list[int] = []
    for place in range(len(categories)):
        seen = np.unique(inputs.codes[:, place])
        kept = [int(code) for code in seen if code >= 0 or code == MISSING_CODE]
        columns += [place] * len(kept)
        codes += kept
    calendar_names = tuple(moments[column.column - len(categories)] for column in calendar)
    return Preparation(
        calendar=calendar,
        log_from=log_from,
        fill=np.array(fill, dtype=np.float32),
        centre=np.array(centre, dtype=np.float32) if scale else None,
        factor=np.array(factor, dtype=np.float32) if scale else None,
        one_hot_column=np.array(columns, dtype=np.int64),
        one_hot_code=np.array(codes, dtype=np.int64),
        names=names + calendar_names + tuple(categories[place] for place in columns),
        codes_width=len(categories) + len(moments),
    )


def _floats(
    inputs: Inputs, place: int, numeric_width: int, calendar: tuple[CalendarColumn, ...], log_from: int | None
) -> NDArray[np.float32]:
    """Return one float column (n,) before it is filled."""
    if place >= numeric_width:
        column = calendar[place - numeric_width]
        return column.values(inputs.codes[:, column.column])
    values = inputs.numeric[:, place]
    return np.log(values + np.float32(1)) if log_from is not None and place >= log_from else values


def _median(present: NDArray[np.float32]) -> float:
    return float(np.median(present)) if len(present) else 0.0
