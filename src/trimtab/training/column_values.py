"""A column as numbers, to look at what its values say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["codes_of", "values_of"]


def codes_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], int]:
    """Return each value's place in the order of first occurrence, null being a value, and how many values there are."""
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), len(coded.dictionary)


def values_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return numbers, booleans and moments as floats, ``(n,)``, null as NaN."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
