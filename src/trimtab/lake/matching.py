"""Which outcome belongs to which answered row: by prediction, by key and time, or by key alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["PART_ROWS", "ROW", "TRUTH", "newest_told", "parts_of", "plain", "repeatedly", "truth_parts"]

ROW = "@place"
"""The place of a row among those that outcomes are looked for."""

PART_ROWS = 200_000
"""So many rows are in memory at once where files are read a part at a time."""

_LARGEST = 1e50
"""An outcome beyond it measures nothing: one is enough to make every mean infinite, and all that is judged silent."""

TRUTH = {
    "prediction_id": pl.String,
    "record_key": pl.String,
    "event_us": pl.Int64,
    "truth": pl.String,
    "labelled_us": pl.Int64,
    "received_us": pl.Int64,
}
"""The columns of outcomes."""


def parts_of(paths: Iterable[Path], columns: Sequence[str], *, rows: int | None = None) -> Iterator[pl.DataFrame]:
    """Give those of the ``columns`` that the files have, about ``rows`` rows at a time, in the files' order.

    Raises:
        OSError: a file cannot be read.
    """
    most, held = rows or PART_ROWS, list[pl.DataFrame]()
    for path in paths:
        # Closed at once: thousands of small files may be read while a caller works on one part.
        with pq.ParquetFile(path) as file:
            present = set(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=most, columns=[name for name in columns if name in present]):
                held.append(pl.DataFrame(batch))
                if sum(frame.height for frame in held) >= most:
                    yield _taken(held)
    if held:
        yield _taken(held)


def _taken(held: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the frames together, and hold them no more: a caller that works on a part has it in memory once."""
    part = held[0] if len(held) == 1 else pl.concat(held, how="diagonal_relaxed")
    held.clear()
    return part


def truth_parts(paths: Iterable[Path], known_until_us: int | None = None) -> Iterator[pl.DataFrame]:
    """Give the outcomes that were known by ``known_until_us``, a part of the files at a time."""
    for part in parts_of(paths, list(TRUTH)):
        yield part if known_until_us is None else part.filter(pl.col("labelled_us") <= known_until_us)


def repeatedly(read: Callable[[], Iterator[pl.DataFrame]]) -> Callable[[], Iterable[pl.DataFrame]]:
    """Return what gives the parts that ``read`` gives, as often as wanted: a single one is read once, and kept."""
    first = list(itertools.islice(read(), 2))
    return read if len(first) > 1 else lambda: first


def newest_told(answered: pl.DataFrame, truths: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return `ROW`, ``truth`` and ``labelled_us`` of each answered row that an outcome belongs to.

    An outcome belongs to the row of its ``prediction_id``; if it names none, to the rows of its ``record_key`` and
    event time; if it says no time either, to all rows of its ``record_key``. Of several the one that was known last
    holds. Where predictions are numbers, an outcome that is no number, or one beyond 1e50, is left out.
    """
    kind = pl.Float64 if answered.schema["prediction"] == pl.Float64 else pl.String
    found = pl.DataFrame(schema={ROW: pl.UInt32, "truth": kind, "labelled_us": pl.Int64, "received_us": pl.Int64})
    rows = answered.select(ROW, "prediction_id", "record_key", "event_us")
    for truth in truths:
        told = _told(rows, _numbers(truth) if kind is pl.Float64 else truth)
        # Received and the text itself settle ties, so that the answer never hangs on the order of files.
        ordered = pl.concat([found, told]).sort(ROW, "labelled_us", "received_us", "truth")
        found = ordered.unique(ROW, keep="last", maintain_order=True)
    return found.drop("received_us")


def _numbers(truth: pl.DataFrame) -> pl.DataFrame:
    truth = truth.with_columns(pl.col("truth").str.strip_chars().cast(pl.Float64, strict=False))
    return truth.filter(pl.col("truth").abs() <= _LARGEST)


def _told(rows: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    by_key = truth.filter(pl.col("prediction_id").is_null())
    timed = pl.col("event_us").is_not_null()
    found = [
        rows.join(truth.filter(pl.col("prediction_id").is_not_null()), on="prediction_id", how="inner"),
        rows.join(by_key.filter(timed), on=["record_key", "event_us"], how="inner"),
        rows.join(by_key.filter(~timed), on="record_key", how="inner"),
    ]
    return pl.concat([each.select(ROW, "truth", "labelled_us", "received_us") for each in found])


def plain(table: pa.Table) -> pa.Table:
    """Return the table with Arrow's ordinary strings, which all other readers have."""
    schema = pa.schema(
        [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in table.schema]
    )
    return table.cast(schema)
