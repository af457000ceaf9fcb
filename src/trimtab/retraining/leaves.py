"""What a single retraining condition can be told: how far the inputs moved, how bad answers are, what came since."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trimtab.config.cron import Cron
from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.measures.metrics import METRICS

__all__ = [
    "AgeLeaf",
    "DriftLeaf",
    "GainLeaf",
    "NewLabelsLeaf",
    "NewRowsLeaf",
    "PerformanceLeaf",
    "ScheduleLeaf",
]


class DriftLeaf(Strict):
    """The inputs have moved: one of ``min_share``, ``p_value``, ``any_column``."""

    min_share: float | None = Field(
        default=None, gt=0, le=1, description="Holds from this share of the judged columns in breach on."
    )
    p_value: float | None = Field(
        default=None, gt=0, lt=1, description="Holds when the window's p-value over all columns lies below it."
    )
    any_column: Literal[True] | None = Field(default=None, description="Holds when at least one column is in breach.")
    monitor: str | None = Field(
        default=None, description="Name of the monitor that is meant; default: each data_drift and plain_drift."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("min_share", "p_value", "any_column") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"drift needs one of min_share, p_value, any_column; found {found}; state one")
        return self

    @property
    def limit(self) -> str:
        """From where on it holds, in words."""
        if self.p_value is not None:
            return f"p below {self.p_value:g}"
        return "any column" if self.min_share is None else f"{self.min_share:.0%}"


class PerformanceLeaf(Strict):
    """Measured quality is not good enough any more."""

    metric: str = Field(description="Name of a metric, e.g. mape.")
    above: float | None = Field(default=None, description="Holds when the value lies above it.")
    below: float | None = Field(default=None, description="Holds when the value lies below it.")
    surely: bool = Field(
        default=False,
        description="Only when 95 % of the resamples of the window's rows lie beyond it too; what may be chance is "
        "not known.",
    )
    monitor: str | None = Field(
        default=None, description="Name of the monitor that is meant; default: each model_quality."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r} is unknown; expected one of {', '.join(METRICS)}")
        if (self.above is None) == (self.below is None):
            raise ValueError(f"metric {self.metric!r} needs either above or below; state one of them")
        return self

    @property
    def side(self) -> str:
        """Where bad values lie, in a word."""
        return "below" if self.above is None else "above"

    @property
    def bound(self) -> float:
        """The limit."""
        given = self.below if self.above is None else self.above
        return 0.0 if given is None else given

    @property
    def limit(self) -> str:
        """From where on it holds, in words."""
        return f"{self.side} {self.bound:.4g}"

    def beyond(self, value: float) -> bool:
        """Return whether ``value`` is bad."""
        return value > self.bound if self.side == "above" else value < self.bound


class ScheduleLeaf(Strict):
    """A moment of a calendar has passed since a training was last asked for."""

    cron: Cron = Field(description="Five cron fields, UTC: minute hour day month weekday.")


class NewLabelsLeaf(Strict):
    """Enough new true outcomes have come."""

    at_least: int = Field(ge=1, description="Rows whose outcome came, or was corrected, since the last training.")


class NewRowsLeaf(Strict):
    """Enough new rows have come, labelled or not."""

    at_least: int = Field(
        ge=1, description="Rows that passed the contract since the last training: answered, or delivered as tables."
    )


class AgeLeaf(Strict):
    """The last training was long ago."""

    longer_than: Duration = Field(description="Time since the last training.")


class GainLeaf(Strict):
    """A fresher version would have saved more than a training costs."""

    over_cost: float = Field(
        default=1.0, gt=0, description="How many times the cost of a training and its release must have been lost."
    )
