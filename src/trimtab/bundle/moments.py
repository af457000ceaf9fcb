"""Moments as the graph takes them: whole seconds since 1970 in UTC, read from what people and machines send."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EARLIEST_EPOCH", "LATEST_EPOCH", "MISSING_EPOCH", "epoch_of", "epochs_of_column"]

MISSING_EPOCH: Final = -(2**63)
"""A moment that is null."""

EARLIEST_EPOCH: Final = -62_135_596_800
"""Midnight of 1 January of the year 1."""

LATEST_EPOCH: Final = 253_402_300_799
"""The last second of the year 9999."""

_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY: Final = 86_400
_COUNTED: Final = {"epoch_s": 1, "epoch_ms": 1_000}
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]*)?")
_UNITS_A_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def epoch_of(value: object, pattern: str | None = None) -> int:
    """Return the second, rounded down, in which ``value`` lies.

    Text is read by ``pattern`` (strptime's codes, or ``epoch_s``, ``epoch_ms``) if there is one, else or failing that
    as ISO 8601; without an offset it is UTC. A number is seconds since 1970 (milliseconds by ``epoch_ms``), a date its
    midnight. NaN is missing.

    Raises:
        ValueError: it is no moment of the years 1 to 9999.

    >>> epoch_of("1970-01-02"), epoch_of("1970-01-01T01:00:00+01:00"), epoch_of(-0.5), epoch_of("2.1.1970", "%d.%m.%Y")
    (86400, 0, -1, 86400)
    """
    if pattern in _COUNTED and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, str):
        second = _second_of(_moment_of(value, pattern))
    elif isinstance(value, datetime):
        second = _second_of(value)
    elif isinstance(value, date):
        second = (value - _ORIGIN.date()).days * _SECONDS_A_DAY
    elif isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError("no moment")
    elif math.isnan(value):
        return MISSING_EPOCH
    elif math.isinf(value):
        raise ValueError("infinite")
    else:
        second = math.floor(value / _COUNTED.get(pattern or "", 1))
    if not EARLIEST_EPOCH <= second <= LATEST_EPOCH:
        raise ValueError("beyond the years 1 to 9999")
    return second


def epochs_of_column(column: pa.ChunkedArray, pattern: str | None = None) -> NDArray[np.int64] | None:
    """Return the seconds of a column of timestamps, dates or numbers ``(n,)``; None for a column of other values.

    Numbers are seconds since 1970, milliseconds by ``epoch_ms``. Seconds beyond the years 1 to 9999, and infinities,
    become `LATEST_EPOCH` + 1.
    """
    import pyarrow as pa  # start-up cost: rows of a request need no Arrow
    import pyarrow.compute as pc

    kind = column.type
    counted = _COUNTED.get(pattern or "", 1)
    if pa.types.is_null(kind):
        return np.full(len(column), MISSING_EPOCH, dtype=np.int64)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _floored(np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64) / counted)
    if pa.types.is_timestamp(kind):
        whole, units = column.cast(pa.int64()), _UNITS_A_SECOND[kind.unit]
    elif pa.types.is_date32(kind):
        whole, units = pc.multiply(column.cast(pa.int32()).cast(pa.int64()), _SECONDS_A_DAY), 1
    elif pa.types.is_date64(kind):
        whole, units = column.cast(pa.int64()), 1_000
    elif pa.types.is_integer(kind) and kind != pa.uint64():
        whole, units = column.cast(pa.int64()), counted
    else:
        return None
    missing = whole.is_null().to_numpy(zero_copy_only=False) if whole.null_count else None
    seconds = np.asarray(pc.fill_null(whole, 0).to_numpy(), dtype=np.int64) // units
    return _bounded(seconds, missing)


def _floored(values: NDArray[np.float64]) -> NDArray[np.int64]:
    missing = np.isnan(values)
    inside = np.abs(np.where(missing, 0, values)) < 2.0**62
    return _bounded(np.floor(np.where(inside & ~missing, values, 2.0**62)).astype(np.int64), missing)


def _bounded(seconds: NDArray[np.int64], missing: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    outside = (seconds < EARLIEST_EPOCH) | (seconds > LATEST_EPOCH)
    result = np.where(outside, LATEST_EPOCH + 1, seconds)
    return result if missing is None else np.where(missing, MISSING_EPOCH, result)


def _moment_of(text: str, pattern: str | None) -> datetime:
    if pattern is not None and pattern not in _COUNTED:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 (what has no offset is UTC: see _second_of)
        except ValueError:
            pass
    return datetime.fromisoformat(text.strip())


def _second_of(moment: datetime) -> int:
    since: Any = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _ORIGIN
    # A timedelta's seconds and microseconds are never negative: this rounds down before 1970 too.
    return int(since.days) * _SECONDS_A_DAY + int(since.seconds)
