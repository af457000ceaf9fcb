"""Summary of rows, column by column: small, mergeable, and enough for the monitors. Rows are never read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.categories import CategoryProfile, CategoryWire
from trimtab.profiles.duplicates import DistinctRows, RowHashes
from trimtab.profiles.numbers import NumberProfile, NumberWire

__all__ = [
    "OWN",
    "ColumnProfile",
    "Profile",
    "category_values",
    "encoded",
    "is_number",
    "merge_all",
    "merge_columns",
    "number_values",
    "word_counts",
]

ColumnProfile = NumberProfile | CategoryProfile

OWN = "@"
"""How the names of columns begin that are no features: what was answered, and how fast."""

_MAGIC = b"TTP\x02"
"""Format of `Profile.to_bytes`, its version in the last byte."""

_READABLE = (_MAGIC, b"TTP\x01")
"""Version 1 knew nothing of distinct rows."""

_MAX_BYTES = 256_000_000
_MAX_COLUMNS = 10_000
_WORD = r"[\pL\pN_]+"
_NUMBER_KINDS = frozenset({ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.DATETIME, ColumnKind.TEXT})


class _Wire(msgspec.Struct, frozen=True, array_like=True):
    rows: int
    columns: dict[str, NumberWire | CategoryWire]
    distinct: bytes | None = None


_DECODER = msgspec.msgpack.Decoder(_Wire)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What is kept of ``rows`` rows. Merging is associative and commutative up to the sketches' stated errors.

    ``distinct`` says how many of the rows are distinct in their features; None where nobody counted, as in profiles of
    earlier versions and of tables without features.

    Counts and extremes are exact, moments exact to rounding, distributions exact while a column has no more than
    `SKETCH_K` numbers or `MAX_VALUES` categories.
    """

    rows: int
    columns: Mapping[str, ColumnProfile]
    distinct: DistinctRows | None = None

    @staticmethod
    def empty() -> Profile:
        """Return the profile of no rows: what merging leaves unchanged."""
        return Profile(0, {})

    @staticmethod
    def of_table(table: pa.Table, kinds: Mapping[str, ColumnKind]) -> Profile:
        """Return the profile of the table's columns that ``kinds`` names.

        Numbers, integers, datetimes (as seconds since 1970) and texts (as their number of words) are summarised by
        moments and a sketch; categories and booleans ("true", "false") by counts. Null and NaN are missing.

        Raises:
            DataContractError: a column is absent, or cannot be read as its kind.

        >>> table = pa.table({"age": [40.0, 60.0], "sex": ["f", None]})
        >>> profile = Profile.of_table(table, {"age": ColumnKind.NUMBER, "sex": ColumnKind.CATEGORY})
        >>> profile.rows, profile.columns["sex"].missing
        (2, 1)
        """
        columns: dict[str, ColumnProfile] = {}
        hashes = RowHashes(table.num_rows)
        for name, kind in kinds.items():
            if is_number(kind):
                values = number_values(table, name, kind)
                columns[name] = NumberProfile.of(values)
                if not name.startswith(OWN):
                    hashes.add_numbers(name, values)
            else:
                names, codes = encoded(category_values(table, name, kind))
                columns[name] = _counted(names, codes)
                if not name.startswith(OWN):
                    hashes.add_categories(name, names, codes)
        return Profile(table.num_rows, columns, DistinctRows.of(hashes.finished()) if hashes.columns else None)

    def merge(self, other: Profile) -> Profile:
        """Return the profile of the rows of both."""
        return merge_all((self, other))

    def to_bytes(self) -> bytes:
        """Return the profile as bytes, with a header that names the format's version."""
        distinct = None if self.distinct is None else self.distinct.to_bytes()
        wire = _Wire(self.rows, {name: column.to_wire() for name, column in self.columns.items()}, distinct)
        return _MAGIC + msgspec.msgpack.encode(wire)

    @staticmethod
    def from_bytes(content: bytes) -> Profile:
        """Return the profile that `to_bytes` wrote. Bytes from strangers are safe: nothing in them is run.

        Raises:
            DataContractError: the bytes are damaged, too many, or of a version that this program doesn't know.
        """
        if len(content) > _MAX_BYTES or content[:4] not in _READABLE:
            raise DataContractError(
                f"profile: {len(content)} bytes that start with {content[:4]!r}; expected at most {_MAX_BYTES} that "
                f"start with {_MAGIC!r}; build the profile anew"
            )
        try:
            wire = _DECODER.decode(memoryview(content)[4:])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataContractError(f"profile: damaged ({error}); build the profile anew") from error
        if wire.rows < 0 or len(wire.columns) > _MAX_COLUMNS:
            raise DataContractError(
                f"profile: {wire.rows} rows of {len(wire.columns)} columns; expected at most {_MAX_COLUMNS} columns; "
                "build the profile anew"
            )
        distinct = None if wire.distinct is None else DistinctRows.from_bytes(wire.distinct)
        return Profile(wire.rows, {name: _column(column) for name, column in wire.columns.items()}, distinct)


def merge_all(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of the rows of all ``profiles``; a column may be absent from some. None at all: empty.

    Raises:
        DataContractError: a column holds numbers in one and categories in another.
    """
    rows = 0
    parts: dict[str, list[ColumnProfile]] = {}
    distinct: list[DistinctRows | None] = []
    for profile in profiles:
        rows += profile.rows
        if profile.rows:
            distinct.append(profile.distinct)
        for name, column in profile.columns.items():
            parts.setdefault(name, []).append(column)
    counted = [part for part in distinct if part is not None]
    return Profile(
        rows,
        {name: merge_columns(columns, name) for name, columns in parts.items()},
        DistinctRows.merged(counted) if counted and len(counted) == len(distinct) else None,
    )


def merge_columns(columns: Sequence[ColumnProfile], name: str = "") -> ColumnProfile:
    """Return the profile of one column over all rows of ``columns``; at least one.

    Raises:
        DataContractError: some hold numbers, others categories.
    """
    numbers = [column for column in columns if isinstance(column, NumberProfile)]
    categories = [column for column in columns if isinstance(column, CategoryProfile)]
    if numbers and categories:
        raise DataContractError(f"column {name!r}: numbers in one profile, categories in another; profile them alike")
    return NumberProfile.merged(numbers) if numbers else CategoryProfile.merged(categories)


def is_number(kind: ColumnKind) -> bool:
    """Return whether columns of this kind are summarised as numbers (others as categories)."""
    return kind in _NUMBER_KINDS


def number_values(table: pa.Table, name: str, kind: ColumnKind = ColumnKind.NUMBER) -> NDArray[np.float64]:
    """Return a column as floats ``(n,)``, NaN where missing; times as seconds since 1970, texts as numbers of words.

    Raises:
        DataContractError: the column is absent, or not numeric.
    """
    column = _present(table, name)
    if kind is ColumnKind.TEXT:
        return word_counts(category_values(table, name))
    try:
        if pa.types.is_temporal(column.type):
            micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            return np.asarray(micros.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64) / 1e6
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataContractError(f"column {name!r}: {column.type} ({error}); expected numbers; correct it") from error


def word_counts(texts: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return how many words each text has ``(n,)``, NaN where it is missing.

    >>> word_counts(pa.chunked_array([["Größe: 12 cm", "", None]])).tolist()
    [3.0, 0.0, nan]
    """
    counts = pc.count_substring_regex(texts, pattern=_WORD)
    return np.asarray(counts.cast(pa.float64()).to_numpy(), dtype=np.float64)


def category_values(table: pa.Table, name: str, kind: ColumnKind = ColumnKind.CATEGORY) -> pa.ChunkedArray:
    """Return a column as Arrow strings ``(n,)``, null where missing; booleans, also 0 and 1, as "true" and "false".

    Raises:
        DataContractError: the column is absent, or has no text form.
    """
    column = _present(table, name)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        if kind is ColumnKind.BOOLEAN and not pa.types.is_string(column.type):
            column = column.cast(pa.bool_())
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataContractError(f"column {name!r}: {column.type} ({error}); expected categories; correct it") from error


def encoded(texts: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts, and for each row ``(n,)`` which one it has; their number where it has none."""
    found = texts.combine_chunks().dictionary_encode()
    names = found.dictionary.to_pylist()
    codes = pc.fill_null(found.indices, len(names)).to_numpy(zero_copy_only=False)
    return names, np.asarray(codes, dtype=np.int64)


def _counted(names: list[str], codes: NDArray[np.int64]) -> CategoryProfile:
    counts = np.bincount(codes, minlength=len(names) + 1).tolist()
    return CategoryProfile.of_counts(dict(zip(names, counts, strict=False)), counts[-1])


def _present(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataContractError(f"column {name!r}: absent; the table has {table.column_names[:20]}; deliver it")
    return table[name]


def _column(wire: NumberWire | CategoryWire) -> ColumnProfile:
    return NumberProfile.from_wire(wire) if isinstance(wire, NumberWire) else CategoryProfile.from_wire(wire)
