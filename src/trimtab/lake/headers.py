"""Whether the first line of a file names its columns, or is a row already."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from trimtab.core.errors import DataContractError

__all__ = ["refuse_headless"]

_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_MAX_DIGITS = 9


def refuse_headless(table: pa.Table, source: str) -> None:
    """Raise when the names of ``table`` are values: numbers that count nothing, or values of their own columns.

    Raises:
        DataContractError: they are.

    >>> refuse_headless(pa.table({"age": ["63"], "sex": ["male"]}), "rows.csv")
    """
    names = list(table.column_names)
    numbers = [name for name in names if _NUMBER.match(name.strip())]
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    if (len(numbers) > len(names) / 3 and not _are_counted(numbers)) or _own_values(table) > len(names) / 2:
        raise DataContractError(
            f"{source}: its first line looks like a row ({shown}); expected the names of the columns; put them there"
        )


def _are_counted(numbers: list[str]) -> bool:
    """Return whether they go 0, 1, 2, …: the names that a tool gave to columns that had none."""
    # Python reads no number of more than 4300 digits.
    if not all(number.isdigit() and len(number) <= _MAX_DIGITS for number in numbers):
        return False
    return [int(number) for number in numbers] == list(range(int(numbers[0]), int(numbers[0]) + len(numbers)))


def _own_values(table: pa.Table) -> int:
    """Return how many columns hold their own name as a value."""
    found = 0
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            trimmed = pc.utf8_trim_whitespace(column)
            found += bool(pc.any(pc.equal(trimmed, name.strip())).as_py())
    return found
