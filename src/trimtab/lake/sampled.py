"""A few rows, drawn at random from all that a version answered in a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["sample_rows"]


def sample_rows(
    lake: Lake,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    variant: str,
    model_version: int,
    features: Sequence[str],
    most: int,
    rng: np.random.Generator,
) -> pa.Table:
    """Return the ``features`` of at most ``most`` rows that this version answered at ``start_us`` ≤ event < ``end_us``.

    Each row has the same chance; they come in the order of the lake's files. Of the rows that are not drawn no feature
    is kept in memory. A feature that a row does not have is null.

    Raises:
        BackendError: the lake failed.
        OSError: it cannot be read.
    """
    inside = pl.col("event_us").is_between(start_us, end_us, closed="left")
    mine = inside & (pl.col("variant") == variant) & (pl.col("model_version") == model_version)
    paths = [file.path for file in lake.record_files(endpoint, start_us=start_us, end_us=end_us)]
    # How many a file has is enough to draw from all alike.
    counts = [
        pl.read_parquet(path, columns=["event_us", "variant", "model_version"]).filter(mine).height for path in paths
    ]
    ends = np.cumsum(counts, dtype=np.int64)
    drawn = np.sort(rng.permutation(int(ends[-1]) if len(ends) else 0)[:most])
    parts = []
    for path, count, end in zip(paths, counts, ends, strict=True):
        places = drawn[(drawn >= end - count) & (drawn < end)] - (end - count)
        if len(places):
            present = pl.read_parquet_schema(path)
            wanted = [f"{FEATURE_PREFIX}{name}" for name in features if f"{FEATURE_PREFIX}{name}" in present]
            rows = pl.read_parquet(path, columns=["event_us", "variant", "model_version", *wanted]).filter(mine)
            parts.append(rows[places.tolist()].select(wanted))
    found = pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()
    names = {column: column.removeprefix(FEATURE_PREFIX) for column in found.columns}
    table = found.rename(names).to_arrow()
    return table.cast(
        pa.schema(
            [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in table.schema]
        )
    )
