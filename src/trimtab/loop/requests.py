"""Shapes of requests that several operations share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.db.paging import Place, page_of

__all__ = ["Id", "Limited", "ModelRequest", "Moment", "Nothing", "Number", "OfModel", "PageToken", "Paged", "Reason"]

ItemT = TypeVar("ItemT")


_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    # Windows reach back from here, and forward: both must stay within what a datetime can hold.
    if not _FIRST <= aware < _LAST:
        raise ValueError("expected a time in the years 1900 to 2999, e.g. 2024-03-04T07:00")
    return aware.astimezone(UTC)


def _written_out(found: object) -> object:
    # A bare number would be read as seconds since 1970: 20240304 as a day in that year's August.
    if isinstance(found, str | int | float) and "-" not in str(found)[1:]:
        raise ValueError("expected a time such as 2024-03-04T07:00")
    return found


Moment = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""A point in time; without a zone it is UTC."""

# Control characters would steer the terminals that the audit log is read on (those above 7f and those that turn the
# direction of writing do, too), and PostgreSQL takes no NUL.
_HARMLESS = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
Reason = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=_HARMLESS,
        description="Why, without control characters; it goes into the audit log.",
    ),
]

Text = Annotated[str, Field(max_length=200, pattern=_HARMLESS)]
"""A short text that others read before they agree to what it stands in."""

Number = Annotated[int, Field(ge=1, le=2**31 - 1, description="The version.")]

_ID = re.compile(r"[0-9a-f-]{36}")


def _is_id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise ValueError("expected an id of 36 characters, as other answers and the lists give it")
    return text


Id = Annotated[
    str,
    AfterValidator(_is_id),
    Field(json_schema_extra={"pattern": f"^{_ID.pattern}$"}, description="An id, as other answers give it."),
]


class Nothing(Strict):
    """No fields."""


class ModelRequest(Strict):
    """Names a model."""

    model: Name = Field(description="The model's name.")


class Limited(Strict):
    """How many of the newest to return."""

    limit: int = Field(default=50, ge=1, le=500, description="How many.")


def _known(token: str) -> str:
    Place.of_token(token)
    return token


PageToken = Annotated[str, Field(max_length=300), AfterValidator(_known)]
"""A place that an earlier answer told as ``next``."""


class Paged(Limited):
    """One page of what is listed newest first."""

    after: PageToken | None = Field(
        default=None, description="Where the page begins: `next` of the page before; null: the newest."
    )

    @property
    def place(self) -> Place | None:
        """Behind what the page begins."""
        return None if self.after is None else Place.of_token(self.after)

    @property
    def one_more(self) -> int:
        """How many to look for, so that it is known whether there is a next page."""
        return self.limit + 1

    def page(self, found: Sequence[ItemT], place_of: Callable[[ItemT], Place]) -> tuple[list[ItemT], str | None]:
        """Return what of ``found`` (`one_more`) is on the page, and `next`: null where nothing comes after it."""
        return page_of(found, place_of, limit=self.limit)


class OfModel(Paged):
    """Perhaps of one model only."""

    model: Name | None = Field(default=None, description="Only those of this model.")
