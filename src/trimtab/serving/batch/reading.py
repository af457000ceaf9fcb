"""The rows of one part of a file, in batches that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.core.errors import DataContractError
from trimtab.serving.batch.csv_rows import read_csv_part
from trimtab.serving.batch.images import ImageFiles, image_batches
from trimtab.serving.batch.inputs import InputFile, RowRange

__all__ = ["MOST_ROWS", "batches", "schema_of"]

_CELLS: Final = 1_000_000
_BUFFER_BYTES: Final = 1 << 18
MOST_ROWS: Final = 8_192
_FEWEST_ROWS: Final = 64


def schema_of(file: InputFile | ImageFiles) -> pa.Schema:
    """Return the columns of the output that `batches` gives: those of CSV are text, an image has its path."""
    if isinstance(file, ImageFiles) or file.is_csv:
        return pa.schema([(name, pa.string()) for name in file.columns])
    with pq.ParquetFile(file.path) as opened:
        return opened.schema_arrow.remove_metadata()


def batches(file: InputFile | ImageFiles, part: RowRange, most_rows: int = MOST_ROWS) -> Iterator[pa.Table]:
    """Yield the rows of ``part``, in order and each once, at most ``most_rows`` together.

    Raises:
        DataContractError: they cannot be read, or have been changed since they were examined.
    """
    if isinstance(file, ImageFiles):
        yield from image_batches(file, most_rows)
        return
    file.check_unchanged()
    yield from _table_rows(file, part, most_rows)
    file.check_unchanged()


def _table_rows(file: InputFile, part: RowRange, most_rows: int) -> Iterator[pa.Table]:
    size = min(most_rows, max(_FEWEST_ROWS, _CELLS // max(1, len(file.columns))))
    if file.is_csv:
        table = (
            read_csv_part(file.path, file.columns, part.offset, part.size_bytes, part.first, part.rows)
            if part.rows
            else schema_of(file).empty_table()
        )
        for at in range(0, table.num_rows, size):
            yield table.slice(at, size)
        return
    try:
        yield from _parquet_rows(file.path, part, size)
    except (pa.ArrowException, OSError) as error:
        raise DataContractError(f"{file.path}: cannot be read ({error}); write it again") from error


def _parquet_rows(path: str, part: RowRange, size: int) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as opened:
        groups, start, end = [], None, 0
        for group in range(opened.metadata.num_row_groups):
            begin, end = end, end + opened.metadata.row_group(group).num_rows
            if end > part.first and begin < part.stop:
                groups.append(group)
                start = begin if start is None else start
        at = start or 0
        for batch in opened.iter_batches(batch_size=size, row_groups=groups, use_threads=False) if groups else ():
            first, stop = max(part.first - at, 0), min(part.stop - at, batch.num_rows)
            at += batch.num_rows
            if first < stop:
                yield pa.Table.from_batches([batch.slice(first, stop - first)]).replace_schema_metadata(None)
            if at >= part.stop:
                return
