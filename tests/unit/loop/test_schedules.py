"""Monitors run when the calendar says so, once for however many moments were missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conftest import BOTH
from tests.unit.loop.projects import World

from trimtab.db.tables import schedule_run
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import is_due, run_due_monitors

_START = datetime(2030, 1, 1, tzinfo=UTC)
_moments = st.builds(
    lambda day, minute: _START + timedelta(days=day, minutes=minute),
    st.sampled_from([0, 6, 13, 30, 57, 364]),
    st.sampled_from([0, 300, 389, 630, 1380, 1439]),
)
_crons = st.sampled_from(["* * * * *", "*/15 * * * *", "0 * * * *", "30 6 * * *", "0 0 * * 1", "0 12 1 * *"])


@given(cron=_crons, last=_moments, wait=st.integers(0, 200), more=st.integers(0, 60))
@settings(deadline=None, max_examples=50)
def test_what_is_due_stays_due_until_it_has_run(cron: str, last: datetime, wait: int, more: int) -> None:
    now = last + timedelta(minutes=wait)
    due = is_due(cron, last, now)
    if due:
        assert is_due(cron, last, now + timedelta(minutes=more))
    assert not is_due(cron, now, now), "what has run just now is not due"
    moments = [last + timedelta(minutes=minute) for minute in range(1, wait + 1)]
    assert due == any(is_due(cron, moment - timedelta(seconds=1), moment) for moment in moments)


def test_a_clock_that_went_back_makes_nothing_due() -> None:
    assert not is_due("* * * * *", _START, _START - timedelta(days=1))


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_monitors_run_once_for_all_the_hours_that_were_missed(world: World) -> None:
    assert not run_due_monitors(world.platform), "the first look only remembers when it was"
    world.clock.advance(timedelta(minutes=59))
    assert not run_due_monitors(world.platform)
    world.clock.advance(timedelta(hours=5))
    assert not run_due_monitors(world.platform), "it serves nothing yet"

    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files("tiny"), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    last = world.platform.database.read(lambda c: c.execute(select(schedule_run.c.last_us)).scalar_one())
    assert last == world.platform.now_us()


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_monitors_that_fail_unforeseen_wait_for_the_next_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object, **_more: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("trimtab.loop.schedules.run_checks_of", fails)
    run_due_monitors(world.platform)
    world.clock.advance(timedelta(hours=2))

    assert not run_due_monitors(world.platform)
    last = world.platform.database.read(lambda c: c.execute(select(schedule_run.c.last_us)).scalar_one())
    assert last == world.platform.now_us(), "they would be run again at once, and for ever"
