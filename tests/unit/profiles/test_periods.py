from __future__ import annotations

import gc
import time

import numpy as np
import pyarrow as pa
import pytest

from trimtab.core.errors import DataContractError
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.periods import LATENCY, PREDICTION, PROBABILITY, profile_segment
from trimtab.profiles.profile import merge_all

HOUR_US = 3_600_000_000


def segment(rows: list[tuple[int, str, float | None, str | None, bool | None]]) -> pa.Table:
    columns = {
        "event_us": pa.array([row[0] for row in rows], pa.int64()),
        "variant": pa.array([row[1] for row in rows], pa.string()),
        "prediction": pa.array(["yes"] * len(rows), pa.string()),
        "probability": pa.array([0.7] * len(rows), pa.float64()),
        "latency_ms": pa.array([2.5] * len(rows), pa.float64()),
        "f.chol": pa.array([row[2] for row in rows], pa.float64()),
        "f.sex": pa.array([row[3] for row in rows], pa.string()),
        "f.smokes": pa.array([row[4] for row in rows], pa.bool_()),
    }
    return pa.table(columns).replace_schema_metadata({"endpoint": "heart", "model_version": "3"})


def test_rows_are_summarised_by_variant_and_period_in_any_order() -> None:
    table = segment(
        [
            (2 * HOUR_US + 5, "stable", 3.0, "f", True),
            (10, "stable", 1.0, "f", None),
            (20, "canary", 9.0, None, False),
            (HOUR_US - 1, "stable", None, "m", True),
        ]
    )
    found = profile_segment(table, period_s=3600)
    assert [(part.variant, part.start_us, part.profile.rows) for part in found] == [
        ("canary", 0, 1),
        ("stable", 0, 2),
        ("stable", 2 * HOUR_US, 1),
    ]
    assert {(part.endpoint, part.model_version, part.period_s) for part in found} == {("heart", 3, 3600)}
    first = found[1].profile
    assert set(first.columns) == {"chol", "sex", "smokes", PREDICTION, PROBABILITY, LATENCY}
    chol = first.columns["chol"]
    assert isinstance(chol, NumberProfile)
    assert (chol.count, chol.missing, chol.mean) == (1, 1, 1.0)
    assert first.columns["sex"] == CategoryProfile(2, 0, {"f": 1, "m": 1})
    assert first.columns["smokes"] == CategoryProfile(1, 1, {"true": 1})
    assert first.columns[PREDICTION] == CategoryProfile(2, 0, {"yes": 2})


def test_periods_together_are_the_profile_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=500)
    table = segment([(int(rng.integers(0, 50 * HOUR_US)), "a", float(x), "f", True) for x in values])
    merged = merge_all(part.profile for part in profile_segment(table, period_s=3600)).columns["chol"]
    assert isinstance(merged, NumberProfile)
    assert np.array_equal(merged.points()[0], np.sort(values))
    assert merged.std == pytest.approx(values.std())


def test_a_segment_without_rows_has_no_profiles() -> None:
    assert profile_segment(segment([]), period_s=60) == []


def test_a_table_that_is_no_segment_is_refused() -> None:
    with pytest.raises(DataContractError, match="prediction segment: lacks"):
        profile_segment(pa.table({"event_us": [1]}), period_s=60)
    with pytest.raises(DataContractError, match="endpoint and model_version"):
        profile_segment(segment([]).replace_schema_metadata({}), period_s=60)


def test_ten_times_the_hours_take_about_ten_times_the_work() -> None:
    def work_s(hours: int) -> float:
        table = segment([(hour * HOUR_US, "a", float(hour), "f", True) for hour in range(hours)])
        gc.collect()
        gc.disable()  # what it costs depends on what other tests left behind
        try:
            begun_s = time.process_time()
            found = profile_segment(table, period_s=3600)
            spent_s = time.process_time() - begun_s
        finally:
            gc.enable()
        assert len(found) == hours
        return spent_s

    # Every row looked at for every hour would be a hundred times. A busy machine only ever adds: the least is the work.
    few, many = zip(*((work_s(876), work_s(8760)) for _ in range(5)), strict=True)
    assert min(many) < 40 * min(few)
