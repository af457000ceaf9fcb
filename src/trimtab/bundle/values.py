"""One value of a request as the encoder takes it, and the sentence for one that it does not take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from trimtab.bundle.manifest import Feature
from trimtab.bundle.moments import MISSING_EPOCH, epoch_of
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError

__all__ = [
    "ABSENT",
    "MISSING_CODE",
    "UNSEEN_CODE",
    "UnfitRowError",
    "code_of",
    "described",
    "is_marker",
    "number_of",
    "refusal",
    "second_of",
    "shown",
    "text_of",
]

MISSING_CODE: Final = -1
"""Code of a category that is null."""

UNSEEN_CODE: Final = -2
"""Code of a category that the dictionary does not hold."""

ABSENT: Final = object()
"""Stands for a field that the row does not have."""

BLANKS: Final = " \t\r\n"
"""What may stand around a text that means 'not known'."""

_SHOWN_CHARACTERS = 60
_LARGEST = float(np.finfo(np.float32).max)
_EXPECTED = {
    ColumnKind.BOOLEAN: "true or false",
    ColumnKind.CATEGORY: "text (a category)",
    ColumnKind.TEXT: "text",
    ColumnKind.DATETIME: "ISO 8601 text or seconds since 1970, within the years 1 to 9999",
}


class UnfitRowError(ConfigError):
    """A row does not fit the model. ``column`` is the feature at fault, "" where none can be named; never a value."""

    def __init__(self, message: str, column: str = "") -> None:
        super().__init__(message)
        self.column = column


def is_marker(value: object, feature: Feature) -> bool:
    """Return whether ``value`` is a text by which the sender says 'not known'."""
    return isinstance(value, str) and value.strip(BLANKS) in feature.missing


def number_of(value: object, at: int, feature: Feature) -> float:
    """Return a number, NaN where it is missing.

    Raises:
        ConfigError: it is none; for a boolean: neither true, false, 0 nor 1.
    """
    if value is None or value is ABSENT or (feature.missing and is_marker(value, feature)):
        return math.nan
    if feature.kind is ColumnKind.BOOLEAN:
        if isinstance(value, (bool, int, float, np.bool_)):
            if value in (0, 1):
                return float(value)
            if isinstance(value, float) and math.isnan(value):
                return math.nan
        raise _wrong(at, feature, value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise _wrong(at, feature, value)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def code_of(value: object, dictionary: Mapping[str, int], at: int, feature: Feature) -> int:
    """Return a category's place in ``dictionary``, or one of the two codes of those that have none.

    Raises:
        ConfigError: it is no text.
    """
    if isinstance(value, str):
        code = dictionary.get(value)
        if code is None:
            code = MISSING_CODE if is_marker(value, feature) else UNSEEN_CODE
        return code
    if value is None or value is ABSENT or (isinstance(value, float) and math.isnan(value)):
        return MISSING_CODE
    raise _wrong(at, feature, value)


def second_of(value: object, at: int, feature: Feature) -> int:
    """Return a moment's second since 1970, `MISSING_EPOCH` where it is missing.

    Raises:
        ConfigError: it is no moment of the years 1 to 9999.
    """
    if value is None or value is ABSENT or (feature.missing and is_marker(value, feature)):
        return MISSING_EPOCH
    try:
        return epoch_of(value, feature.format)
    except (ValueError, OverflowError):
        raise _wrong(at, feature, value) from None


def text_of(value: object, at: int, feature: Feature) -> str | None:
    """Return a text, None where it is missing.

    Raises:
        ConfigError: it is no text.
    """
    if isinstance(value, str):
        return None if feature.missing and is_marker(value, feature) else value
    if value is None or value is ABSENT or (isinstance(value, float) and math.isnan(value)):
        return None
    raise _wrong(at, feature, value)


def refusal(where: str, feature: Feature, value: object) -> str:
    """Return what is said of a value that is missing where it must not be, or is not finite."""
    if value is ABSENT:
        return f"{where}: field {feature.name!r} is missing; expected {expected(feature)}; add it"
    is_nan = isinstance(value, float) and math.isnan(value)
    if value is None or is_nan:
        found = "NaN" if is_nan else "null"
        return f"{where}: field {feature.name!r} is {found}; expected {expected(feature)}; fill it"
    if is_marker(value, feature):
        return f"{where}: field {feature.name!r} is {value!r} (not known); expected {expected(feature)}; fill it"
    return (
        f"{where}: field {feature.name!r} is {described(value)}; expected a number within ±{_LARGEST:.3g}; correct it"
    )


def expected(feature: Feature) -> str:
    """Return what a value of the feature must be, in words."""
    words = _EXPECTED.get(feature.kind, "a number")
    return f"{words}, or {feature.format!r}" if feature.format else words


def described(value: object) -> str:
    """Return a value of whatever type for a sentence, never long."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text {shown(repr(value[:_SHOWN_CHARACTERS]))}"
    if isinstance(value, int) and abs(value) > 10**18:
        return f"a whole number of {value.bit_length()} bits"  # its decimal text could be megabytes
    if isinstance(value, (int, float, np.integer, np.floating)):
        return f"{value!s}"
    return f"a {type(value).__name__}"


def shown(text: str) -> str:
    """Return ``text``, cut where it is long."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _wrong(at: int, feature: Feature, value: object) -> UnfitRowError:
    told = f"row {at}: field {feature.name!r} is {described(value)}; expected {expected(feature)}; correct it"
    return UnfitRowError(told, feature.name)
