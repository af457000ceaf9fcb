"""What is measured anew all the time goes when it is old; what was decided stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Table, insert, select
from tests.conftest import BOTH
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.config.loading import parse_yaml
from trimtab.config.project import RetentionConfig
from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError
from trimtab.core.ids import IdFactory
from trimtab.db.tables import (
    check_result,
    monitor_state,
    profile,
    retraining_event,
    rollout,
    rollout_look,
    version_loss,
)
from trimtab.lake.profile_store import save_profiles
from trimtab.loop.retention import forget_old
from trimtab.monitoring.store import save_checks
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

DAY_US = 24 * HOUR_US


def _days_ago(world: World, days: float) -> int:
    return world.platform.now_us() - round(days * DAY_US)


def _forgotten(world: World) -> None:
    """Forget as if ids that are made now had been made at the platform's time."""
    while forget_old(world.platform, machine_us=world.platform.now_us()):
        pass


def _id(at_us: int) -> str:
    return IdFactory(now_ms=lambda: at_us // 1_000)()


def _stored(world: World, table: Table, column: str) -> list[Any]:
    with world.platform.database.reading() as connection:
        return sorted(connection.execute(select(table.c[column])).scalars())


def _profiled(world: World, day: int, hours: int, *, written_ago: float | None = None) -> None:
    start_us = _days_ago(world, day) // DAY_US * DAY_US
    seen = Profile(2, {"sex": CategoryProfile.of(["f", "m"])})
    found = [PeriodProfile(MODEL, "v1", 1, start_us + hour * HOUR_US, 3_600, seen) for hour in range(hours)]
    with world.platform.database.transaction() as connection:
        save_profiles(connection, f"segment-{day}", found)
        for number, row_id in enumerate(
            connection.execute(select(profile.c.id).where(profile.c.segment_id == f"segment-{day}")).scalars().all()
        ):
            made_us = _days_ago(world, day if written_ago is None else written_ago) + number * 1_000
            connection.execute(profile.update().where(profile.c.id == row_id).values(id=_id(made_us)))


def test_hours_become_days_and_days_go(world: World) -> None:
    for day in (500, 100, 10):
        _profiled(world, day, hours=24)
    _forgotten(world)
    kept = sorted(zip(_stored(world, profile, "period_s"), _stored(world, profile, "rows"), strict=True))
    assert kept == [*[(3_600, 2)] * 24, (86_400, 48)]


def test_rows_of_long_ago_that_are_told_today_are_new(world: World) -> None:
    _profiled(world, 500, hours=24, written_ago=0)
    _forgotten(world)
    assert _stored(world, profile, "period_s") == [3_600] * 24


def test_checks_go_and_a_look_at_last_year_stays(world: World) -> None:
    [check] = world.drift(Verdict.OK, quality=0.8)[:1]
    now = world.clock.now()
    for name, about_days, written_days in (("old", 500, 500), ("asked today", 500, 0), ("new", 1, 1)):
        at = now - timedelta(days=about_days)
        with world.platform.database.transaction() as connection:
            made_us = to_micros(now - timedelta(days=written_days))
            save_checks(connection, [check], at=at, ids=partial(_id, made_us), run_id=name)
    _forgotten(world)
    assert _stored(world, check_result, "run_id") == ["asked today", "new"]


def test_evaluations_that_fired_stay(world: World) -> None:
    with world.platform.database.transaction() as connection:
        for days, held in ((500, False), (501, True), (3, False)):
            at_us = _days_ago(world, days)
            values = {"id": _id(at_us), "model": MODEL, "held": held, "at_us": at_us, "spec": {}}
            connection.execute(insert(retraining_event).values(**values))
    _forgotten(world)
    assert _stored(world, retraining_event, "at_us") == [_days_ago(world, 501), _days_ago(world, 3)]


def test_the_ledger_of_a_version_that_is_judged_still_is_kept_whole(world: World) -> None:
    with world.platform.database.transaction() as connection:
        for version, days in ((1, 900), (1, 800), (2, 900), (2, 5)):
            place = {"model": MODEL, "endpoint": MODEL, "model_version": version, "series": "answers"}
            end_us = _days_ago(world, days)
            values = {"start_us": end_us - DAY_US, "end_us": end_us, "rows": 30, "loss": 1.0}
            connection.execute(insert(version_loss).values(**place, **values, spec={}))
        for version, days in ((1, 800), (2, 5)):
            place = {"model": MODEL, "endpoint": MODEL, "variant": "v1", "model_version": version, "monitor": "m"}
            ended_us = _days_ago(world, days)
            connection.execute(insert(monitor_state).values(**place, window_end_us=ended_us, spec={}))
    _forgotten(world)
    assert _stored(world, version_loss, "model_version") == [2, 2]
    assert _stored(world, monitor_state, "model_version") == [2]


def test_looks_go_with_the_rollout_that_ended(world: World) -> None:
    with world.platform.database.transaction() as connection:
        for name, active, ended_days in (("a", False, 500), ("b", False, 3), ("c", True, None)):
            began_us = _days_ago(world, 600)
            values = {"id": name, "endpoint": name, "model": MODEL, "candidate": 2, "phase": "done", "active": active}
            finished_us = None if ended_days is None else _days_ago(world, ended_days)
            connection.execute(
                insert(rollout).values(**values, started_us=began_us, finished_us=finished_us, spec={}, version=1)
            )
            look = {
                "rollout_id": name,
                "sequence": 1,
                "at_us": began_us,
                "step_index": 0,
                "phase": "canary",
                "spec": {},
            }
            connection.execute(insert(rollout_look).values(**look))
    _forgotten(world)
    assert _stored(world, rollout_look, "rollout_id") == ["b", "c"]


def test_more_than_goes_at_once_goes_in_turns(world: World) -> None:
    [check] = world.drift(Verdict.OK, quality=0.8)[:1]
    ids = IdFactory(now_ms=lambda: _days_ago(world, 500) // 1_000)
    many = [replace(check, column=f"c{place}") for place in range(1_299)]
    with world.platform.database.transaction() as connection:
        save_checks(connection, many, at=world.clock.now() - timedelta(days=500), ids=ids)
    assert forget_old(world.platform, machine_us=world.platform.now_us())
    assert len(_stored(world, check_result, "id")) == 299
    _forgotten(world)
    assert _stored(world, check_result, "id") == []


def test_nothing_goes_where_all_is_kept_and_less_than_monitors_look_back_is_refused(world: World) -> None:
    _profiled(world, 500, hours=2)
    config = world.platform.project.config
    kept = RetentionConfig(profiles=None, checks=None)
    project = type(world.platform.project)(world.platform.project.root, config.model_copy(update={"retention": kept}))
    with pytest.raises(ConfigError, match="30d or more"):
        parse_yaml(b"profiles: 7d", RetentionConfig, source="trimtab.yaml")
    forget_old(replace(world.platform, project=project), machine_us=world.platform.now_us())
    assert _stored(world, profile, "rows") == [4]
