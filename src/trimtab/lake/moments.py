"""Reads texts as moments: ISO 8601, a form in strptime's codes, or seconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from trimtab.core.clock import to_micros

__all__ = ["EPOCH_FORMATS", "read_moments"]

EPOCH_FORMATS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}
"""Forms of a moment as a count since 1970-01-01 UTC, and the microseconds in one of its units."""

_CODE = re.compile("%(.)")
# Codes that Polars reads as Python does, only a hundred times faster.
_FAST_CODES = frozenset("YmdHMS")
_FIRST_YEAR_US = to_micros(datetime(1000, 1, 1, tzinfo=UTC))
_LAST_US = to_micros(datetime(9999, 12, 31, tzinfo=UTC))


def read_moments(texts: pa.Array, written_as: str | None = None) -> pa.Array:
    """Return microseconds since 1970 (int64, ``(n,)``), null where a text is null or no moment.

    Texts are ISO 8601 or, beside that, as ``written_as`` says: strptime's codes, ``epoch_s`` or ``epoch_ms``. What
    names no offset is UTC.

    >>> read_moments(pa.array(["12/1/2009 7:45", "13/1/2009 7:45", None]), "%m/%d/%Y %H:%M").to_pylist()
    [1259653500000000, None, None]
    >>> read_moments(pa.array(["1970-01-01T00:00:01+00:00"])).to_pylist(), read_moments(pa.array(["2"]), "epoch_s")[0]
    ([1000000], <pyarrow.Int64Scalar: 2000000>)
    """
    if written_as is None:
        return _each(texts, datetime.fromisoformat)
    read = _as_written(texts, written_as)
    others = pc.and_(read.is_null(), texts.is_valid())
    return pc.coalesce(read, _each(pc.if_else(others, texts, None), datetime.fromisoformat))


def _as_written(texts: pa.Array, written_as: str) -> pa.Array:
    if written_as in EPOCH_FORMATS:
        return _epochs(texts, EPOCH_FORMATS[written_as])
    if "%Y" in written_as and set(_CODE.findall(written_as)) <= _FAST_CODES:
        read = pl.Series(values=texts, dtype=pl.String).str.to_datetime(written_as, strict=False, time_unit="us")
        micros = read.to_physical().to_arrow()
        # Python wants four digits of a year; Polars would take 31.12.20 for the year 20.
        return pc.if_else(pc.greater_equal(micros, _FIRST_YEAR_US), micros, None)
    # strptime takes no offset for granted; `_micros` gives UTC.
    return _each(texts, lambda text: datetime.strptime(text, written_as))  # noqa: DTZ007


def _epochs(texts: pa.Array, unit_us: int) -> pa.Array:
    numbers = pc.if_else(pc.match_substring_regex(texts, r"^-?\d{1,15}(\.\d*)?$"), texts, None).cast(pa.float64())
    micros = pc.multiply(numbers, float(unit_us))
    inside = pc.and_(pc.greater_equal(micros, float(_FIRST_YEAR_US)), pc.less_equal(micros, float(_LAST_US)))
    return pc.round(pc.if_else(inside, micros, None)).cast(pa.int64())


def _each(texts: pa.Array, read: Callable[[str], datetime]) -> pa.Array:
    coded = texts.dictionary_encode()
    return pa.array([_micros(text, read) for text in coded.dictionary.to_pylist()], pa.int64()).take(coded.indices)


def _micros(text: str, read: Callable[[str], datetime]) -> int | None:
    try:
        moment = read(text)
    except ValueError:
        return None
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
