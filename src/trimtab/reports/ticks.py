"""Where an axis has its marks: round numbers, round times."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from trimtab.core.clock import from_micros, to_micros

__all__ = ["number_ticks", "time_ticks"]

_STEPS_S = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 345600, 604800, 1209600)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_TINY = 1e-100


def number_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return up to ``most`` + 2 round numbers that cover ``low``..``high``.

    They stand 1, 2, 2.5 or 5 times a power of ten apart. A range of no width is widened by a tenth of its value.

    >>> number_ticks(0, 243)
    [0.0, 50.0, 100.0, 150.0, 200.0, 250.0]
    >>> number_ticks(5, 5, 2)
    [4.5, 5.0, 5.5]
    """
    size = max(abs(low), abs(high))
    if high - low <= max(size * 1e-9, _TINY):
        margin = size / 10 if size > _TINY * 1e3 else 1.0
        low, high = low - margin, high + margin
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 2 - math.floor(math.log10(step))
    return [round(index * step, digits) for index in range(first, last + 1)]


def time_ticks(start_us: int, end_us: int, most: int = 6) -> list[tuple[int, str]]:
    """Return up to ``most`` + 1 round times within ``start_us``..``end_us`` (microseconds UTC), with their labels.

    >>> [label for _, label in time_ticks(0, 3 * 3_600_000_000, 3)]
    ['00:00', '01:00', '02:00', '03:00']
    """
    span_s = max((end_us - start_us) / 1_000_000, 1)
    step_s = next((step for step in _STEPS_S if span_s / step <= most + 0.5), None)
    if step_s is None:
        return _month_ticks(start_us, end_us, most)
    step_us = step_s * 1_000_000
    first = -(-start_us // step_us)
    pattern = "%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < 86_400 else "%-d %b"
    return [
        (index * step_us, from_micros(index * step_us).strftime(pattern))
        for index in range(first, end_us // step_us + 1)
    ]


def _month_ticks(start_us: int, end_us: int, most: int) -> list[tuple[int, str]]:
    start, end = from_micros(start_us), from_micros(end_us)
    months = (end.year - start.year) * 12 + end.month - start.month
    step = next((step for step in _MONTHS if months / step <= most), _MONTHS[-1])
    pattern = "%b %Y" if step < 12 else "%Y"
    found = []
    first = start.year * 12 + start.month - 1
    for index in range(-(-first // step) * step, end.year * 12 + end.month, step):
        moment = datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)
        if start <= moment <= end:
            found.append((to_micros(moment), moment.strftime(pattern)))
    return found
