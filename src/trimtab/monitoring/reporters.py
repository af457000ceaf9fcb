"""Who hears of a model's cases, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.enums import Severity

__all__ = ["Reporters"]

_LEAST_REPEAT = timedelta(minutes=1)


class Reporters(Strict):
    """Who hears of a model's cases, and how often while they are open."""

    repeat: Duration | None = Field(
        default="24h", validate_default=True, description="An open case is told again after this long; null: never."
    )
    routes: dict[Severity, tuple[Name, ...]] = Field(
        default_factory=dict,
        description="Notification routes of trimtab.yaml by the case's severity. A severity that is not named goes "
        "where the routes' own min_severity and models say; an empty list tells nobody.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.repeat is not None and self.repeat < _LEAST_REPEAT:
            raise ValueError("repeat must be at least 1m, or null; e.g. '24h'")
        return self
