"""Hours in which nobody is there to see what the platform does by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from trimtab.config.loading import Strict
from trimtab.remediation.kinds import ActionKind

__all__ = ["Day", "QuietHours"]

_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)")
_HOUR = 60


class Day(StrEnum):
    """A day of the week, in the order of `datetime.weekday`."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


def _read_time(found: Any) -> Any:
    if isinstance(found, time):
        return found
    # YAML 1.1 reads 22:00 without quotes as a number to the base of 60, and 06:00 as text.
    if isinstance(found, int) and not isinstance(found, bool) and _HOUR <= found < 24 * _HOUR:
        return time(*divmod(found, _HOUR))
    match = _CLOCK.fullmatch(found) if isinstance(found, str) else None
    if match is None or int(match[1]) > 23:
        raise ValueError("expected a time of day, e.g. '22:00'")
    return time(int(match[1]), int(match[2]))


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}; write one such as Europe/Berlin or UTC") from None
    return name


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


TimeOfDay = Annotated[
    time,
    BeforeValidator(_read_time),
    PlainSerializer(lambda moment: moment.isoformat(timespec="minutes"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:[0-5]\d$", "examples": ["22:00"]}),
]


class QuietHours(Strict):
    """When what would run by itself waits for approval, by the clock on the wall of ``timezone``."""

    since: TimeOfDay = Field(alias="from", description="When they begin, e.g. '22:00'.")
    until: TimeOfDay = Field(alias="to", description="When they end, perhaps on the next day; as from: a whole day.")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="Whose clock: a name of the IANA time zones, e.g. Europe/Berlin."
    )
    days: Annotated[tuple[Day, ...], BeforeValidator(_one_or_many, json_schema_input_type=Day | tuple[Day, ...])] = (
        Field(default=(), description="Days on which they begin, e.g. [sat, sun]; none: every day.")
    )
    always: Annotated[
        tuple[ActionKind, ...],
        BeforeValidator(_one_or_many, json_schema_input_type=ActionKind | tuple[ActionKind, ...]),
    ] = Field(default=(), description="Actions that may run by themselves all the same.")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.since == self.until and not self.days:
            raise ValueError("quiet hours that never end: from and to are alike; set autonomy: off, or name days")
        return self

    def holds(self, now: datetime) -> bool:
        """Return whether ``now`` lies within them. A clock that is put forward or back is followed.

        >>> from datetime import UTC
        >>> night = QuietHours.model_validate({"from": "22:00", "to": "06:00", "timezone": "Europe/Berlin"})
        >>> night.holds(datetime(2030, 1, 1, 21, 0, tzinfo=UTC)), night.holds(datetime(2030, 1, 1, 5, 0, tzinfo=UTC))
        (True, False)
        """
        return self.begun(now) is not None

    def begun(self, now: datetime) -> datetime | None:
        """Return since when they have held at ``now``, in UTC; None where they do not."""
        local = now.astimezone(ZoneInfo(self.timezone))
        at, before = local.time(), local - timedelta(days=1)
        if self._begins(local) and self.since <= at and (at < self.until or self.until <= self.since):
            day = local
        elif self._begins(before) and at < self.until <= self.since:
            day = before
        else:
            return None
        begun = datetime.combine(day.date(), self.since, local.tzinfo).astimezone(UTC)
        # Where the clock was put forward over their beginning, that lies in an hour that never was.
        return min(begun, now.astimezone(UTC))

    def __str__(self) -> str:
        on = f" on {', '.join(self.days)}" if self.days else ""
        return f"{self.since:%H:%M} to {self.until:%H:%M} ({self.timezone}){on}"

    def _begins(self, local: datetime) -> bool:
        # Taking a day from a local time takes one from its calendar, also where a day has 23 hours.
        return not self.days or list(Day)[local.weekday()] in self.days
