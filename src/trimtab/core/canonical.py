"""One JSON text for one value, so that its hash can be compared years later and on another machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["JsonObject", "canonical_json", "digest_of"]

JsonObject = dict[str, Any]


def canonical_json(value: object) -> str:
    """Return ``value`` as JSON with sorted keys, no spaces, and plain Unicode.

    Raises:
        ValueError: ``value`` holds NaN or an infinity, which JSON has no word for.

    >>> canonical_json({"b": 1, "a": [True, None, "é"]})
    '{"a":[true,null,"é"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """Return the SHA-256 of the value's canonical JSON, as 64 hex digits.

    >>> digest_of({})[:12]
    '44136fa355b3'
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
