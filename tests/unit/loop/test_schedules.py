"""Monitors run when the calendar says so; what was missed is caught up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conftest import BOTH
from tests.unit.loop.projects import World

from trimtab.core.clock import from_micros, to_micros
from trimtab.db.tables import check_result, schedule_run
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import next_due, run_due_monitors
from trimtab.monitoring.store import checks_as_of, run_checks

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
    due = next_due(cron, last, now, ())
    assert next_due(cron, now, now, ()) is None, "what has run just now is not due"
    moments = [last + timedelta(minutes=minute) for minute in range(1, wait + 1)]
    matching = [moment for moment in moments if next_due(cron, moment - timedelta(seconds=1), moment, ()) == moment]
    assert due == max(matching, default=None), "the newest that was missed, if no window counts"
    if due is not None:
        later = next_due(cron, last, now + timedelta(minutes=more), ())
        assert later is not None
        assert later >= due


@given(cron=_crons, last=_moments, minutes=st.integers(1, 400), hours=st.integers(1, 30))
@settings(deadline=None, max_examples=50)
def test_what_was_missed_is_run_in_order_and_skips_no_window(
    cron: str, last: datetime, minutes: int, hours: int
) -> None:
    now, length = last + timedelta(minutes=minutes), timedelta(hours=hours)
    run, at = [], last
    while (moment := next_due(cron, at, now, {length})) is not None:
        assert at < moment <= now
        run.append(moment)
        at = moment
    missed = [last + timedelta(minutes=minute) for minute in range(1, minutes + 1)]
    missed = [moment for moment in missed if next_due(cron, moment - timedelta(seconds=1), moment, ()) == moment]
    assert set(run) <= set(missed)
    assert run[-1:] == missed[-1:], "the newest of all is run"
    windows = [to_micros(moment) // (length // timedelta(microseconds=1)) for moment in missed]
    first_of = {window: moment for window, moment in reversed(list(zip(windows, missed, strict=True)))}
    begun = to_micros(last) // (length // timedelta(microseconds=1))
    assert {moment for window, moment in first_of.items() if window > begun} <= set(run)


def test_a_clock_that_went_back_makes_nothing_due() -> None:
    assert next_due("* * * * *", _START, _START - timedelta(days=1), ()) is None


def _last_run(world: World, name: str = "monitors:tiny") -> datetime:
    query = select(schedule_run.c.last_us).where(schedule_run.c.name == name)
    return from_micros(world.platform.database.read(lambda c: c.execute(query).scalar_one()))


def _serve(world: World) -> None:
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files("tiny"), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass


def _ends(world: World) -> list[datetime]:
    """When the windows that were judged end, oldest first."""
    query = select(check_result.c.window_end_us).distinct().order_by(check_result.c.window_end_us)
    return [from_micros(end_us) for end_us in world.platform.database.read(lambda c: c.execute(query).scalars().all())]


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_windows_end_when_the_calendar_says_and_none_that_was_missed_is_skipped(world: World) -> None:
    (world.platform.project.model_folder("tiny") / "monitoring_config.yaml").write_text(
        "window: 2h\nmonitors: [{type: data_drift}]\n"
    )
    assert not run_due_monitors(world.platform), "the first look only remembers when it was"
    world.clock.advance(timedelta(minutes=59))
    assert not run_due_monitors(world.platform)
    assert _last_run(world) == _START
    world.clock.advance(timedelta(hours=5))
    while run_due_monitors(world.platform):
        pytest.fail("it serves nothing yet")

    _serve(world)
    world.clock.advance(timedelta(hours=5, minutes=6))
    while run_due_monitors(world.platform):
        assert _last_run(world) <= world.clock.now()
    assert _ends(world) == [_START + timedelta(hours=hours) for hours in (6, 8, 10, 11)]


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_monitor_with_a_schedule_of_its_own_runs_apart_and_is_known_of_in_between(world: World) -> None:
    (world.platform.project.model_folder("tiny") / "monitoring_config.yaml").write_text(
        "window: 2h\nmonitors:\n  - {type: data_drift}\n  - {type: data_quality, schedule: 30 */4 * * *}\n"
    )
    run_due_monitors(world.platform)
    _serve(world)
    for _ in range(2):
        world.clock.advance(timedelta(minutes=30))
        assert run_due_monitors(world.platform)
    with world.platform.database.reading() as connection:
        newest_first = connection.execute(select(check_result.c.run_id).order_by(check_result.c.id.desc())).scalars()
        runs = list(dict.fromkeys(newest_first))
        assert {check.kind for check in run_checks(connection, runs[0])} == {"data_drift"}
        assert {check.kind for check in run_checks(connection, runs[1])} == {"data_quality"}
        both = checks_as_of(connection, runs[0], ["data_drift", "data_quality", "gone"])
    assert {(check.kind, from_micros(check.window.end_us).minute) for check in both} == {
        ("data_drift", 0),
        ("data_quality", 30),
    }
    assert _last_run(world, "monitors:tiny:data_quality") == _START + timedelta(minutes=30)


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_monitors_that_fail_unforeseen_wait_for_the_next_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object, **_more: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("trimtab.loop.schedules.run_checks_of", fails)
    run_due_monitors(world.platform)
    world.clock.advance(timedelta(hours=2))

    assert not run_due_monitors(world.platform)
    assert _last_run(world) == world.clock.now(), "they would be run again at once, and for ever"
