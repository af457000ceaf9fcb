"""Reading request bodies: JSON into typed messages, and the values that several protocols share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from trimtab.core.clock import to_micros
from trimtab.core.errors import ConfigError

__all__ = ["FieldValue", "checked_key", "checked_keys", "checked_source", "decode", "event_micros"]

FieldValue = float | int | bool | str | None

_MAX_KEY: Final = 256
_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_EARLIEST_US: Final = -62_135_596_800_000_000
_LATEST_US: Final = 253_402_300_799_999_999

MessageT = TypeVar("MessageT")


def decode(decoder: msgspec.json.Decoder[MessageT], body: bytes) -> MessageT:
    """Return ``body`` as the decoder's type.

    Raises:
        ConfigError: it is not JSON, or has a field that is unknown, missing or of the wrong type.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise ConfigError(f"body: {error}; correct it (see /openapi.json)") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"body: not JSON ({error}); send a JSON object") from None
    except (RecursionError, UnicodeDecodeError):
        raise ConfigError("body: not JSON that can be read (nesting or encoding); send a flat JSON object") from None


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
        return to_micros(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{field}: {value[:40]!r}, expected RFC 3339 with an offset, e.g. 2030-01-01T12:00:00Z; correct it"
        ) from None


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


def checked_keys(values: Sequence[str | int] | None, field: str) -> list[str] | None:
    """Return each value by `checked_key`, or None."""
    return None if values is None else [checked_key(value, field) for value in values]


def checked_source(value: str | None) -> str | None:
    """Return the name of a feed.

    Raises:
        ConfigError: it is no name.
    """
    if value is not None and not _SOURCE.fullmatch(value):
        raise ConfigError(f"source: {value[:40]!r}, expected up to 128 letters, digits or . _ : / - ; name the feed so")
    return value
