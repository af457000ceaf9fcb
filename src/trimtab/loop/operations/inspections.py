"""What was answered last, row by row."""

from __future__ import annotations

from pydantic import Field

from trimtab.config.model import Name
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.lake.newest_answers import newest_answers
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Limited


class ListInspections(Limited):
    """Of which model, and how many."""

    model: Name | None = Field(default=None, description="Only what this one answered; null: the first of the project.")


@operation("inspections.list", "GET", "/api/inspection-logs", Role.VIEWER, ListInspections)
def list_inspections(platform: Platform, _actor: Actor, request: ListInspections) -> JsonObject:
    """List what a model's endpoint answered last, as it arrived in the lake: prediction, probability, features.

    Images and the boxes found in them are not recorded yet: of tables only.
    """
    names = platform.project.model_names
    model = request.model or (names[0] if names else None)
    if model is None:
        return {"model": None, "inspections": [], "why_none": "the project has no model; add one below models/"}
    endpoint = platform.files(model).endpoint
    found = newest_answers(platform.lake, endpoint, limit=request.limit, until_us=platform.now_us() + 1)
    why = None if found else f"endpoint {endpoint!r}: no answer of it is in the lake; ask it with 'trimtab predict'"
    return {"model": model, "inspections": found, "why_none": why}
