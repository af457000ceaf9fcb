"""One text for the columns that identify a row, so that rows can be compared across files."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from trimtab.lake.casting import as_text

__all__ = ["key_texts"]


def key_texts(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    r"""Return for each row the text that stands for its key, null where a part is missing; shape (n,).

    The columns are typed as the contract says; equal keys have equal texts, and others have others: parts of a
    compound key carry their length, so that no value can imitate a boundary.

    >>> key_texts(pa.table({"zone": ["a", None], "hour": [7, 8]}), ["zone", "hour"]).to_pylist()
    ['1\x1fa\x1f1\x1f7', None]
    """
    texts = [_text(table[name]) for name in columns]
    if len(texts) == 1:
        return texts[0]
    parts = [part for text in texts for part in (pc.utf8_length(text).cast(pa.string()), text)]
    return pc.binary_join_element_wise(*parts, "\x1f")


def _text(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return as_text(column.cast(pa.int64()))
    return as_text(column)
