"""``monitoring_config.yaml``: what is watched, on which windows, and from where on it is a breach."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.enums import Severity
from trimtab.measures.metrics import METRICS

__all__ = [
    "DataDriftSettings",
    "DataQualitySettings",
    "LatencySettings",
    "ModelQualitySettings",
    "MonitorSettings",
    "MonitoringConfig",
]

_CRON_FIELDS = 5


class _Common(Strict):
    name: str = Field(
        default="", pattern=r"^([a-z0-9][a-z0-9_-]{0,62})?$", description="How checks call it; default: its type."
    )
    severity: Severity = Field(default=Severity.MEDIUM, description="How loudly a breach is told.")
    window: Duration | None = Field(default=None, description="Analysis window of this monitor, if not the common one.")
    min_rows: int = Field(default=30, ge=1, description="Fewer rows in the window are inconclusive.")

    @property
    def title(self) -> str:
        """The monitor's name, or its type."""
        return self.name or str(getattr(self, "type", ""))


class DataDriftSettings(_Common):
    """Whether the inputs are distributed as they were when the model learnt: P(X), column by column and over all."""

    type: Literal["data_drift"] = "data_drift"
    method: Literal["ks", "psi", "js"] = Field(
        default="ks",
        description="Distance: ks = Kolmogorov-Smirnov for numbers (Jensen-Shannon for categories), "
        "psi = population stability index, js = Jensen-Shannon.",
    )
    min_effect: float = Field(default=0.1, ge=0, description="Distances up to this one are never a breach.")
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="Chance that a window without drift has a column in breach."
    )
    drift_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of judged columns in breach from which the window as a whole is."
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns to judge; none named means all features but datetimes."
    )


class DataQualitySettings(_Common):
    """Whether inputs are complete, known, in range, and come at all."""

    type: Literal["data_quality"] = "data_quality"
    max_missing_share: float = Field(
        default=0.05, ge=0, le=1, description="Missing values tolerated beyond the reference's share."
    )
    max_unseen_share: float = Field(default=0.05, ge=0, le=1, description="Rows tolerated with an unknown category.")
    max_out_of_range_share: float = Field(
        default=0.05, ge=0, le=1, description="Rows tolerated outside the contract's min and max, or infinite."
    )
    min_volume: int = Field(default=0, ge=0, description="Rows that a window must have; fewer are a breach.")


class ModelQualitySettings(_Common):
    """Whether predictions are as good as promised, once the truth is known."""

    type: Literal["model_quality"] = "model_quality"
    limits: dict[str, float] = Field(
        default_factory=dict, description="Absolute limits by metric: largest loss, or smallest score."
    )
    max_degradation: float | None = Field(
        default=None,
        gt=0,
        description="How much worse than on the version's holdout, relative to it (0.2 = 20 %), for all metrics that "
        "have no limit of their own.",
    )
    min_labels: int = Field(default=50, ge=1, description="Fewer labelled rows are inconclusive.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [name for name in self.limits if name not in METRICS]
        if unknown:
            raise ValueError(f"limits names {unknown}; expected metrics among {', '.join(METRICS)}")
        if not self.limits and self.max_degradation is None:
            raise ValueError("neither limits nor max_degradation is given; state from where on quality is a breach")
        return self


class LatencySettings(_Common):
    """Whether answers come in time."""

    type: Literal["latency"] = "latency"
    p95_ms: float | None = Field(default=None, gt=0, description="Largest 95th percentile of the latency, in ms.")
    p99_ms: float | None = Field(default=None, gt=0, description="Largest 99th percentile of the latency, in ms.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.p95_ms is None and self.p99_ms is None:
            raise ValueError("neither p95_ms nor p99_ms is given; state a limit")
        return self


MonitorSettings = Annotated[
    DataDriftSettings | DataQualitySettings | ModelQualitySettings | LatencySettings, Field(discriminator="type")
]


class MonitoringConfig(Strict):
    """``monitoring_config.yaml``: what is watched of a model, how often, and from when on it is told."""

    endpoint: Name | None = Field(default=None, description="The endpoint to watch; default: the model's name.")
    schedule: str = Field(default="0 * * * *", description="When checks run: five cron fields, in UTC.")
    profile_period: Duration = Field(
        default="1h",
        validate_default=True,
        description="Rows are summarised per period: the finest moment a cause can name.",
    )
    window: Duration = Field(description="Analysis window: how far back a check looks.")
    monitors: tuple[MonitorSettings, ...] = Field(min_length=1, description="What is checked.")

    @field_validator("schedule")
    @classmethod
    def _five_fields(cls, schedule: str) -> str:
        fields = len(schedule.split())
        if fields != _CRON_FIELDS:
            raise ValueError(f"{schedule!r} has {fields} fields; a cron schedule has five, e.g. '0 * * * *'")
        return schedule

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        titles = [monitor.title for monitor in self.monitors]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"monitors named {twice} repeat; give each a name of its own")
        if self.profile_period < timedelta(seconds=1) or self.profile_period % timedelta(seconds=1):
            raise ValueError("profile_period must be whole seconds; e.g. '1h'")
        for monitor in self.monitors:
            window = self.window_of(monitor)
            if window < self.profile_period:
                raise ValueError(f"monitor {monitor.title!r}: window is shorter than profile_period; lengthen it")
        return self

    @property
    def period_s(self) -> int:
        """The profile period in seconds."""
        return int(self.profile_period.total_seconds())

    def window_of(self, monitor: MonitorSettings) -> timedelta:
        """Return the monitor's analysis window, its own or the common one."""
        return monitor.window or self.window

    @property
    def longest_window(self) -> timedelta:
        """The longest analysis window in use: what must be gathered for `run_monitors`."""
        return max(self.window_of(monitor) for monitor in self.monitors)
