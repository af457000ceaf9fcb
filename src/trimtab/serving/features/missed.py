"""What rows lack of a feature source, as callers are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from trimtab.serving.features.base import Why

__all__ = ["Missed", "missed_header"]

_MOST_NAMES: Final = 20


class Missed(NamedTuple):
    """A feature that has no value in the rows at the places ``rows``."""

    name: str
    why: Why
    rows: list[int]


def missed_header(missed: Sequence[Missed]) -> tuple[bytes, bytes]:
    """Return the header that says which features were missed, names as in a URL, twenty at most for each reason.

    >>> missed_header([Missed("chol", Why.STALE, [0]), Missed("age", Why.ABSENT, [1])])
    (b'x-trimtab-features', b'stale=chol; absent=age')
    """
    names: dict[Why, list[str]] = {}
    for one in missed:
        names.setdefault(one.why, []).append(quote(one.name[:200], safe=""))
    said = "; ".join(f"{why}={','.join(each[:_MOST_NAMES])}" for why, each in names.items())
    return b"x-trimtab-features", said.encode("ascii")
