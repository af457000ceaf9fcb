"""Which moments are caught up: none by which a window has passed, but no more than are of use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.clock import to_micros
from trimtab.loop.missed import MOST, Missed, missed_moments

_START = datetime(2030, 1, 1, tzinfo=UTC)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_moments = st.builds(
    lambda day, minute: _START + timedelta(days=day, minutes=minute),
    st.sampled_from([0, 6, 13, 30, 57, 364]),
    st.sampled_from([0, 300, 389, 630, 1380, 1439]),
)
_crons = st.sampled_from(["* * * * *", "*/15 * * * *", "0 * * * *", "30 6 * * *", "0 0 * * 1", "0 12 1 * *"])


def _all_of(cron: str, last: datetime, minutes: int) -> list[datetime]:
    """Every moment of ``cron`` in the ``minutes`` after ``last``, found one by one."""
    after = [last + timedelta(minutes=minute) for minute in range(1, minutes + 1)]
    return [moment for moment in after if missed_moments(cron, moment - timedelta(seconds=1), moment, ()).moments]


@given(cron=_crons, last=_moments, minutes=st.integers(0, 200))
@settings(deadline=None, max_examples=50)
def test_the_newest_is_run_if_no_window_counts(cron: str, last: datetime, minutes: int) -> None:
    assert missed_moments(cron, last, last + timedelta(minutes=minutes), ()) == Missed(
        tuple(_all_of(cron, last, minutes)[-1:])
    )
    assert missed_moments(cron, last, last, ()) == Missed(), "what has run just now is not due"


@given(cron=_crons, last=_moments, minutes=st.integers(1, 400), hours=st.sets(st.integers(1, 30), min_size=1))
@settings(deadline=None, max_examples=50)
def test_no_window_is_skipped(cron: str, last: datetime, minutes: int, hours: set[int]) -> None:
    windows = {timedelta(hours=number) for number in hours}
    found = missed_moments(cron, last, last + timedelta(minutes=minutes), windows)
    every = _all_of(cron, last, minutes)
    firsts = {
        next(moment for moment in every if _count(moment, length) == count)
        for length in windows
        for count in {_count(moment, length) for moment in every} - {_count(last, length)}
    }
    assert found.moments == tuple(sorted(firsts | set(every[-1:])))
    assert found.left_out == 0


def _count(moment: datetime, length: timedelta) -> int:
    return to_micros(moment) // (length // timedelta(microseconds=1))


def test_a_clock_that_went_back_makes_nothing_due() -> None:
    assert missed_moments("* * * * *", _START, _START - _DAY, {_HOUR}) == Missed()


def test_after_a_month_the_newest_and_all_weeks_are_caught_up_but_not_each_hour() -> None:
    now = _START + 30 * _DAY
    found = missed_moments("0 * * * *", _START, now, {_HOUR, 7 * _DAY})
    assert len(found.moments) == MOST
    assert found.moments[-1] == now
    assert sum(moment < now - 3 * _DAY for moment in found.moments) == 4, "of the weeks none is left out"
    assert found.left_out == 30 * 24 - (MOST - 4)


@pytest.mark.parametrize("cron", ["* * * * *", "0 6 * * *"])
def test_windows_shorter_than_the_calendar_are_caught_up_as_often_as_it_says(cron: str) -> None:
    found = missed_moments(cron, _START, _START + 30 * _DAY, {timedelta(seconds=1)})
    assert len(found.moments) == min(MOST, 30 if cron.startswith("0") else 43_200)
    assert (found.left_out > 0) is (cron == "* * * * *")
