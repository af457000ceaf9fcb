"""W3C trace context (https://www.w3.org/TR/trace-context/): which trace a request belongs to."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["trace_id"]

_FORM: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16


def trace_id(traceparent: bytes) -> str | None:
    """Return the trace's id, 32 hex digits, or None where the header is none that the standard allows.

    A later version than 00 may say more behind the flags, and is read as far as 00 goes; ff is no version.

    >>> trace_id(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    >>> trace_id(b"00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True
    """
    found = _FORM.fullmatch(traceparent) if len(traceparent) <= 512 else None
    if found is None:
        return None
    version, trace, span, more = found.groups()
    if version == b"ff" or trace == _NO_TRACE or span == _NO_SPAN or (version == b"00" and more is not None):
        return None
    return str(trace, "ascii")
