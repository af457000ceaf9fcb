"""The form in which rows lie in quarantine: as they were delivered, with the reasons and their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from trimtab.lake.casting import as_text

__all__ = ["REASONS", "ROW", "broken_rows"]

REASONS, ROW = "@reasons", "@row"
"""Columns that a quarantined row has besides its own: why it broke, and its place (1 is the first row)."""


def broken_rows(table: pa.Table, sentences: Mapping[int, Sequence[str]]) -> pa.Table:
    """Return the rows at these places as a quarantine keeps them.

    All columns as text, as they were delivered; `REASONS`, a list of sentences; `ROW`, 1 being the first row.
    """
    rows = pa.array(list(sentences), pa.int64())
    taken = table.take(rows)
    columns = {name: as_text(taken[name]) for name in table.column_names}
    columns[REASONS] = pa.array([list(each) for each in sentences.values()], pa.list_(pa.string()))
    columns[ROW] = pc.add(rows, 1)
    return pa.table(columns)
