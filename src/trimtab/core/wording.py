"""How a number of things is told."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, thing: str) -> str:
    """Return the number and the thing, in the plural unless it is one.

    >>> counted(1, "labelled row"), counted(0, "row"), counted(12, "value")
    ('1 labelled row', '0 rows', '12 values')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
