"""How callers name a row of theirs: by a key of their own, and when it happened."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from trimtab.core.clock import to_micros
from trimtab.core.errors import ConfigError

__all__ = ["checked_key", "event_micros"]

_MAX_KEY: Final = 256
_EARLIEST_US: Final = -62_135_596_800_000_000
_LATEST_US: Final = 253_402_300_799_999_999


def event_micros(value: str | int, field: str) -> int:
    """Return a moment in microseconds UTC; whole numbers are that already, text is RFC 3339 with an offset.

    Raises:
        ConfigError: neither, or outside of the years 1 to 9999.

    >>> event_micros("1970-01-01T00:00:01Z", "event_time"), event_micros(5, "event_time")
    (1000000, 5)
    """
    if isinstance(value, int):
        if not _EARLIEST_US <= value <= _LATEST_US:
            raise ConfigError(f"{field}: a number beyond the year 9999, expected microseconds since 1970; correct it")
        return value
    try:
        micros = to_micros(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{field}: {value[:40]!r}, expected RFC 3339 with an offset, e.g. 2030-01-01T12:00:00Z; correct it"
        ) from None
    # An offset can move a moment that can be written out of the years that can be computed with.
    if not _EARLIEST_US <= micros <= _LATEST_US:
        raise ConfigError(f"{field}: {value!r} is outside of the years 1 to 9999 in UTC; correct it")
    return micros


def checked_key(value: str | int, field: str) -> str:
    """Return a caller's key as text.

    Raises:
        ConfigError: it is empty or longer than 256 characters.
    """
    if isinstance(value, int) and value.bit_length() > 64:
        raise ConfigError(f"{field}: a whole number of {value.bit_length()} bits, expected at most 64; send it as text")
    text = str(value)
    if not 1 <= len(text) <= _MAX_KEY:
        raise ConfigError(f"{field}: {len(text)} characters, expected 1 to {_MAX_KEY}; correct it")
    return text
