"""Which files are asked about: found, hashed and counted before a single row is answered."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.core.errors import ConfigError, DataContractError, NotFoundError
from trimtab.files import sha256_of_file
from trimtab.serving.batch.csv_rows import scan_csv

__all__ = ["ROWS_A_PART", "InputFile", "RowRange", "check_name", "examine", "find_files"]

_SUFFIXES: Final = (".parquet", ".csv")
ROWS_A_PART: Final = 50_000


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows ``first`` up to ``stop`` (exclusive, counted from 0) of a file; for CSV the bytes that hold them."""

    first: int
    stop: int
    offset: int = 0
    size_bytes: int = 0

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.stop - self.first


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was when it was examined: what it holds, and what it is cut into."""

    path: str
    digest: str
    size_bytes: int
    modified_ns: int
    columns: tuple[str, ...]
    ranges: tuple[RowRange, ...]

    @property
    def is_csv(self) -> bool:
        """Whether it is CSV; otherwise it is Parquet."""
        return self.path.lower().endswith(".csv")

    @property
    def rows(self) -> int:
        """How many rows."""
        return sum(part.rows for part in self.ranges)

    def part(self, _rows: RowRange) -> InputFile:
        """Return what a process needs for one part."""
        return self

    def identity(self, row: int) -> tuple[str, int]:
        """Return what makes row ``row`` (from 0) the same in another run: the file's content, and the row."""
        return self.digest, row

    def told(self, row: int, reason: str) -> str:
        """Return ``reason`` with the row that it is about, counted from 1."""
        return f"{self.path}: row {row + 1}: {reason}"

    def check_unchanged(self) -> None:
        """Return if the file is still the one that was examined.

        Raises:
            DataContractError: it is not.
        """
        try:
            found = Path(self.path).stat()
        except OSError as error:
            raise DataContractError(f"{self.path}: is gone ({error.strerror}); put it back, and start again") from error
        if (found.st_size, found.st_mtime_ns) != (self.size_bytes, self.modified_ns):
            raise DataContractError(f"{self.path}: was changed while it was read; wait until it is whole, start again")


def find_files(named: Sequence[str], *, or_images: bool = False) -> list[Path]:
    """Return the files that are meant by files, folders (their Parquet and CSV files, sorted) and patterns.

    ``or_images``: images were looked for before, and are told of as well.

    Raises:
        NotFoundError: a name or pattern stands for nothing.
        ConfigError: a file is neither Parquet nor CSV by its name, no plain file, or is named twice.
    """
    other, images = (" (and no image)", " or images") if or_images else ("", "")
    found: list[Path] = []
    for name in named:
        path = Path(name)
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if _is_table(one))
        elif path.exists():
            files = [path]
        else:
            files = sorted(Path(one) for one in glob.glob(name, recursive=True) if Path(one).is_file())
        if not files:
            raise NotFoundError(
                f"{name}: no such file, nor a folder with .parquet or .csv files{images}; correct --input"
            )
        found += files
    seen: set[Path] = set()
    for path in found:
        check_name(path)
        if not path.is_file():
            raise ConfigError(f"{path}: is no plain file, and files are read more than once; write it to one")
        if path.suffix.lower() not in _SUFFIXES:
            raise ConfigError(f"{path}: is neither .parquet nor .csv by its name{other}; convert or rename it")
        if path.resolve() in seen:
            raise ConfigError(f"{path}: is named twice; name it once, since every row gets one answer")
        seen.add(path.resolve())
    return found


def check_name(path: Path) -> None:
    """Return if the file's name is text, since it stands in what is written beside the answers.

    Raises:
        ConfigError: it is not.
    """
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "replace").decode()
        raise ConfigError(f"{shown}: its name is no UTF-8, expected text; rename the file") from error


def examine(path: Path, rows_a_part: int = ROWS_A_PART) -> InputFile:
    """Return what ``path`` holds, in parts of at most ``rows_a_part``. It is read once, from begin to end.

    Raises:
        DataContractError: it is no table, or its columns have no names of their own.
    """
    before = path.stat()
    if path.suffix.lower() == ".csv":
        scanned = scan_csv(path, rows_a_part=rows_a_part)
        digest, columns = scanned.digest, scanned.columns
        ranges = tuple(RowRange(*bounds) for bounds in scanned.parts)
    else:
        digest = sha256_of_file(path)
        columns, rows = _parquet_outline(path)
        ranges = tuple(RowRange(at, min(at + rows_a_part, rows)) for at in range(0, rows, rows_a_part))
    # Some tables are as wide as others are long.
    twice = next((name for name, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise DataContractError(f"{path}: has two columns {twice!r}; expected a name for each; rename one")
    examined = InputFile(str(path), digest, before.st_size, before.st_mtime_ns, columns, ranges or (RowRange(0, 0),))
    examined.check_unchanged()
    return examined


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith((".", "_")) and path.is_file()


def _parquet_outline(path: Path) -> tuple[tuple[str, ...], int]:
    try:
        with pq.ParquetFile(path) as file:
            return tuple(file.schema_arrow.names), int(file.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataContractError(f"{path}: is no Parquet file that can be read ({error}); write it again") from error
