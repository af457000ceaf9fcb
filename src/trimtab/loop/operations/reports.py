"""Reports: list them, have Evidently make one."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AwareDatetime, Field, field_validator

from trimtab.config.durations import Duration
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.drill_down import drill_down
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Limited, ModelRequest
from trimtab.reports.store import reports


@operation("reports.list", "GET", "/api/reports", Role.VIEWER, Limited)
def list_reports(platform: Platform, _actor: Actor, request: Limited) -> JsonObject:
    """List the newest reports, newest first."""
    with platform.database.reading() as connection:
        found = reports(connection, limit=request.limit)
    return {
        "reports": [
            {"kind": one.kind.value, "subject": one.subject, "path": str(one.path), "at_us": one.at_us} for one in found
        ]
    }


class DrillDown(ModelRequest):
    """A window of a model's endpoint."""

    window: Duration = Field(default="7d", validate_default=True, description="How long the window is.")
    until: AwareDatetime | None = Field(default=None, description="Where it ends, in event time; default: now.")
    variant: str | None = Field(default=None, max_length=63, description="Which variant; default: the first live one.")

    @field_validator("window")
    @classmethod
    def _some(cls, window: timedelta) -> timedelta:
        if not timedelta(0) < window <= timedelta(days=3660):
            raise ValueError("window must be more than 0s and at most ten years; e.g. '7d'")
        return window


@operation("reports.evidently", "POST", "/api/models/{model}/evidently", Role.OPERATOR, DrillDown)
def make_drill_down(platform: Platform, _actor: Actor, request: DrillDown) -> JsonObject:
    """Have Evidently compare what an endpoint was asked in a window with what its version learnt."""
    until = request.until or platform.clock.now()
    files = platform.files(request.model)
    return drill_down(platform, files, window=request.window, until=until, variant=request.variant)
