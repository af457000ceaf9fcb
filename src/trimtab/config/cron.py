"""Calendars as people write them: five cron fields, in UTC, weekdays counted from Sunday as crontab does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from apscheduler.triggers.cron import CronTrigger
from pydantic import AfterValidator

__all__ = ["Cron", "moment_after", "newest_moment"]

_FIELDS, _DAYS = 5, 7
_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERED = re.compile(r"(?:\*|(?P<first>\d)(?:-(?P<last>\d))?)(?:/(?P<step>\d))?")
_MINUTE = timedelta(minutes=1)
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def moment_after(cron: str, last: datetime) -> datetime | None:
    """Return the first moment of ``cron`` after ``last``; None when it has none any more.

    >>> moment_after("0 * * * *", datetime(2030, 1, 1, 12, tzinfo=UTC))
    datetime.datetime(2030, 1, 1, 13, 0, tzinfo=datetime.timezone.utc)
    """
    found = _trigger(cron).get_next_fire_time(None, last + timedelta(microseconds=1))
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


def _trigger(cron: str) -> CronTrigger:
    """Return the calendar; the library counts weekdays from Monday, everybody's crontab from Sunday (0 and 7).

    Raises:
        ValueError: it cannot be read.
    """
    fields = cron.split()
    if len(fields) == _FIELDS:
        fields[-1] = ",".join(_weekday(part) for part in fields[-1].split(","))
    return CronTrigger.from_crontab(" ".join(fields), timezone=UTC)


def _weekday(part: str) -> str:
    """Return one part of the weekday field by names.

    >>> _weekday("1"), _weekday("7"), _weekday("5-7"), _weekday("*/3"), _weekday("mon-fri"), _weekday("*")
    ('mon', 'sun', 'fri,sat,sun', 'sun,wed,sat', 'mon-fri', '*')
    """
    found = _NUMBERED.fullmatch(part)
    if found is None or part == "*":
        return part
    first, last, step = int(found["first"] or 0), found["last"], int(found["step"] or 1)
    # With a step and no end, a range goes on to the end of the week.
    end = int(last) if last else (_DAYS - 1 if found["step"] else first)
    if first > end or end > _DAYS or step == 0:
        raise ValueError(f"weekday {part!r}: expected 0 (Sunday) to 7 (Sunday), or mon to sun")
    return ",".join(_NAMES[day % _DAYS] for day in range(first, end + 1, step))


def _readable(cron: str) -> str:
    try:
        _trigger(cron)
    except ValueError as error:
        raise ValueError(f"{cron!r} is no cron expression ({error}); write five fields, e.g. '0 3 * * 1'") from error
    if moment_after(cron, _ANY_DAY) is None:
        raise ValueError(f"{cron!r} has no moment, such as the 31st of February; write days that come")
    return cron


Cron = Annotated[str, AfterValidator(_readable)]
"""A pydantic field type: minute, hour, day, month, weekday."""
