"""Pages of what is listed newest first: where one ended, the next begins, whatever has come in between."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, literal, tuple_

__all__ = ["Place", "newest", "page_of"]

_LARGEST = 2**63

SelectT = TypeVar("SelectT", bound=Select[Any])
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a list: when it came (or its number), and its id among those of the same moment."""

    at: int
    id: str

    @property
    def token(self) -> str:
        """The place as callers send it back; what is in it is nobody's business.

        >>> Place.of_token(Place(7, "0197").token)
        Place(at=7, id='0197')
        """
        return base64.urlsafe_b64encode(f"{self.at}~{self.id}".encode()).rstrip(b"=").decode()

    @staticmethod
    def of_token(token: str) -> Place:
        """Return the place that ``token`` stands for.

        Raises:
            ValueError: it stands for none.
        """
        try:
            text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
            at, separator, name = text.partition("~")
            place = Place(int(at), name)
        except (ValueError, binascii.Error):
            raise ValueError("is no place that an earlier answer told as 'next'") from None
        if not separator or not -_LARGEST <= place.at < _LARGEST or "\0" in place.id:
            raise ValueError("is no place that an earlier answer told as 'next'")
        return place


def newest(
    query: SelectT, at: ColumnElement[int], name: ColumnElement[str], *, after: Place | None, limit: int | None
) -> SelectT:
    """Return ``query`` for the newest ``limit`` rows, newest first; those behind ``after`` where it is given.

    Args:
        query: what is looked for.
        at: the column of `Place.at`, which never changes.
        name: the column of `Place.id`, which tells rows of one moment apart.
        after: the last row that was seen.
        limit: how many at most; None: all.
    """
    if after is not None:
        query = query.where(tuple_(at, name) < tuple_(literal(after.at), literal(after.id)))
    return query.order_by(at.desc(), name.desc()).limit(limit)


def page_of(
    found: Sequence[ItemT], place_of: Callable[[ItemT], Place], *, limit: int
) -> tuple[list[ItemT], str | None]:
    """Return the first ``limit`` of what was found, and after what to ask for the next; None where that is all.

    To know whether there are more, look for one more than you show.

    >>> page_of([9, 8, 7], lambda number: Place(number, ""), limit=2)
    ([9, 8], 'OH4')
    >>> page_of([9, 8], lambda number: Place(number, ""), limit=2)
    ([9, 8], None)
    """
    shown = list(found[:limit])
    return shown, place_of(shown[-1]).token if len(found) > limit else None
