"""Reading request bodies: JSON into typed messages, and the values that several protocols share."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.records.identity import checked_key, event_micros

__all__ = ["FieldValue", "checked_key", "checked_keys", "checked_source", "decode", "event_micros"]

FieldValue = float | int | bool | str | None

_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")

_PLAIN: Final = msgspec.json.Decoder(float_hook=float)
_FIELD_OF_A_MAP: Final = "[...]"
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")

MessageT = TypeVar("MessageT")


def decode(decoder: msgspec.json.Decoder[MessageT], body: bytes) -> MessageT:
    """Return ``body`` as the decoder's type.

    Raises:
        ConfigError: it is not JSON, or has a field that is unknown, missing or of the wrong type.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise ConfigError(f"body: {_with_field(str(error), body)}; correct it (see /openapi.json)") from None
    except msgspec.DecodeError as error:
        # What Python's json module writes for a missing number.
        instead = "null for a number that is missing: JSON has no NaN" if b"NaN" in body else "a JSON object"
        raise ConfigError(f"body: not JSON ({error}); send {instead}") from None
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


def _with_field(told: str, body: bytes) -> str:
    """Return msgspec's sentence with the name of the field, for which it says ``[...]``."""
    what, _, path = told.rpartition(" - at `$")
    steps = path.removesuffix("`").removesuffix(_FIELD_OF_A_MAP)
    if not path.removesuffix("`").endswith(_FIELD_OF_A_MAP) or _FIELD_OF_A_MAP in steps:
        return told
    try:
        found = _PLAIN.decode(body)
        for name, place in _STEP.findall(steps):
            found = found[name] if name else found[int(place)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return told
    # The names themselves are text: of a map, only a value can be what was refused.
    values = found.items() if isinstance(found, dict) else ()
    names = [name for name, value in values if _is_refused(value, what)]
    return f"{what} - at `${steps}[{names[0][:60]!r}]`" if names else told


def _is_refused(value: Any, what: str) -> bool:
    """Return whether ``value`` is of the kind that msgspec's sentence says it met."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return (isinstance(value, list) and "got `array`" in what) or (isinstance(value, dict) and "got `object`" in what)
