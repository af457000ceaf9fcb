"""Durations as people write them: ``90s``, ``30m``, ``1h``, ``7d``, ``250ms``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Duration", "format_duration", "format_remaining", "parse_duration"]

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_LONGEST = timedelta(days=3653)
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def parse_duration(text: str | timedelta) -> timedelta:
    """Return the duration that ``text`` names.

    Raises:
        ValueError: it has no unit, an unknown one, or is longer than ten years: what it is added to
            must stay a time.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(text, timedelta):
        return _bounded(text, format_duration(text))
    compact = str(text).replace(" ", "")
    parts = _PATTERN.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is no duration; write a number with ms, s, m, h, d or w, e.g. '30m' or '7d'")
    try:
        parsed = timedelta(milliseconds=sum(float(number) * _UNITS_MS[unit] for number, unit in parts))
    except OverflowError:
        parsed = timedelta.max
    return _bounded(parsed, str(text))


def _bounded(duration: timedelta, text: str) -> timedelta:
    if duration > _LONGEST:
        raise ValueError(f"{text[:80]!r} is too long a duration; expected at most ten years, e.g. '3650d'")
    return duration


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads back as ``duration``.

    >>> format_duration(timedelta(seconds=5400)), format_duration(timedelta(0))
    ('1h30m', '0s')
    """
    rest = round(duration / timedelta(milliseconds=1))
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_remaining(duration: timedelta) -> str:
    """Return how long something still lasts, for people: rounded up to whole seconds, from an hour on to minutes.

    >>> format_remaining(timedelta(minutes=8, seconds=33.716)), format_remaining(timedelta(hours=2, seconds=1))
    ('8m34s', '2h1m')
    """
    unit = timedelta(minutes=1) if duration >= timedelta(hours=1) else timedelta(seconds=1)
    return format_duration(-(-duration // unit) * unit)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$", "examples": ["30m", "7d"]}),
]
"""A pydantic field type: a `timedelta`, written as text with units."""
