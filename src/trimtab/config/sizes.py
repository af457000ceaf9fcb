"""Sizes as people write them: ``500MB``, ``4GiB``, ``65536``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["Size", "parse_size"]

_UNITS = {
    "": 1,
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
}
_PATTERN = re.compile(r"(\d{1,18}(?:\.\d{1,6})?) ?([kMGT]B|[KMGT]iB|B|)")


def parse_size(text: str | int) -> int:
    """Return how many bytes ``text`` names.

    Raises:
        ValueError: it is no number with a unit of bytes.

    >>> parse_size("4GiB"), parse_size("1.5 MB"), parse_size(65536)
    (4294967296, 1500000, 65536)
    """
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{str(text)[:40]!r} is no size; write a number with kB, MB, GB, KiB, MiB or GiB, e.g. '4GiB'")
    return int(float(match[1]) * _UNITS[match[2]]) if "." in match[1] else int(match[1]) * _UNITS[match[2]]


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\d+(\.\d+)? ?([kMGT]B|[KMGT]iB|B|)$"}],
            "examples": ["500MB", "4GiB"],
        }
    ),
]
"""A pydantic field type: a number of bytes, written as such or as text with units."""
