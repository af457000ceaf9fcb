"""Checks read days where there are any, and look again by hours when something is off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select
from tests.unit.loop.projects import HOUR_US, MODEL, World

from trimtab.core.enums import ColumnKind, Verdict
from trimtab.db.tables import profile
from trimtab.lake.profile_store import load_profiles, save_profiles
from trimtab.loop.checks import run_checks_of
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import start_rollout
from trimtab.loop.rolling_up import roll_up_profiles
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.monitoring.run import Look, run_monitors
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile

_CONFIG = "window: 3d\nmonitors: [{type: data_quality, min_rows: 10}]\n"
DAY_US = 24 * HOUR_US


@pytest.fixture
def serving(world: World) -> World:
    """A world whose model serves version 1, and has answered three days ago and since."""
    (world.platform.project.model_folder(MODEL) / "monitoring_config.yaml").write_text(_CONFIG)
    world.version(1)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    return world


def _answer(world: World, *, broken_since_us: int) -> int:
    """Let ten rows be answered in each of the 72 hours before now; return when that began."""
    start_us = (world.platform.now_us() // HOUR_US - 72) * HOUR_US
    for hour in range(72):
        at_us = start_us + hour * HOUR_US
        ages = np.full(10, np.nan) if at_us >= broken_since_us else 40.0 + np.arange(10)
        seen = Profile.of_table(pa.table({"age": ages}), {"age": ColumnKind.NUMBER})
        with world.platform.database.transaction() as connection:
            found = PeriodProfile(MODEL, "v1", 1, at_us, 3600, seen)
            save_profiles(connection, world.platform.new_id(), [found])
    return start_us


def _stored(world: World) -> list[int]:
    with world.platform.database.reading() as connection:
        return sorted(connection.execute(select(profile.c.period_s)).scalars())


def test_a_cause_is_dated_to_the_hour_though_days_were_read(serving: World) -> None:
    day_us = serving.platform.now_us() // DAY_US * DAY_US
    broken_us = day_us - 19 * HOUR_US
    start_us = _answer(serving, broken_since_us=broken_us)
    while roll_up_profiles(serving.platform):
        pass
    assert _stored(serving).count(86_400) >= 2
    with serving.platform.database.reading() as connection:
        found = load_profiles(connection, MODEL, start_us=start_us, end_us=start_us + 72 * HOUR_US)
    assert {period.period_s for period in found} == {3_600, 86_400}
    run = run_checks_of(
        serving.platform, serving.platform.files(MODEL), at=serving.clock.now() + timedelta(0), actor="dana"
    )
    (missing,) = (check for check in run.checks if check.column == "age")
    assert missing.verdict is Verdict.BREACH
    assert [cause["since_us"] for cause in missing.detail["causes"]] == [broken_us]


def test_nothing_is_summed_up_twice(serving: World) -> None:
    _answer(serving, broken_since_us=2**62)
    while roll_up_profiles(serving.platform):
        pass
    before = _stored(serving)
    assert not roll_up_profiles(serving.platform)
    assert _stored(serving) == before


def test_monitors_run_once_though_a_cause_is_dated(serving: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(serving, broken_since_us=serving.platform.now_us() // DAY_US * DAY_US - 19 * HOUR_US)
    while roll_up_profiles(serving.platform):
        pass
    runs: list[tuple[Look, ...]] = []

    def counted(*arguments: Any, **more: Any) -> tuple[Look, ...]:
        runs.append(run_monitors(*arguments, **more))
        return runs[-1]

    monkeypatch.setattr("trimtab.loop.checks.run_monitors", counted)
    found = run_checks_of(serving.platform, serving.platform.files(MODEL), at=serving.clock.now(), actor="dana")
    assert len(runs) == 1
    assert found.breaches
