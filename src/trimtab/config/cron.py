"""Calendars as people write them: five cron fields, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from apscheduler.triggers.cron import CronTrigger
from pydantic import AfterValidator

__all__ = ["Cron", "moment_after", "newest_moment"]

_MINUTE = timedelta(minutes=1)
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def moment_after(cron: str, last: datetime) -> datetime | None:
    """Return the first moment of ``cron`` after ``last``; None when it has none any more.

    >>> moment_after("0 * * * *", datetime(2030, 1, 1, 12, tzinfo=UTC))
    datetime.datetime(2030, 1, 1, 13, 0, tzinfo=datetime.timezone.utc)
    """
    found = CronTrigger.from_crontab(cron, timezone=UTC).get_next_fire_time(None, last + timedelta(microseconds=1))
    return None if found is None else found.astimezone(UTC)


def newest_moment(cron: str, after: datetime, until: datetime) -> datetime | None:
    """Return the last moment of ``cron`` after ``after`` and not after ``until``; None when there is none.

    Halves the time between, so that a year of minutes takes no longer than a day's.

    >>> newest_moment("30 * * * *", datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 7, 1, 12, tzinfo=UTC))
    datetime.datetime(2030, 7, 1, 11, 30, tzinfo=datetime.timezone.utc)
    """
    newest = moment_after(cron, after)
    if newest is None or newest > until:
        return None
    # Moments are whole minutes; `newest` is one, and between `end` and `until` there is none.
    end = until
    while end - newest >= _MINUTE:
        middle = newest + (end - newest) / 2
        found = moment_after(cron, middle)
        if found is None or found > until:
            end = middle
        else:
            newest = found
    return newest


def _readable(cron: str) -> str:
    try:
        CronTrigger.from_crontab(cron, timezone=UTC)
    except ValueError as error:
        raise ValueError(f"{cron!r} is no cron expression ({error}); write five fields, e.g. '0 3 * * 1'") from error
    if moment_after(cron, _ANY_DAY) is None:
        raise ValueError(f"{cron!r} has no moment, such as the 31st of February; write days that come")
    return cron


Cron = Annotated[str, AfterValidator(_readable)]
"""A pydantic field type: minute, hour, day, month, weekday."""
