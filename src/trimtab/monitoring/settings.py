"""``monitoring_config.yaml``: what is watched, on which windows, and from where on it is a breach."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Self, Union

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from trimtab.config.cron import Cron
from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.enums import Severity
from trimtab.monitoring import registry
from trimtab.monitoring.reporters import Reporters

__all__ = ["MonitorSettings", "MonitoringConfig"]

_LONGEST_CHECK = timedelta(hours=1)
_LONGEST_PERIOD = timedelta(days=7)
"""What stored profiles are looked for by (`trimtab.lake.profile_spans`): longer ones would not be found."""


class MonitorSettings(Strict):
    """What every monitor can be told. A monitor's own settings derive from it, with a ``type`` of one literal."""

    type: str = Field(description="Which monitor.")
    name: str = Field(
        default="", pattern=r"^([a-z0-9][a-z0-9_-]{0,62})?$", description="How checks call it; default: its type."
    )
    severity: Severity = Field(default=Severity.MEDIUM, description="How loudly a breach is told.")
    window: Duration | None = Field(default=None, description="Analysis window of this monitor, if not the common one.")
    schedule: Cron | None = Field(
        default=None, description="When this monitor runs, if not when all do: five cron fields, in UTC."
    )
    min_rows: int = Field(default=30, ge=1, description="Fewer rows in the window are inconclusive.")
    time_limit: Duration = Field(
        default="60s",
        validate_default=True,
        description="How long one look may take; after that it is inconclusive, and the others go on.",
    )

    @field_validator("time_limit")
    @classmethod
    def _bounded(cls, time_limit: timedelta) -> timedelta:
        if not timedelta(0) < time_limit <= _LONGEST_CHECK:
            raise ValueError("time_limit must be more than 0s and at most 1h; e.g. '60s'")
        return time_limit

    @property
    def title(self) -> str:
        """The monitor's name, or its type."""
        return self.name or self.type

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Features that the monitor wants of each row, by name: in the ``columns`` of labelled and of answered rows."""
        return ()

    @property
    def delivered_columns(self) -> tuple[str, ...]:
        """Columns of delivered tables that are wanted of each row, by record key: named by `delivered_name`."""
        return ()


class _OfItsType:
    """Reads a monitor's settings as those of its ``type``, among all monitors that are installed."""

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        types = tuple(monitor.settings_type for monitor in registry.monitor_types().values())
        return handler.generate_schema(Annotated[Union[types], Field(discriminator="type")])  # noqa: UP007


class MonitoringConfig(Strict):
    """``monitoring_config.yaml``: what is watched of a model, how often, and from when on it is told."""

    # Built when the first one is read: the monitors' modules import these settings, and packages may offer more.
    model_config = ConfigDict(defer_build=True)

    endpoint: Name | None = Field(default=None, description="The endpoint to watch; default: the model's name.")
    schedule: Cron = Field(default="0 * * * *", description="When checks run: five cron fields, in UTC.")
    profile_period: Duration = Field(
        default="1h",
        validate_default=True,
        description="Rows are summarised per period, 7d at most: the finest moment a cause can name.",
    )
    window: Duration = Field(description="Analysis window: how far back a check looks.")
    monitors: tuple[Annotated[MonitorSettings, _OfItsType()], ...] = Field(min_length=1, description="What is checked.")
    reporters: Reporters = Field(default=Reporters(), description="Who hears of cases, and how often.")

    @field_validator("monitors", mode="before")
    @classmethod
    def _usable(cls, monitors: Any) -> Any:
        unusable = registry.discovered().unusable
        for given in monitors if isinstance(monitors, list | tuple) else ():
            kind = given.get("type") if isinstance(given, dict) else None
            if isinstance(kind, str) and kind in unusable:
                raise ValueError(f"monitor type {kind!r} cannot be used: {unusable[kind]}; mend its package")
        return monitors

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        titles = [monitor.title for monitor in self.monitors]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"monitors named {twice} repeat; give each a name of its own")
        if self.profile_period < timedelta(seconds=1) or self.profile_period % timedelta(seconds=1):
            raise ValueError("profile_period must be whole seconds; e.g. '1h'")
        if self.profile_period > _LONGEST_PERIOD:
            raise ValueError("profile_period must be at most 7d: nothing longer can be told from a change; e.g. '1h'")
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

    def schedule_of(self, monitor: MonitorSettings) -> str:
        """Return when the monitor runs: its own schedule, or the common one."""
        return monitor.schedule or self.schedule

    @property
    def longest_window(self) -> timedelta:
        """The longest analysis window in use: what must be gathered for `run_monitors`."""
        return max(self.window_of(monitor) for monitor in self.monitors)
