"""Reading request bodies: JSON into typed messages, and the values that several protocols share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.records.identity import checked_key, event_micros

__all__ = ["FieldValue", "checked_key", "checked_keys", "checked_source", "decode", "event_micros"]

FieldValue = float | int | bool | str | None

_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")

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
