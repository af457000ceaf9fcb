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
_DAY, _TIME = r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-5][0-9]"
_PLAIN_ISO = {
    _DAY + "$": "%Y-%m-%d",
    f"{_DAY} {_TIME}$": "%Y-%m-%d %H:%M",
    f"{_DAY} {_TIME}:[0-5][0-9]$": "%Y-%m-%d %H:%M:%S",
    f"{_DAY}T{_TIME}$": "%Y-%m-%dT%H:%M",
    f"{_DAY}T{_TIME}:[0-5][0-9]$": "%Y-%m-%dT%H:%M:%S",
}
"""The forms of ISO 8601 in which Polars and Python read the same; beyond them (second 60) they may not."""

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
    read = pa.nulls(len(texts), pa.int64()) if written_as is None else _as_written(texts, written_as)
    return pc.coalesce(read, _iso(pc.if_else(read.is_null(), texts, None)))


def _iso(texts: pa.Array) -> pa.Array:
    """Return texts of ISO 8601 as microseconds: its plain forms fast, all others as Python reads them."""
    read = pa.nulls(len(texts), pa.int64())
    if texts.null_count == len(texts):
        return read
    for form, code in _PLAIN_ISO.items():
        plain = pc.if_else(pc.match_substring_regex(texts, form), texts, None)
        if plain.null_count < len(plain):
            read = pc.coalesce(read, _polars_micros(plain, code))
    return pc.coalesce(read, _each(pc.if_else(read.is_null(), texts, None), datetime.fromisoformat))


def _as_written(texts: pa.Array, written_as: str) -> pa.Array:
    if written_as in EPOCH_FORMATS:
        return _epochs(texts, EPOCH_FORMATS[written_as])
    if "%Y" in written_as and set(_CODE.findall(written_as)) <= _FAST_CODES:
        micros = _polars_micros(texts, written_as)
        # Python wants four digits of a year; Polars would take 31.12.20 for the year 20.
        return pc.if_else(pc.greater_equal(micros, _FIRST_YEAR_US), micros, None)
    # strptime takes no offset for granted; `_micros` gives UTC.
    return _each(texts, lambda text: datetime.strptime(text, written_as))  # noqa: DTZ007


def _polars_micros(texts: pa.Array, code: str) -> pa.Array:
    read = pl.Series(values=texts, dtype=pl.String).str.to_datetime(code, strict=False, time_unit="us")
    return read.to_physical().to_arrow()


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
