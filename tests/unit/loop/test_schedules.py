"""Monitors run when the calendar says so; what was missed is caught up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import BOTH
from tests.unit.loop.projects import World

from trimtab.audit import log as audit
from trimtab.core.clock import from_micros
from trimtab.db.tables import check_result, schedule_run
from trimtab.loop.checks import run_checks_of
from trimtab.loop.missed import missed_moments
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import run_due_monitors
from trimtab.monitoring.store import checks_as_of, run_checks

_START = datetime(2030, 1, 1, tzinfo=UTC)


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
    assert _order(world)[:2] == [11, 6], "the present is told first"


def _order(world: World) -> list[int]:
    """The hours since the start at which the windows of the runs end, in the order of the runs."""
    query = select(check_result.c.run_id, check_result.c.window_end_us).order_by(check_result.c.id)
    rows = world.platform.database.read(lambda c: c.execute(query).all())
    return [(from_micros(end_us) - _START) // timedelta(hours=1) for _, end_us in dict.fromkeys(map(tuple, rows))]


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_after_a_long_outage_the_newest_is_judged_first_and_the_oldest_are_left_out_and_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.loop.schedules.missed_moments", partial(missed_moments, most=6))
    (world.platform.project.model_folder("tiny") / "monitoring_config.yaml").write_text(
        "window: 2h\nmonitors: [{type: data_drift}]\n"
    )
    _serve(world)
    run_due_monitors(world.platform)
    world.clock.advance(timedelta(days=9, hours=1))
    while run_due_monitors(world.platform):
        pass
    assert _order(world) == [217, 208, 210, 212, 214, 216, 217]
    with world.platform.database.reading() as connection:
        [left_out] = [entry for entry in audit.show(connection) if entry.action == "checks.left_out"]
    assert "103 windows left out, 6 moments caught up" in left_out.reason


def test_what_serves_nothing_yet_has_missed_nothing(world: World) -> None:
    (world.platform.project.model_folder("tiny") / "monitoring_config.yaml").write_text(
        "window: 1h\nmonitors: [{type: data_drift}]\n"
    )
    run_due_monitors(world.platform)
    world.clock.advance(timedelta(days=9))
    for _ in range(2):
        assert not run_due_monitors(world.platform)
    assert _last_run(world) == world.clock.now()
    with world.platform.database.reading() as connection:
        assert [entry for entry in audit.show(connection) if entry.action == "checks.left_out"] == []


def test_what_nobody_can_run_ahead_is_caught_up_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[datetime] = []

    def fails(*_arguments: object, at: datetime, **_more: object) -> None:
        seen.append(at)
        raise ZeroDivisionError("by zero")

    (world.platform.project.model_folder("tiny") / "monitoring_config.yaml").write_text(
        "window: 1h\nmonitors: [{type: data_drift}]\n"
    )
    monkeypatch.setattr("trimtab.loop.schedules.run_checks_of", fails)
    run_due_monitors(world.platform)
    world.clock.advance(timedelta(hours=5))
    for _ in range(9):
        run_due_monitors(world.platform)
    assert [(at - _START) // timedelta(hours=1) for at in seen] == [5, 1, 2, 3, 4, 5]


def test_of_two_processes_that_look_ahead_one_stores_what_it_saw(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.platform.project.model_folder("tiny") / "monitoring_config.yaml").write_text(
        "window: 1h\nmonitors: [{type: data_drift}]\n"
    )
    _serve(world)
    run_due_monitors(world.platform)
    world.clock.advance(timedelta(hours=5))

    def other_first(*arguments: Any, **more: Any) -> Any:
        monkeypatch.undo()
        assert run_due_monitors(world.platform)
        return run_checks_of(*arguments, **more)

    monkeypatch.setattr("trimtab.loop.schedules.run_checks_of", other_first)
    assert not run_due_monitors(world.platform)
    assert _order(world) == [5]


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
