"""Shapes of requests that several operations share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from trimtab.config.loading import Strict
from trimtab.config.model import Name

__all__ = ["Id", "Limited", "ModelRequest", "Moment", "Nothing", "OfModel"]


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A point in time; without a zone it is UTC."""

Id = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="An id, as other answers give it.")]


class Nothing(Strict):
    """No fields."""


class ModelRequest(Strict):
    """Names a model."""

    model: Name


class Limited(Strict):
    """How many of the newest to return."""

    limit: int = Field(default=50, ge=1, le=500)


class OfModel(Limited):
    """Perhaps of one model only."""

    model: Name | None = None
