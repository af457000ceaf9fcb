"""Reads a delivered file as a table, or says in one sentence why it cannot be read."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from trimtab.config.memory import available_bytes
from trimtab.core.enums import Encoding
from trimtab.core.errors import DataContractError
from trimtab.lake.disguises import refuse_no_file, refuse_no_parquet, refuse_no_text
from trimtab.lake.encodings import refuse_misencoded

__all__ = ["MEMORY_PER_BYTE", "TABLE_SUFFIXES", "read_table_file", "refuse_too_large"]

MEMORY_PER_BYTE = 10
"""Memory that a delivery takes while it is judged as a whole, per byte: 6 were measured, more if many rows break."""

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet")

_SEPARATORS = (",", "\t", ";", "|")
_QUOTED = re.compile(r'"[^"]*"')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CHUNK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 20
_MAX_COLUMNS = 5_000
_SWALLOWED_LINES = 3
_MAX_VALUE_BYTES = 1 << 24

# Arrow takes Ctrl-C to itself while it reads, and loses what comes in the last moment of it.
pa.enable_signal_handlers(False)

# Python's own bound, 128 KiB a value, would be told in place of what is wrong with the file.
csv.field_size_limit(_MAX_VALUE_BYTES)


def read_table_file(path: Path, *, name: str | None = None, encoding: Encoding = Encoding.UTF_8) -> pa.Table:
    r"""Return the rows of a delivered file.

    A Parquet file keeps its types. A text file (comma, tab, semicolon or bar, whichever its first line has most of)
    gives strings, as they stand, and no nulls; it has a header. Errors call it ``name``, as its sender does.

    Raises:
        DataContractError: the file is missing, too large, empty, of another kind, has no rows, is not of that encoding,
            has columns without a name or of the same name, has a row of another length or an open quote.
        OSError: the disk fails.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.csv"
    >>> _ = path.write_text("age,sex\n63,male\n,female\n")
    >>> read_table_file(path).to_pylist()
    [{'age': '63', 'sex': 'male'}, {'age': '', 'sex': 'female'}]
    """
    name = name or path.name
    refuse_no_file(path, name)
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise DataContractError(f"{name}: is empty (0 bytes); expected a header and rows; deliver it again")
    refuse_too_large(size_bytes, name)
    if path.suffix.lower() == ".parquet":
        table = _read_parquet(path, name)
    else:
        refuse_no_text(path, name, encoding)
        table = _read_text(path, name, encoding)
    _check_names(name, table.column_names)
    if table.num_rows == 0:
        raise DataContractError(f"{name}: has a header and no rows; deliver it again with rows")
    return table


def refuse_too_large(size_bytes: int, name: str, *, available: int | None = None) -> None:
    """Raise when a delivery has more bytes than can be judged at once.

    Args:
        size_bytes: of the text, or of what a Parquet file unpacks to.
        name: what the sender calls it.
        available: bytes of memory that are free; None asks the machine. Where that does not say, nothing is refused.

    Raises:
        DataContractError: it has.
    """
    free_bytes = available_bytes() if available is None else available
    needed = size_bytes * MEMORY_PER_BYTE
    if free_bytes is not None and needed > free_bytes:
        raise DataContractError(
            f"{name}: {_gigabytes(size_bytes)} of rows need about {_gigabytes(needed)} of memory to be judged, "
            f"{_gigabytes(free_bytes)} are free; split it into several files of rows, each with the header, and "
            "deliver one after the other"
        )


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.3g} GB"


def _read_parquet(path: Path, name: str) -> pa.Table:
    refuse_no_parquet(path, name)
    try:
        with pa.parquet.ParquetFile(path, memory_map=False) as file:
            groups = range(file.metadata.num_row_groups)
            # What it unpacks to is what memory must hold: compressed, a file can be a hundredth of that.
            refuse_too_large(sum(file.metadata.row_group(group).total_byte_size for group in groups), name)
            return file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        found = " ".join(str(error).replace(str(path), name).split())[:200]
        raise DataContractError(f"{name}: is no readable Parquet file ({found}); write it again") from error


def _read_text(path: Path, name: str, encoding: Encoding) -> pa.Table:
    names, separator = _header(path, name, encoding)
    _check_names(name, names)
    try:
        table = pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(encoding="utf8" if encoding is Encoding.UTF_8 else str(encoding)),
            parse_options=pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, UnicodeError) as error:
        _explain(path, name, encoding, separator, names, error)
    _check_quotes(path, name, encoding, separator, table)
    return table


def _explain(path: Path, name: str, encoding: Encoding, separator: str, names: list[str], error: Exception) -> NoReturn:
    refuse_misencoded(path, name, encoding, columns=names, separator=separator)
    _check_lengths(path, name, encoding, separator, len(names))
    found = " ".join(str(error).split())[:200]
    raise DataContractError(f"{name}: cannot be read as a table ({found}); deliver it again") from error


def _header(path: Path, name: str, encoding: Encoding) -> tuple[list[str], str]:
    """Return the names of the columns, and the separator."""
    try:
        text = _first_line(path, encoding)
    except UnicodeError:
        refuse_misencoded(path, name, encoding)
        raise DataContractError(f"{name}: its first line is not {encoding}; save the file as UTF-8") from None
    if not text.strip():
        raise DataContractError(f"{name}: its first line is blank; expected the names of the columns")
    if len(text) >= _MAX_HEADER_BYTES:
        raise DataContractError(
            f"{name}: its first line is longer than {_MAX_HEADER_BYTES} characters; expected the names of at most "
            f"{_MAX_COLUMNS} columns, and a line break"
        )
    if text.count('"') % 2 == 1:
        raise DataContractError(
            f"{name}: a quote opens in its first line and does not close there; expected the names of the columns on "
            "one line; take the line break out of the name, or close the quote"
        )
    separator = max(_SEPARATORS, key=_QUOTED.sub("", text).count)
    try:
        return next(csv.reader([text.rstrip("\r\n")], delimiter=separator)), separator
    except csv.Error as error:
        raise DataContractError(f"{name}: its header cannot be read ({error}); deliver it again") from error


def _first_line(path: Path, encoding: Encoding) -> str:
    if encoding is Encoding.UTF_16:
        with path.open(encoding=_codec(encoding), newline="") as stream:
            return stream.readline(_MAX_HEADER_BYTES)
    # As bytes: a text stream would read ahead, and stumble over what a later line holds.
    with path.open("rb") as raw:
        line = raw.readline(_MAX_HEADER_BYTES)
    head, carriage_return, after = line.partition(b"\r")
    if carriage_return and after != b"\n":
        line = head
    if len(line) >= _MAX_HEADER_BYTES:
        # Perhaps cut within a letter; it is refused for its length.
        return line.decode(_codec(encoding), errors="ignore").ljust(_MAX_HEADER_BYTES)
    return line.decode(_codec(encoding))


def _codec(encoding: Encoding) -> str:
    return "utf-8-sig" if encoding is Encoding.UTF_8 else str(encoding)


def _check_names(file: str, names: list[str]) -> None:
    if len(names) > _MAX_COLUMNS:
        raise DataContractError(
            f"{file}: has {len(names)} columns; at most {_MAX_COLUMNS} can be judged; leave out what nothing is learnt "
            "from"
        )
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise DataContractError(f"{file}: column {position} of {len(names)} has no name; name it")
        if _CONTROL.search(name):
            raise DataContractError(
                f"{file}: column {position} is called {name[:80]!r}, with a line break or control character; rename it"
            )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        places = [place for place, name in enumerate(names, start=1) if name == repeated[0]]
        raise DataContractError(
            f"{file}: column {repeated[0]!r} stands twice (columns {places[0]} and {places[1]}); rename or remove one"
        )


def _check_lengths(path: Path, name: str, encoding: Encoding, separator: str, expected: int) -> None:
    """Say which line has more or fewer values than the header, if one has, or that there is none but the header."""
    with path.open(encoding=_codec(encoding), newline="") as stream:
        rows = csv.reader(stream, delimiter=separator)
        try:
            for row in rows:
                if row and len(row) != expected:
                    raise DataContractError(
                        f"{name}: line {rows.line_num} has {len(row)} values, the header {expected}; "
                        "repair the line (a value that holds the separator needs quotes)"
                    )
                if sum(map(len, row)) > _CHUNK_BYTES:
                    raise DataContractError(
                        f"{name}: line {rows.line_num} ends a row of more than {_CHUNK_BYTES} characters; a row may "
                        "have as many; is a quote left open, or a line break missing?"
                    )
        except csv.Error as error:
            raise DataContractError(f"{name}: line {rows.line_num}: {error}; repair the line") from error
        if rows.line_num < 2:
            raise DataContractError(f"{name}: has a header and no rows; deliver it again with rows")


def _check_quotes(path: Path, name: str, encoding: Encoding, separator: str, table: pa.Table) -> None:
    """Say where a quote opens and swallows the rows after it, if one does."""
    for place, column in enumerate(table.columns):
        # Arrow's own indices_nonzero crashes the process on a column without chunks.
        for row in np.flatnonzero(pc.match_substring(column, "\n").to_numpy()).tolist():
            lines = str(column[row]).splitlines()
            unclosed = row == table.num_rows - 1 and _has_odd_quotes(path)
            if unclosed or _are_rows(lines, separator, len(table.columns)):
                raise DataContractError(
                    f"{name}: line {_line_of(path, encoding, separator, row)}: a quote opens in column "
                    f'{table.column_names[place]!r} and holds {len(lines)} lines; close it, or write "" for a quote'
                )


def _are_rows(lines: list[str], separator: str, columns: int) -> bool:
    """Return whether what one value holds looks like rows of the table."""
    inner = lines[1:-1]
    return columns > 2 and len(inner) >= _SWALLOWED_LINES and all(one.count(separator) >= columns - 1 for one in inner)


def _has_odd_quotes(path: Path) -> bool:
    with path.open("rb") as stream:
        return sum(chunk.count(b'"') for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b"")) % 2 == 1


def _line_of(path: Path, encoding: Encoding, separator: str, row: int) -> int:
    """Return the line at which row ``row`` (from 0) of the file begins."""
    with path.open(encoding=_codec(encoding), newline="") as stream:
        rows = csv.reader(stream, delimiter=separator)
        line = 1
        for place, _ in enumerate(rows, start=-1):
            if place == row:
                return line
            line = rows.line_num + 1
    return line
