"""How a number of things is told, and a text that is too long."""

from __future__ import annotations

__all__ = ["counted", "shortened"]


def counted(number: int, thing: str) -> str:
    """Return the number and the thing, in the plural unless it is one.

    >>> counted(1, "labelled row"), counted(0, "row"), counted(12, "value")
    ('1 labelled row', '0 rows', '12 values')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def shortened(text: str, most_chars: int) -> str:
    """Return ``text`` whole, or its words that fit with an ellipsis after them: at most ``most_chars`` characters.

    >>> shortened("age was judged", 14), shortened("age was judged", 12), shortened("incomprehensible", 8)
    ('age was judged', 'age was …', 'incompr…')
    """
    if len(text) <= most_chars:
        return text
    words, space, _rest = text[: most_chars - 1].rpartition(" ")
    # A word that nothing precedes, or hardly anything: rather a part of it than nothing.
    if space and len(words) >= most_chars // 2:
        return f"{words} …"
    return f"{text[: most_chars - 1]}…"
