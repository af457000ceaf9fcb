"""Tensors as JSON: whether the values that came can be of the datatype that was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from trimtab.core.errors import ConfigError
from trimtab.serving.protocols.bodies import FieldValue
from trimtab.serving.protocols.tensors import DATATYPES

__all__ = ["check_values"]

_RANGES: Final[dict[str, tuple[int, int]]] = {
    name: (int(np.iinfo(name.lower()).min), int(np.iinfo(name.lower()).max))
    for name in sorted(DATATYPES)
    if "INT" in name
}
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(DATATYPES, (float, int)),
    "BOOL": (bool,),
    "BYTES": (str,),
}
_EXPECTED: Final = {"BOOL": "true or false", "BYTES": "text"}


def check_values(values: Sequence[FieldValue], datatype: str, field: str) -> None:
    """Make sure that each of ``values`` is one of ``datatype``; null always is, 3.0 is a whole number.

    Raises:
        ConfigError: the datatype is unknown, or a value is of another type, no whole number or beyond the range.

    >>> check_values([127, None, -128.0], "INT8", "input 'age'")
    """
    types = _TYPES.get(datatype)
    if types is None:
        raise ConfigError(f"{field}: datatype {datatype[:20]!r}, expected one of {sorted(_TYPES)}; correct it")
    bounds = _RANGES.get(datatype)
    for place, value in enumerate(values):
        if value is None:
            continue
        # The exact type: a bool is an int, too, and no number here.
        if type(value) not in types or (bounds is not None and not _is_within(value, bounds)):
            raise ConfigError(
                f"{field}: value {place} is {_shown(value)}, expected {_expected(datatype)}, as {datatype} holds; "
                "correct data or datatype"
            )


def _is_within(value: FieldValue, bounds: tuple[int, int]) -> bool:
    if isinstance(value, float):
        return value.is_integer() and bounds[0] <= value <= bounds[1]
    return isinstance(value, int) and bounds[0] <= value <= bounds[1]


def _expected(datatype: str) -> str:
    bounds = _RANGES.get(datatype)
    if bounds is not None:
        return f"a whole number from {bounds[0]} to {bounds[1]}"
    return _EXPECTED.get(datatype, "a number")


def _shown(value: FieldValue) -> str:
    if isinstance(value, bool):
        return f"the bool {str(value).lower()}"
    if isinstance(value, str):
        return f"the string {value[:40]!r}"
    if isinstance(value, int) and value.bit_length() > 128:
        # Python refuses to write a number of thousands of digits.
        return f"a number of {value.bit_length()} bits"
    return str(value)
