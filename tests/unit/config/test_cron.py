"""A calendar means what crontab would take it for."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from trimtab.config.cron import Cron, moment_after

_SUNDAY = datetime(2030, 1, 6, tzinfo=UTC)


def _weekdays(field: str) -> list[int]:
    """Return on which days after a Saturday a job at three would run in the week from Sunday (0) on."""
    days, at = [], _SUNDAY - timedelta(seconds=1)
    while (found := moment_after(f"0 3 * * {field}", at)) is not None and found < _SUNDAY + timedelta(days=7):
        days.append((found - _SUNDAY).days)
        at = found
    return days


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", [0]),
        ("1", [1]),
        ("7", [0]),
        ("6", [6]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("5-7", [0, 5, 6]),
        ("1,3,5", [1, 3, 5]),
        ("*/2", [0, 2, 4, 6]),
        ("1-5/2", [1, 3, 5]),
        ("2/2", [2, 4, 6]),
        ("mon", [1]),
        ("mon-fri", [1, 2, 3, 4, 5]),
        ("sun,3", [0, 3]),
        ("*", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_weekdays_are_counted_from_sunday(field: str, days: list[int]) -> None:
    assert _weekdays(field) == days


@pytest.mark.parametrize("field", ["8", "5-2", "1-9", "*/0", "friday-x", "1-"])
def test_weekdays_that_are_none_are_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="is no cron expression"):
        TypeAdapter(Cron).validate_python(f"0 3 * * {field}")
