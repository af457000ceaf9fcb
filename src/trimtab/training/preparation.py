"""What happens to the two matrices before an estimator sees them: calendar parts, filling, scaling, one-hot.

NumPy and the graph do the same operations in the same order, so the estimator in the graph sees the very bits that it
was trained on. (The weights of terms may differ in their last bits: only linear models see them.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from trimtab.bundle.encoder import MISSING_CODE, Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.training.calendar_parts import CalendarColumn, calendar_columns

__all__ = ["SHORTEST", "Preparation", "TermBlock", "fit_preparation", "numeric_names"]

SHORTEST = 1e-6
"""What the length of a text without known terms counts as: its weights stay 0."""

_SMALLEST_SPREAD = 1e-30
"""Below it a column counts as constant; its reciprocal would not fit a float32."""

_CELLS_A_BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class TermBlock:
    """One text in the float matrix: its number of words in column ``start``, its T terms behind it.

    ``idf`` (T,): how much a term tells by being rare, log((1 + n) / (1 + texts with it)) + 1.
    """

    start: int
    idf: NDArray[np.float32]

    @property
    def terms(self) -> slice:
        """The columns of the terms."""
        return slice(self.start + 1, self.start + 1 + len(self.idf))

    def weigh(self, floats: NDArray[np.float32]) -> None:
        """Replace the counts by log(1 + words) and, for the terms, log(1 + count) · idf, each text of length 1."""
        floats[:, self.start] = np.log(floats[:, self.start] + np.float32(1))
        weights = np.log(floats[:, self.terms] + np.float32(1)) * self.idf
        length = np.sqrt(np.square(weights).sum(axis=1, keepdims=True))
        floats[:, self.terms] = weights / np.maximum(length, np.float32(SHORTEST))


@dataclass(frozen=True, slots=True)
class Preparation:
    """A fitted preparation of F numeric and C code columns into D float32 columns: first F + P floats, then one-hots.

    ``calendar`` (P,): columns that datetimes become. ``texts``: blocks whose counts become weights. ``fill`` (F + P,):
    what replaces NaN; NaN where the estimator takes it as it is. ``centre``, ``factor`` (F + P,):
    scaled = (x - centre) · factor; None where nothing is scaled.
    ``one_hot_column``, ``one_hot_code`` (D - F - P,): each further column is 1 where that code column has that code.
    ``names`` (D,): the feature behind each column. ``codes_width``: C.
    """

    calendar: tuple[CalendarColumn, ...]
    texts: tuple[TermBlock, ...]
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

    def transform_sparse(self, inputs: Inputs) -> sparse.csr_matrix:
        """Return the same matrix (n, D), n > 0, without its zeros, of which texts have many."""
        rows = max(256, _CELLS_A_BLOCK // max(1, self.width))
        parts = []
        for start in range(0, len(inputs), rows):
            part = slice(start, start + rows)
            block = np.empty((len(inputs.numeric[part]), self.width), dtype=np.float32)
            self._transform_block(inputs.numeric[part], inputs.codes[part], block)
            parts.append(sparse.csr_matrix(block))
        return sparse.csr_matrix(sparse.vstack(parts))

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
        for text in self.texts:
            text.weigh(floats)
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
    learnt no direction for it. Codes that training never saw get no column. ``scale``: terms are weighed too (tf-idf);
    estimators that need no scale split at the same places without.
    """
    names = numeric_names(features)
    texts = _term_blocks(features, inputs)
    categories = [feature.name for feature in features if feature.kind is ColumnKind.CATEGORY]
    datetimes = [feature for feature in features if feature.kind is ColumnKind.DATETIME]
    moments = [feature.name for feature in datetimes]
    event = next((len(categories) + at for at, feature in enumerate(datetimes) if feature.is_event_time), None)
    places = range(len(categories), len(categories) + len(moments))
    calendar = calendar_columns(inputs.codes, places, event_place=event, extrapolates=scale)
    terms = {place for text in texts for place in range(text.terms.start, text.terms.stop)}
    words = {text.start for text in texts} if scale else set()
    fill, centre, factor = [], [], []
    for place in range(len(names) + len(calendar)):
        if place in terms:
            # Never missing; and what is 0 must stay 0, so that it need not be stored.
            fill.append(0.0)
            centre.append(0.0)
            factor.append(1.0)
            continue
        values = _floats(inputs, place, len(names), calendar)
        if place in words:
            values = np.log(values + np.float32(1))
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
        texts=texts if scale else (),
        fill=np.array(fill, dtype=np.float32),
        centre=np.array(centre, dtype=np.float32) if scale else None,
        factor=np.array(factor, dtype=np.float32) if scale else None,
        one_hot_column=np.array(columns, dtype=np.int64),
        one_hot_code=np.array(codes, dtype=np.int64),
        names=names + calendar_names + tuple(categories[place] for place in columns),
        codes_width=len(categories) + len(moments),
    )


def _term_blocks(features: tuple[Feature, ...], inputs: Inputs) -> tuple[TermBlock, ...]:
    blocks, start = [], sum(feature.kind.is_numeric for feature in features)
    for feature in features:
        if feature.kind is not ColumnKind.TEXT:
            continue
        end = start + 1 + len(feature.terms)
        with_it = np.count_nonzero(inputs.numeric[:, start + 1 : end], axis=0)
        idf = np.log((1 + len(inputs)) / (1 + with_it)) + 1
        blocks.append(TermBlock(start, idf.astype(np.float32)))
        start = end
    return tuple(blocks)


def _floats(
    inputs: Inputs, place: int, numeric_width: int, calendar: tuple[CalendarColumn, ...]
) -> NDArray[np.float32]:
    """Return one float column (n,) before it is filled."""
    if place >= numeric_width:
        column = calendar[place - numeric_width]
        return column.values(inputs.codes[:, column.column])
    return inputs.numeric[:, place]


def _median(present: NDArray[np.float32]) -> float:
    return float(np.median(present)) if len(present) else 0.0
