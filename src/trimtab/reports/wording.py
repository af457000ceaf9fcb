"""Numbers, times and spans, as a person reads them."""

from __future__ import annotations

import math

from trimtab.core.clock import from_micros

__all__ = ["number_text", "share_text", "span_text", "time_text"]

_UNITS_S = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def number_text(value: float | None) -> str:
    """Return ``value`` with four significant digits; a dash for None and NaN.

    >>> number_text(1234567), number_text(0.012345), number_text(6.2), number_text(None), number_text(-41.0)
    ('1 234 567', '0.01235', '6.2', '–', '−41')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-5:
        text = f"{size:.3e}"
    elif size >= 1000 or float(size).is_integer():
        text = f"{size:,.0f}".replace(",", " ")
    else:
        text = f"{size:.4g}"
    return f"−{text}" if value < 0 and text != "0" else text


def share_text(share: float | None) -> str:
    """Return ``share`` (0..1) in percent.

    >>> share_text(0.0421), share_text(1.0), share_text(None)
    ('4.21 %', '100 %', '–')
    """
    return "–" if share is None or math.isnan(share) else f"{number_text(float(f'{share * 100:.3g}'))} %"


def time_text(at_us: int | None) -> str:
    """Return microseconds UTC as date and time; a dash for None.

    >>> time_text(0), time_text(None)
    ('1970-01-01 00:00:00', '–')
    """
    return "–" if at_us is None else from_micros(at_us).strftime("%Y-%m-%d %H:%M:%S")


def span_text(span_us: int | None) -> str:
    """Return a length of time by its two largest units.

    >>> span_text(93_784_000_000), span_text(250_000), span_text(None)
    ('1 d 2 h', '0.25 s', '–')
    """
    if span_us is None:
        return "–"
    if abs(span_us) < 1_000_000:
        return f"{span_us / 1_000_000:.3g} s"
    rest = abs(span_us) // 1_000_000
    parts = []
    for unit, size_s in _UNITS_S:
        count, rest = divmod(rest, size_s)
        if count:
            parts.append(f"{count} {unit}")
    return ("−" if span_us < 0 else "") + " ".join(parts[:2])
