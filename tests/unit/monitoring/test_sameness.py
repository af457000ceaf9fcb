"""What is one value for a day is usual where it always was; what is one value for a week is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from tests.unit.monitoring.windows import CONTRACTS, window_of

from trimtab.core.enums import ColumnKind, Verdict
from trimtab.monitoring.cause import CauseKind
from trimtab.monitoring.causes import name_causes
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.data_quality import DataQualityMonitor, DataQualitySettings
from trimtab.monitoring.sameness import greatest_share, most_frequent
from trimtab.monitoring.season import in_season
from trimtab.monitoring.window import WindowData
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile
from trimtab.profiles.reference import Reference, build_reference

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
BEGIN_US = 19_000 * DAY_US
KINDS = {"chol": ColumnKind.NUMBER}


def daily(days: int, *, first: int = 0) -> np.ndarray:
    """One value a day, of each of its hours, warm in the middle of the year."""
    moments = np.arange(first, first + days)
    level = 10 - 12 * np.cos(moments / 365.25 * 2 * np.pi) + np.random.default_rng(first).normal(0, 3, days)
    return np.repeat(np.round(level, 1), 24)


def reference(days: int = 730) -> Reference:
    values = daily(days)
    return build_reference(pa.table({"chol": values}), KINDS, time_us=BEGIN_US + np.arange(len(values)) * HOUR_US)


REFERENCE = reference()


def week(values: np.ndarray, *, first: int = 800) -> WindowData:
    start_us = BEGIN_US + first * DAY_US
    periods = tuple(
        PeriodProfile(
            "heart",
            "stable",
            1,
            start_us + h * HOUR_US,
            3_600,
            Profile(1, {"chol": NumberProfile.of(values[h : h + 1])}),
        )
        for h in range(len(values))
    )
    window = Window(start_us, start_us + 7 * DAY_US)
    columns = {"chol": CONTRACTS["chol"].model_copy(update={"min": None, "max": None})}
    return replace(window_of({}), reference=REFERENCE, window=window, periods=periods, columns=columns)


def checked(data: WindowData) -> Check:
    return DataQualityMonitor(DataQualitySettings()).check(data).checks[0]


def test_a_day_of_one_value_is_usual_and_a_week_of_it_is_stuck() -> None:
    sound = daily(7, first=800)
    assert checked(week(sound)).verdict is Verdict.OK
    stuck = np.r_[sound[:24], np.full(144, sound[24])]
    found = checked(week(stuck))
    assert (found.verdict, found.detail["problem"]) == (Verdict.BREACH, "stuck")
    assert [cause["kind"] for cause in found.detail["causes"]] == [CauseKind.STUCK]


def test_a_season_is_no_fault_of_a_sensor() -> None:
    (cause,) = name_causes(week(daily(7, first=800) + 30), ["chol"])
    assert cause.kind is CauseKind.SHIFT


def test_the_reference_is_asked_for_the_same_time_of_year() -> None:
    winter, summer = (Window(BEGIN_US + day * DAY_US, BEGIN_US + (day + 7) * DAY_US) for day in (1096, 1278))
    cold, warm = (in_season(REFERENCE, "chol", window) for window in (winter, summer))
    assert cold is not None
    assert warm is not None
    assert cold.quantile(0.9) < 10 < warm.quantile(0.1)
    assert in_season(reference(200), "chol", winter) is None


def test_shares_are_those_of_windows_as_long() -> None:
    one_day = greatest_share(REFERENCE, "chol", Window(0, DAY_US), rows=24)
    one_week = greatest_share(REFERENCE, "chol", Window(0, 7 * DAY_US), rows=168)
    assert one_day == 1.0
    assert one_week is not None
    assert 1 / 7 <= one_week < 0.7
    assert greatest_share(REFERENCE, "nope", Window(0, DAY_US), rows=24) is None
    assert most_frequent(NumberProfile.of(np.array([1.0, 2.0, 2.0, 3.0]))) == (2.0, 0.5)
