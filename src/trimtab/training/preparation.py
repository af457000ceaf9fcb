"""What happens to the two matrices before an estimator sees them: filling, scaling, one-hot.

NumPy and the graph do the same float32 operations in the same order, so the estimator in the graph sees the very bits
that it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import MISSING_CODE, Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind

__all__ = ["Preparation", "fit_preparation"]

_SMALLEST_SPREAD = 1e-30
"""Below it a column counts as constant; its reciprocal would not fit a float32."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A fitted preparation of F numeric and C category columns into D float32 columns.

    ``fill`` (F,): what replaces NaN; NaN where the estimator takes it as it is. ``centre``, ``factor`` (F,): scaled =
    (x − centre) · factor; None where nothing is scaled. ``one_hot_column``, ``one_hot_code`` (D − F,): each further
    column is 1 where that category column has that code. ``names`` (D,): the feature behind each column.
    ``category_width``: C.
    """

    fill: NDArray[np.float32]
    centre: NDArray[np.float32] | None
    factor: NDArray[np.float32] | None
    one_hot_column: NDArray[np.int64]
    one_hot_code: NDArray[np.int64]
    names: tuple[str, ...]
    category_width: int

    @property
    def numeric_width(self) -> int:
        """F."""
        return len(self.fill)

    @property
    def width(self) -> int:
        """D."""
        return len(self.names)

    def transform(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return the matrix (n, D) that the estimator sees."""
        numeric = np.where(np.isnan(inputs.numeric), self.fill, inputs.numeric)
        if self.centre is not None and self.factor is not None:
            numeric = (numeric - self.centre) * self.factor
        one_hot = (inputs.codes[:, self.one_hot_column] == self.one_hot_code).astype(np.float32)
        return np.ascontiguousarray(np.concatenate([numeric, one_hot], axis=1), dtype=np.float32)


def fit_preparation(features: tuple[Feature, ...], inputs: Inputs, *, keep_nan: bool, scale: bool) -> Preparation:
    """Learn medians, scales and which codes occur.

    ``keep_nan``: the estimator handles NaN; it still gets medians in columns where training saw no NaN, since then it
    learnt no direction for it. Codes that training never saw get no column.
    """
    numeric = [feature for feature in features if feature.kind.is_numeric]
    categorical = [feature for feature in features if feature.kind is ColumnKind.CATEGORY]
    missing = np.isnan(inputs.numeric)
    fill = np.array([_median(inputs.numeric[:, place]) for place in range(len(numeric))], dtype=np.float32)
    centre = factor = None
    if scale:
        filled = np.where(missing, fill, inputs.numeric).astype(np.float64)
        spread = filled.std(axis=0)
        centre = filled.mean(axis=0).astype(np.float32)
        factor = (1 / np.where(spread > _SMALLEST_SPREAD, spread, 1)).astype(np.float32)
    if keep_nan:
        fill = np.where(missing.any(axis=0), np.float32(np.nan), fill).astype(np.float32)
    columns: list[int] = []
    codes: list[int] = []
    for place in range(len(categorical)):
        seen = np.unique(inputs.codes[:, place])
        kept = [int(code) for code in seen if code >= 0 or code == MISSING_CODE]
        columns += [place] * len(kept)
        codes += kept
    return Preparation(
        fill=fill,
        centre=centre,
        factor=factor,
        one_hot_column=np.array(columns, dtype=np.int64),
        one_hot_code=np.array(codes, dtype=np.int64),
        names=tuple(f.name for f in numeric) + tuple(categorical[place].name for place in columns),
        category_width=len(categorical),
    )


def _median(values: NDArray[np.float32]) -> float:
    present = values[~np.isnan(values)]
    return float(np.median(present)) if len(present) else 0.0
