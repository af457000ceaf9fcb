"""Rows that come twice, against the contract, too seldom or too often are told; what is usual is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.monitoring.windows import CONTRACTS, MINUTE_US, START_US, Columns, patients, window_of

from trimtab.core.enums import Verdict
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.data_quality import DataQualityMonitor, DataQualitySettings
from trimtab.monitoring.row_quality import usual_duplicate_share, usual_volume
from trimtab.monitoring.window import DeliveredRows, WindowData
from trimtab.profiles.profile import Profile
from trimtab.profiles.reference import Block, Reference, build_reference

ROWS = 300
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


def of_rows(data: WindowData, **settings: object) -> Mapping[str, Check]:
    checks = DataQualityMonitor(DataQualitySettings.model_validate(settings)).check(data).checks
    return {str(check.detail.get("metric", "volume")): check for check in checks if check.column is None}


def repeated(columns: Columns, since: int, times: int) -> Columns:
    places = np.repeat(np.arange(ROWS), np.where(np.arange(ROWS) >= since, times, 1))
    return {name: np.asarray(values, dtype=object)[places].tolist() for name, values in columns.items()}


def hourly(days: int, rows_an_hour: np.ndarray) -> Reference:
    """Return a reference with so many rows in each hour of a day."""
    hours = np.repeat(np.arange(days * 24), np.tile(rows_an_hour, days))
    table = pa.table({"chol": np.random.default_rng(1).normal(245, 50, len(hours))})
    return build_reference(table, {"chol": CONTRACTS["chol"].type}, time_us=hours * HOUR_US)


def test_a_feed_that_says_each_row_twice_is_a_breach_that_names_it_since_when() -> None:
    sound = patients(ROWS, seed=7)
    assert of_rows(window_of(sound))["duplicates"].verdict is Verdict.OK
    found = of_rows(window_of(repeated(sound, since=100, times=3)))["duplicates"]
    assert found.verdict is Verdict.BREACH
    cause = Cause.from_json(found.detail["causes"][0])
    assert (cause.kind, cause.column) == (CauseKind.DUPLICATED_FEED, "")
    assert cause.factor == pytest.approx(700 / 300, rel=0.1)


def test_a_repeated_batch_of_a_period_is_dated() -> None:
    data = window_of(repeated(patients(ROWS, seed=7), since=0, times=2))
    thrice = tuple(p for p in data.periods for _ in range(3 if p.start_us >= START_US + 300 * MINUTE_US else 1))
    found = of_rows(replace(data, periods=thrice), max_duplicate_share=0.1)["duplicates"]
    cause = Cause.from_json(found.detail["causes"][0])
    assert cause.since_us == START_US + 300 * MINUTE_US


def test_rows_that_are_as_often_alike_in_the_reference_are_no_duplicates() -> None:
    rng = np.random.default_rng(2)
    few = {"pain": rng.choice(["none", "mild", "severe"], 2000), "smokes": rng.choice([True, False], 2000)}
    kinds = {name: CONTRACTS[name].type for name in few}
    reference = build_reference(pa.table(few), kinds, time_us=None)
    window = {name: values[:ROWS].tolist() for name, values in few.items()}
    contracts = {name: CONTRACTS[name] for name in few}
    found = of_rows(window_of(window, reference=reference, contracts=contracts))["duplicates"]
    assert found.verdict is Verdict.OK
    assert "98%" in found.explanation


@pytest.mark.parametrize("rows", [30, 1_000, 4_000, 40_000])
def test_more_rows_may_repeat_more_often(rows: int) -> None:
    values = np.random.default_rng(3).integers(0, 5_000, 4_000).astype(np.float64)
    reference = build_reference(pa.table({"chol": values}), {"chol": CONTRACTS["chol"].type}, time_us=None)
    usual = usual_duplicate_share(reference, rows)
    assert usual is not None
    live = np.random.default_rng(4).integers(0, 5_000, rows)
    assert usual >= 1 - len(np.unique(live)) / rows - 0.05


def test_what_was_made_before_rows_were_counted_is_inconclusive() -> None:
    data = window_of(patients(ROWS, seed=7))
    old = [Block(b.start_us, b.end_us, Profile(b.profile.rows, b.profile.columns)) for b in data.reference.blocks]
    found = of_rows(replace(data, reference=Reference(tuple(old))))["duplicates"]
    assert (found.verdict, "retrain once" in found.explanation) == (Verdict.INCONCLUSIVE, True)
    periods = tuple(replace(p, profile=Profile(p.profile.rows, p.profile.columns)) for p in data.periods)
    found = of_rows(replace(data, periods=periods))["duplicates"]
    assert (found.verdict, "wait" in found.explanation) == (Verdict.INCONCLUSIVE, True)


def test_rows_that_broke_the_contract_are_counted_over_the_window() -> None:
    data = window_of(patients(ROWS, seed=7))
    assert "schema" not in of_rows(data)
    parts = (
        DeliveredRows(START_US, 100, 0, {}),
        DeliveredRows(START_US + HOUR_US, 100, 30, {"chol: not a number": 30}),
    )
    found = of_rows(replace(data, delivered=parts))["schema"]
    assert (found.verdict, found.value) == (Verdict.BREACH, 0.15)
    assert "chol: not a number (30)" in found.explanation
    assert of_rows(replace(data, delivered=parts), max_violation_share=0.2)["schema"].verdict is Verdict.OK
    later = replace(data, window=Window(START_US, START_US + 2 * HOUR_US), delivered=parts).narrowed(HOUR_US)
    assert of_rows(later)["schema"].value == 0.3
    few = (DeliveredRows(START_US, 3, 3, {"x": 3}),)
    assert of_rows(replace(data, delivered=few))["schema"].verdict is Verdict.INCONCLUSIVE


def test_volume_is_held_against_the_references_rhythm_at_the_same_hours() -> None:
    by_day = np.array([2] * 8 + [40] * 12 + [2] * 4)
    reference = hourly(60, by_day)
    night, noon = (Window(90 * DAY_US + hour * HOUR_US, 90 * DAY_US + (hour + 2) * HOUR_US) for hour in (2, 10))
    assert usual_volume(reference, night) == (4.0, 4.0)
    assert usual_volume(reference, noon) == (80.0, 80.0)
    assert usual_volume(reference, Window(90 * DAY_US, 100 * DAY_US)) == (5040.0, 5040.0)
    assert usual_volume(reference, Window(0, 59 * DAY_US)) is None
    data = replace(window_of(patients(40, seed=7)), reference=reference)
    at_night, at_noon = (of_rows(replace(data, window=w), volume_factor=3)["volume"] for w in (night, noon))
    assert (at_night.verdict, at_night.threshold) == (Verdict.BREACH, 12.0)
    assert at_noon.verdict is Verdict.OK
    none = of_rows(window_of(patients(40, seed=7)), volume_factor=3)["volume"]
    assert (none.verdict, "no times" in none.explanation) == (Verdict.INCONCLUSIVE, True)


def test_a_feed_that_stopped_falls_below_the_rhythm() -> None:
    data = replace(window_of({}), reference=hourly(60, np.full(24, 10)))
    assert of_rows(data, volume_factor=2)["volume"].verdict is Verdict.BREACH
