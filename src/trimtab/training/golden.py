"""Which rows go into the bundle with their expected answers: few, but of every sort."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.training.problem import Answer

__all__ = ["choose_golden", "golden_table"]


def choose_golden(inputs: Inputs, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return at most ``count`` positions of rows, in order: nulls, extremes and categories first, then at random.

    A row with a null, the smallest and the largest value of each numeric column, and a row of each category come
    first, as far as ``count`` reaches. Of a column with more than ``count`` codes (moments, mostly) it is the two
    smallest, null among them, and the largest.
    """
    wanted: list[int] = []
    for codes in inputs.codes.T:
        _, first = np.unique(codes, return_index=True)
        wanted += first.tolist() if len(first) <= count else [*first[:2].tolist(), int(first[-1])]
    for values in inputs.numeric.T:
        missing = np.flatnonzero(np.isnan(values))
        wanted += missing[:1].tolist()
        if len(missing) < len(values):
            wanted += [int(np.nanargmin(values)), int(np.nanargmax(values))]
    special = rng.permutation(np.unique(np.array(wanted, dtype=np.int64)))
    rest = np.setdiff1d(rng.permutation(len(inputs))[: 2 * count], special)
    chosen = np.concatenate([special, rng.permutation(rest)])[:count]
    return np.sort(chosen)


def golden_table(table: pa.Table, features: tuple[Feature, ...], rows: NDArray[np.int64], answer: Answer) -> pa.Table:
    """Return the features of ``rows`` with ``@expected`` and, for classes, ``@expected_probability``."""
    chosen = table.select([feature.name for feature in features]).take(pa.array(rows))
    if answer.probability is None:
        return chosen.append_column("@expected", pa.array(answer.prediction, pa.float64()))
    chosen = chosen.append_column("@expected", pa.array(answer.prediction.tolist(), pa.string()))
    return chosen.append_column("@expected_probability", pa.array(answer.probability, pa.float64()))
