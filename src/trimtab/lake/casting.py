"""Reads the values of a column as the kind that a contract declares, and says which it could not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind
from trimtab.lake.moments import read_moments

__all__ = ["ARROW_TYPES", "Cast", "as_text", "cast_as", "cast_column"]

ARROW_TYPES = {
    ColumnKind.NUMBER: pa.float64(),
    ColumnKind.INTEGER: pa.int64(),
    ColumnKind.BOOLEAN: pa.bool_(),
    ColumnKind.CATEGORY: pa.string(),
    ColumnKind.TEXT: pa.string(),
    ColumnKind.DATETIME: pa.timestamp("us", tz="UTC"),
}
"""How a column of each kind stands in the processed zone."""

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d+(\.0*)?$"
# No Arrow arrays here: making the first one loads pandas, which whoever only imports this file must not pay for.
_MISSING = ["", "na", "n/a", "nan", "null", "none", "?"]
_TRUE = ["true", "yes", "1", "1.0"]
_FALSE = ["false", "no", "0", "0.0"]
_INTEGER_LIMIT = 2.0**63
_PER_DAY = {"d": 1, "s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """A column's values as its kind, of length n.

    ``values`` are null where missing or not of the kind; ``missing`` (n,) says which were not given, ``wrong`` (n,)
    which were given and are not of the kind.
    """

    values: pa.Array
    missing: NDArray[np.bool_]
    wrong: NDArray[np.bool_]


def cast_as(column: pa.ChunkedArray | pa.Array, contract: ColumnContract) -> Cast:
    """Return ``column`` read as its contract says: kind, texts that mean missing, how datetimes are written.

    >>> from trimtab.config.columns import ColumnContract
    >>> day = ColumnContract(type="datetime", format="%d.%m.%Y", missing=("-",))
    >>> read = cast_as(pa.array(["31.12.2020", "-", "2020-12-31", "31.2.2020"]), day)
    >>> read.values.to_pylist()[0].isoformat(), read.missing.tolist(), read.wrong.tolist()
    ('2020-12-31T00:00:00+00:00', [False, True, False, False], [False, False, False, True])
    """
    return cast_column(column, contract.type, written_as=contract.format, markers=contract.missing)


def cast_column(
    column: pa.ChunkedArray | pa.Array,
    kind: ColumnKind,
    *,
    written_as: str | None = None,
    markers: Collection[str] = (),
) -> Cast:
    """Return ``column`` read as ``kind``.

    Text is stripped of blanks at its ends. Missing is a null, NaN, empty text or one of ``markers``; in columns other
    than category and text also NA, N/A, NaN, null, none and ``?``. A whole number may end in ``.0``. Infinities are
    not numbers. Booleans are true/false, yes/no, 1/0. Datetimes are ISO 8601 or as ``written_as`` says; without an
    offset they are UTC.

    >>> read = cast_column(pa.array(["63", "4.5", "", "old"]), ColumnKind.INTEGER)
    >>> read.values.to_pylist(), read.missing.tolist(), read.wrong.tolist()
    ([63, None, None, None], [False, False, True, False], [False, True, False, True])
    """
    array = _plain(column)
    given = _given(array, kind, markers)
    values = _read(array, given, kind, written_as)
    present = given.to_numpy(zero_copy_only=False)
    return Cast(
        values=values,
        missing=~present,
        wrong=present & values.is_null().to_numpy(zero_copy_only=False),
    )


def as_text(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return the column's values as a person would write them: whole floats without ``.0``, nulls stay.

    >>> as_text(pa.array([1.0, 2.5, None])).to_pylist(), as_text(pa.array(["a", ""])).to_pylist()
    (['1', '2.5', None], ['a', ''])
    """
    array = _plain(column)
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        # The machine may not know the zone; the moment is in UTC anyway.
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    if pa.types.is_floating(array.type):
        return pa.array([_number_text(value) for value in array.to_pylist()], pa.string())
    if pa.types.is_binary(array.type) or pa.types.is_nested(array.type):
        return pa.array([None if value is None else repr(value) for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _plain(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return one array, without dictionaries and without the variants of strings."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    if pa.types.is_decimal(array.type) or pa.types.is_float16(array.type):
        return array.cast(pa.float64())
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _given(array: pa.Array, kind: ColumnKind, markers: Collection[str]) -> pa.Array:
    if pa.types.is_floating(array.type):
        known = pc.and_(array.is_valid(), pc.invert(pc.fill_null(pc.is_nan(array), False)))
    elif not pa.types.is_string(array.type):
        known = array.is_valid()
    else:
        text = pc.utf8_trim_whitespace(array)
        if kind is ColumnKind.TEXT or kind is ColumnKind.CATEGORY:
            known = pc.fill_null(pc.not_equal(text, ""), False)
        else:
            known = pc.and_(array.is_valid(), pc.invert(pc.is_in(pc.utf8_lower(text), pa.array(_MISSING))))
    return pc.and_(known, pc.invert(_marked(array, markers))) if markers else known


def _marked(array: pa.Array, markers: Collection[str]) -> pa.Array:
    """Return which values are one of ``markers``, as a person would write them, (n,)."""
    texts = pa.array([marker.strip() for marker in markers], pa.string())
    return pc.is_in(pc.utf8_trim_whitespace(as_text(array)), value_set=texts)


def _read(array: pa.Array, given: pa.Array, kind: ColumnKind, written_as: str | None) -> pa.Array:
    null = pa.scalar(None, array.type)
    known = pc.if_else(given, array, null)
    if kind is ColumnKind.TEXT:
        return as_text(known)
    if kind is ColumnKind.CATEGORY:
        return pc.utf8_trim_whitespace(as_text(known))
    if pa.types.is_string(known.type):
        known = pc.utf8_trim_whitespace(known)
    if kind is ColumnKind.DATETIME:
        return _datetimes(known, written_as)
    if kind is ColumnKind.BOOLEAN:
        return _booleans(known)
    return _integers(known) if kind is ColumnKind.INTEGER else _numbers(known)


def _numbers(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        text = pc.utf8_ltrim(pc.if_else(pc.match_substring_regex(array, _NUMBER), array, None), "+")
        values = text.cast(pa.float64())
    elif _is_number(array.type):
        values = array.cast(pa.float64(), safe=False)
    else:
        return pa.nulls(len(array), pa.float64())
    return pc.if_else(pc.is_finite(values), values, None)


def _integers(array: pa.Array) -> pa.Array:
    if pa.types.is_integer(array.type) and array.type != pa.uint64():
        return array.cast(pa.int64())
    if pa.types.is_string(array.type):
        whole = pc.if_else(pc.match_substring_regex(array, _INTEGER), array, None)
        digits = pc.utf8_ltrim(pc.replace_substring_regex(whole, r"\.0*$", ""), "+")
        inside = pc.less(pc.abs(digits.cast(pa.float64())), _INTEGER_LIMIT)
        return pc.if_else(inside, digits, None).cast(pa.int64())
    numbers = _numbers(array)
    whole = pc.and_(pc.equal(numbers, pc.trunc(numbers)), pc.less(pc.abs(numbers), _INTEGER_LIMIT))
    return pc.if_else(whole, numbers, None).cast(pa.int64())


def _booleans(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return array
    text = pc.utf8_lower(as_text(array)) if _is_number(array.type) or pa.types.is_string(array.type) else None
    if text is None:
        return pa.nulls(len(array), pa.bool_())
    yes, no = pc.is_in(text, pa.array(_TRUE)), pc.is_in(text, pa.array(_FALSE))
    return pc.if_else(pc.or_(yes, no), yes, None)


def _datetimes(array: pa.Array, written_as: str | None) -> pa.Array:
    target = ARROW_TYPES[ColumnKind.DATETIME]
    if pa.types.is_timestamp(array.type):
        in_range = _in_years(array, array.cast(pa.int64()), array.type.unit)
        return in_range.cast(pa.timestamp("us", tz=array.type.tz), safe=False).cast(target)
    if pa.types.is_date(array.type):
        days = array.cast(pa.date32())
        return _in_years(days, days.cast(pa.int32()).cast(pa.int64()), "d").cast(pa.timestamp("us")).cast(target)
    if _is_number(array.type) and written_as is not None:
        array = as_text(array)
    if not pa.types.is_string(array.type):
        return pa.nulls(len(array), target)
    return read_moments(array, written_as).cast(target)


def _in_years(array: pa.Array, since_1970: pa.Array, unit: str) -> pa.Array:
    """Return ``array`` with null where it lies beyond the years 1 to 9999, which calendars and texts have."""
    per_day = _PER_DAY[unit]
    low, high = -719_162 * per_day, 2_932_897 * per_day
    # Nanoseconds reach no further than 1677 to 2262.
    if abs(high) >= _INTEGER_LIMIT:
        return array
    inside = pc.and_(pc.greater_equal(since_1970, low), pc.less(since_1970, high))
    return pc.if_else(inside, array, None)


def _is_number(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow) or pa.types.is_floating(arrow))


def _number_text(value: float | None) -> str | None:
    if value is None:
        return None
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
