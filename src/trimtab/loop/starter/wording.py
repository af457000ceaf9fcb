"""Values as YAML writes them, and numbers as people read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

__all__ = ["comment", "listed", "number", "scalar", "thousands"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*")
_RESERVED = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none", "nan", "inf"})
_MAX_COMMENT = 200


def scalar(value: str) -> str:
    """Return ``value`` as a YAML scalar that reads back as the same text.

    >>> scalar("age"), scalar("yes"), scalar("hours per week"), scalar("007")
    ('age', '"yes"', '"hours per week"', '"007"')
    """
    if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    # JSON's quoting is YAML's, but for what YAML breaks lines at, and for signs that JSON escapes as two halves.
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)


def listed(values: Iterable[str]) -> str:
    """Return texts as a YAML list on one line.

    >>> listed(["a", "no"])
    '[a, "no"]'
    """
    return f"[{', '.join(scalar(value) for value in values)}]"


def number(value: float) -> str:
    """Return a number without a needless fraction.

    >>> number(120.0), number(0.35)
    ('120', '0.35')
    """
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def thousands(count: int) -> str:
    """Return a count with its digits in groups.

    >>> thousands(32561)
    '32 561'
    """
    return f"{count:,}".replace(",", " ")


def comment(text: str) -> str:
    """Return ``text`` as the end of a line: without breaks, and not too long."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return f"# {shown if len(shown) <= _MAX_COMMENT else shown[: _MAX_COMMENT - 1] + '…'}"
