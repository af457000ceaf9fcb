"""Takes secrets out of what is stored and logged."""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["redact"]

_MIN_CHARS = 4
_SEPARATORS = re.compile(r"[/:@?&=#,]+")


def redact(text: str, url: str) -> str:
    """Return ``text`` with ``url`` and each of its parts replaced by ``***``.

    Any part of a notification URL may be a token: Slack's, for one, stands where others have a host. So all of
    them go, except for the scheme and for parts of fewer than 4 characters.

    >>> redact("slack://tokenA/tokenB refused tokenB", "slack://tokenA/tokenB")
    'slack://*** refused ***'
    """
    _, separator, rest = url.partition("://")
    if not separator or not rest:
        return text
    # What a channel's library tells of may be decoded already.
    parts = {part for whole in (rest, unquote(rest)) for part in (whole, *_SEPARATORS.split(whole))}
    parts |= {unquote(part) for part in parts}
    for part in sorted((part for part in parts if len(part) >= _MIN_CHARS), key=len, reverse=True):
        text = text.replace(part, "***")
    return text
