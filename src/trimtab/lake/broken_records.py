"""Answered rows that lie in quarantine: the monitors of inputs see them too."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from trimtab.config.columns import ColumnContract
from trimtab.lake.casting import cast_as
from trimtab.lake.matching import parts_of
from trimtab.lake.zones import Lake

__all__ = ["broken_window_rows"]

_EVENT, _VARIANT = "event_us", "variant"


def broken_window_rows(
    lake: Lake, endpoint: str, *, start_us: int, end_us: int, variant: str, features: Mapping[str, ColumnContract]
) -> pa.Table:
    """Return what ``variant`` was asked at ``start_us`` ≤ event time < ``end_us`` that broke the contract.

    Rows of a feed that was not trusted are among them. Sorted by event time. Columns: event_us, and all ``features`` by
    their names, read as their contracts say: null where missing, or not of the kind.

    Raises:
        BackendError: the storage failed.
        OSError: a file cannot be read.
    """
    paths = lake.broken_record_files(endpoint, start_us=start_us, end_us=end_us)
    columns = [_EVENT, _VARIANT, *(f"f.{name}" for name in features)]
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    rows = pl.concat([empty, *parts_of(paths, columns)], how="diagonal_relaxed")
    rows = rows.with_columns(pl.col(_EVENT).cast(pl.Int64)).filter(
        pl.col(_EVENT).is_between(start_us, end_us, closed="left") & (pl.col(_VARIANT) == variant)
    )
    table = rows.sort(_EVENT, maintain_order=True).to_arrow()
    read = {name: cast_as(table[f"f.{name}"], contract).values for name, contract in features.items()}
    return pa.table({_EVENT: table[_EVENT], **read})
