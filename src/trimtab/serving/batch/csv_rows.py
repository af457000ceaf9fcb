"""CSV files cut at the ends of rows, so that several processes can read one of them at once."""

from __future__ import annotations

import codecs
import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from trimtab.core.errors import DataContractError

__all__ = ["ScannedCsv", "read_csv_part", "scan_csv"]

_CHUNK_BYTES: Final = 4 << 20
_PART_BYTES: Final = 32 << 20
_LONGEST_NAME: Final = 10_000
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'


@dataclass(frozen=True, slots=True)
class ScannedCsv:
    """A file's SHA-256, the names in its header, and its parts: first row, last row + 1, offset, bytes."""

    digest: str
    columns: tuple[str, ...]
    parts: tuple[tuple[int, int, int, int], ...]


class _Cutter:
    """Finds where rows end, chunk after chunk. A line break within quotes ends no row; an empty line is none."""

    def __init__(self, rows_a_part: int) -> None:
        self._rows_a_part = rows_a_part
        self._in_quotes = False
        self._last_end = -1
        self._last_byte = -1
        self._breaks_since = 0
        self.header_end: int | None = None
        self._part_start = 0
        self._first = 0
        self._row = 0
        self.parts: list[tuple[int, int, int, int]] = []

    def take(self, chunk: bytes, offset: int) -> None:
        """Go on with the bytes at ``offset``."""
        content = np.frombuffer(chunk, dtype=np.uint8)
        for end, is_row in self._ends(content, offset):
            self._end_row(end, is_row)
        self._last_byte = int(content[-1])

    def finish(self, size: int) -> None:
        """Count a last row that no line break ends."""
        if self._last_end < size - 1:
            blank = size - self._last_end == 2 and self._last_byte == _RETURN
            self._end_row(size - 1, not blank)
        self._close_part(size)

    @property
    def unclosed_row(self) -> int | None:
        """The last row (from 1), if a quotation mark in it takes in all further lines; None: there is no such.

        A mark in the very last line takes in none, and may be meant as it stands there.
        """
        taken_in = self._breaks_since - (self._last_byte == _NEWLINE)
        return self._row if self._in_quotes and taken_in > 0 else None

    def _ends(self, content: NDArray[np.uint8], offset: int) -> list[tuple[int, bool]]:
        breaks = np.flatnonzero(content == _NEWLINE)
        quotes = np.flatnonzero(content == _QUOTE)
        before = np.searchsorted(quotes, breaks) + int(self._in_quotes)
        ends = breaks[before % 2 == 0]
        self._in_quotes = (len(quotes) + int(self._in_quotes)) % 2 == 1
        if not len(ends):
            self._breaks_since += len(breaks)
            return []
        self._breaks_since = int(np.count_nonzero(breaks > ends[-1]))
        previous = np.concatenate([[self._last_end - offset], ends[:-1]])
        length = ends - previous - 1
        # The byte before the break may lie in the chunk before this one.
        ahead = np.where(ends > 0, content[np.maximum(ends - 1, 0)], self._last_byte)
        is_row = (length > 1) | ((length == 1) & (ahead != _RETURN))
        self._last_end = int(ends[-1]) + offset
        return list(zip((ends + offset).tolist(), is_row.tolist(), strict=True))

    def _end_row(self, end: int, is_row: bool) -> None:
        if self.header_end is None:
            if is_row:
                self.header_end = self._part_start = end + 1
            return
        self._row += is_row
        if self._row - self._first >= self._rows_a_part or end + 1 - self._part_start >= _PART_BYTES:
            self._close_part(end + 1)

    def _close_part(self, end: int) -> None:
        if self._row > self._first:
            self.parts.append((self._first, self._row, self._part_start, end - self._part_start))
        self._first, self._part_start = self._row, end


def scan_csv(path: Path, *, rows_a_part: int, chunk_bytes: int = _CHUNK_BYTES) -> ScannedCsv:
    """Read ``path`` once, and say where its rows are.

    Raises:
        DataContractError: it is empty, no UTF-8 by its first bytes, or a quotation mark is never closed.
    """
    hashed, cutter, offset = hashlib.sha256(), _Cutter(rows_a_part), 0
    with path.open("rb") as stream:
        while chunk := stream.read(chunk_bytes):
            hashed.update(chunk)
            cutter.take(chunk, offset)
            offset += len(chunk)
        cutter.finish(offset)
        stream.seek(0)
        columns = _header(path, stream, cutter.header_end)
    if cutter.unclosed_row is not None:
        raise DataContractError(
            f"{path}: row {cutter.unclosed_row}: a quotation mark is never closed, and takes in all lines behind it; "
            "close it, or double it where it is meant"
        )
    return ScannedCsv(hashed.hexdigest(), columns, tuple(cutter.parts))


def read_csv_part(path: str, columns: tuple[str, ...], offset: int, size_bytes: int, first: int, rows: int) -> pa.Table:
    """Return ``rows`` rows of a file, every column as the text that stands there; nothing at all is null.

    Raises:
        DataContractError: a row has more or fewer fields than the header, or is no UTF-8, or its quotation marks make
            no sense.
    """
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        content = stream.read(size_bytes)
    odd: list[pa_csv.InvalidRow] = []

    def refuse(row: pa_csv.InvalidRow) -> str:
        odd.append(row)
        return "error"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            # One block: a row is never cut, and rows have their true numbers.
            read_options=pa_csv.ReadOptions(
                column_names=list(columns), use_threads=False, block_size=max(len(content) + 1, 1024)
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowException as error:
        if odd:
            told = "" if odd[0].number is None else f"row {first + odd[0].number}: "
            raise DataContractError(
                f"{path}: {told}has {odd[0].actual_columns} fields, expected {len(columns)} like the header; correct it"
            ) from error
        raise DataContractError(
            f"{path}: rows {first + 1} to {first + rows} cannot be read ({error}); expected CSV in UTF-8; write it anew"
        ) from error
    if table.num_rows != rows:
        raise DataContractError(
            f"{path}: rows {first + 1} to {first + rows} are {table.num_rows} by their quotation marks; expected marks "
            "only around a field, and doubled within it; correct them"
        )
    return table


def _header(path: Path, stream: BinaryIO, end: int | None) -> tuple[str, ...]:
    line = stream.read(end or 0)
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataContractError(f"{path}: is UTF-16; expected UTF-8; write it anew")
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise DataContractError(f"{path}: its header is no UTF-8 ({error.reason}); write the file anew") from error
    try:
        columns = tuple(next(csv.reader([text]), ())) if text else ()
    except csv.Error as error:
        told = "a lone carriage return ends no row here" if "new-line" in str(error) else str(error)
        raise DataContractError(
            f"{path}: its header cannot be read ({told}); expected lines as of CSV; write it anew"
        ) from error
    longest = max(map(len, columns), default=0)
    if longest > _LONGEST_NAME:
        # The reader has a limit of its own, which belongs to the whole process.
        raise DataContractError(
            f"{path}: its header cannot be read (a name of {longest} characters); expected lines as of CSV; "
            "write it anew"
        )
    if not columns:
        raise DataContractError(f"{path}: is empty; expected a first line with the names of the columns; add it")
    return columns
