"""Reads a delivered file as a table, or says in one sentence why it cannot be read."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from trimtab.core.errors import DataContractError

__all__ = ["MAX_TABLE_BYTES", "TABLE_SUFFIXES", "read_table_file"]

MAX_TABLE_BYTES = 2_000_000_000
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet")

_SEPARATORS = (",", "\t", ";")
_CHUNK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 20


def read_table_file(path: Path, *, name: str | None = None) -> pa.Table:
    r"""Return the rows of a delivered file.

    A Parquet file keeps its types. A text file (comma, tab or semicolon, whichever its first line has most of) gives
    strings, as they stand, and no nulls; it is UTF-8, with a header. Errors call it ``name``, as its sender does.

    Raises:
        DataContractError: the file is missing, too large, empty, has no rows, is not UTF-8, has columns without a name
            or of the same name, has a row of another length, or is no Parquet.
        OSError: the disk fails.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.csv"
    >>> _ = path.write_text("age,sex\n63,male\n,female\n")
    >>> read_table_file(path).to_pylist()
    [{'age': '63', 'sex': 'male'}, {'age': '', 'sex': 'female'}]
    """
    name = name or path.name
    if not path.is_file():
        raise DataContractError(f"{name}: no such file; check the path of the delivery")
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise DataContractError(f"{name}: is empty (0 bytes); expected a header and rows; deliver it again")
    if size_bytes > MAX_TABLE_BYTES:
        raise DataContractError(
            f"{name}: {size_bytes} bytes; a delivery may have {MAX_TABLE_BYTES}; split it into several files"
        )
    table = _read_parquet(path, name) if path.suffix.lower() == ".parquet" else _read_text(path, name)
    _check_names(name, table.column_names)
    if table.num_rows == 0:
        raise DataContractError(f"{name}: has a header and no rows; deliver it again with rows")
    return table


def _read_parquet(path: Path, name: str) -> pa.Table:
    try:
        return pa.parquet.read_table(path, partitioning=None, memory_map=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        found = " ".join(str(error).replace(str(path), name).split())[:200]
        raise DataContractError(f"{name}: is no readable Parquet file ({found}); write it again") from error


def _read_text(path: Path, name: str) -> pa.Table:
    names, separator = _header(path, name)
    _check_names(name, names)
    try:
        return pa.csv.read_csv(
            path,
            parse_options=pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        _check_encoding(path, name)
        _check_lengths(path, name, separator, len(names))
        found = " ".join(str(error).split())[:200]
        raise DataContractError(f"{name}: cannot be read as a table ({found}); deliver it again") from error


def _header(path: Path, name: str) -> tuple[list[str], str]:
    """Return the names of the columns, and the separator."""
    with path.open("rb") as stream:
        line = stream.readline(_MAX_HEADER_BYTES).removeprefix(codecs.BOM_UTF8)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        _check_encoding(path, name)
        text = ""
    if not text.strip():
        raise DataContractError(f"{name}: its first line is blank; expected the names of the columns")
    separator = max(_SEPARATORS, key=text.count)
    try:
        return next(csv.reader([text.rstrip("\r\n")], delimiter=separator)), separator
    except csv.Error as error:
        raise DataContractError(f"{name}: its header cannot be read ({error}); deliver it again") from error


def _check_names(file: str, names: list[str]) -> None:
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise DataContractError(f"{file}: column {position} of {len(names)} has no name; name it")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataContractError(f"{file}: column {repeated[0]!r} stands twice; rename or remove one")


def _check_encoding(path: Path, name: str) -> None:
    """Say where the file stops to be UTF-8, if it does."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    start = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise DataContractError(
                    f"{name}: byte {start - pending + error.start} is not UTF-8; save the file as UTF-8"
                ) from None
            start += len(chunk)


def _check_lengths(path: Path, name: str, separator: str, expected: int) -> None:
    """Say which line has more or fewer values than the header, if one has."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=separator)
        try:
            for row in rows:
                if row and len(row) != expected:
                    raise DataContractError(
                        f"{name}: line {rows.line_num} has {len(row)} values, the header {expected}; "
                        "repair the line (a value that holds the separator needs quotes)"
                    )
        except csv.Error as error:
            raise DataContractError(f"{name}: line {rows.line_num}: {error}; repair the line") from error
