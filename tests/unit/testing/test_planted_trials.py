"""Planted faults in real rides by the hour are detected, and called by their names, by monitors as they come."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lightgbm import LGBMRegressor

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Task
from trimtab.monitoring.data_drift import DataDriftSettings
from trimtab.monitoring.data_quality import DataQualitySettings
from trimtab.monitoring.quality.model_quality import ModelQualitySettings
from trimtab.testing.planted import Planted, PlantedCause
from trimtab.testing.planted_trials import Answers, Outcome, Trial, tried

SEEN_BY = {
    PlantedCause.UNIT_CHANGE: ("data_drift", 1),
    PlantedCause.STUCK_SENSOR: ("data_quality", 2),
    PlantedCause.NEW_CATEGORY: ("data_quality", 1),
    PlantedCause.NULL_BURST: ("data_quality", 1),
    PlantedCause.DUPLICATED_FEED: ("data_quality", 1),
    PlantedCause.SWAPPED_COLUMNS: ("data_drift", 2),
    PlantedCause.LABEL_FLIP: ("model_quality", 2),
    PlantedCause.SLOW_CONCEPT_DRIFT: ("model_quality", 4),
}
"""By which monitor, and in which window at the latest, counted from the one in the middle of which the fault begins."""

BIKES = Path(__file__).parents[3] / "examples" / "demo" / "data"
DAY_US = 86_400_000_000
NUMBERS = ("hour", "month", "tmin", "tmax", "precipitation")
FEATURES = {name: ColumnContract(type=ColumnKind.NUMBER, nullable=True) for name in NUMBERS} | {
    "weekday": ColumnContract(type=ColumnKind.CATEGORY, nullable=True)
}
SOUND, WINDOWS = 2, 7

FAULTS = {
    PlantedCause.UNIT_CHANGE: Planted(PlantedCause.UNIT_CHANGE, "hour", amount=60.0),
    PlantedCause.STUCK_SENSOR: Planted(PlantedCause.STUCK_SENSOR, "tmin"),
    PlantedCause.NEW_CATEGORY: Planted(PlantedCause.NEW_CATEGORY, "weekday", amount=0.2),
    PlantedCause.NULL_BURST: Planted(PlantedCause.NULL_BURST, "tmax", amount=0.3),
    PlantedCause.DUPLICATED_FEED: Planted(PlantedCause.DUPLICATED_FEED),
    PlantedCause.SWAPPED_COLUMNS: Planted(PlantedCause.SWAPPED_COLUMNS, "hour", "tmax"),
    PlantedCause.LABEL_FLIP: Planted(PlantedCause.LABEL_FLIP, "count", amount=0.5),
    PlantedCause.SLOW_CONCEPT_DRIFT: Planted(PlantedCause.SLOW_CONCEPT_DRIFT, "count", "hour", amount=1.0),
}


@cache
def trial() -> Trial:
    """Two years of reference, and weeks after it; a year answers for the other."""
    raw = pa.concat_tables([pq.read_table(BIKES / f"bikes-{part}.parquet") for part in ("year-1", "year-2", "after")])
    times = pc.cast(raw["time"].cast(pa.timestamp("us")), pa.int64()).to_numpy()
    numbers = {name: raw[name].cast(pa.float64()) for name in NUMBERS}
    # The service grew, which alone would be a breach of quality: rides are told in those of the four weeks before.
    rides = raw["count"].to_numpy().astype(np.float64)
    total = np.r_[0.0, np.cumsum(rides)]
    usual = (total[672:-1] - total[:-673]) / 672
    table = pa.table({"time_us": times, **numbers, "weekday": raw["weekday"].cast(pa.string())}).slice(672)
    table, times = table.append_column("count", pa.array(rides[672:] / usual)), times[672:]
    begin_us = (int(times[0]) // DAY_US + 2 * 365 - 28) * DAY_US
    before = table.filter(pc.less(table["time_us"], begin_us))
    year = np.arange(before.num_rows) // 168 % 2
    fits = [fitted(before.filter(pa.array(year != half))) for half in (0, 1)]
    known = np.where(year == 0, answered(fits[0], before), answered(fits[1], before))
    baseline = {"mae": float(np.mean(np.abs(known - before["count"].to_numpy())))}
    whole = fitted(before)
    return Trial(
        table=table,
        features=FEATURES,
        target="count",
        task=Task.REGRESSION,
        begin_us=begin_us,
        window_us=7 * DAY_US,
        predict=lambda rows: Answers(answered(whole, rows)),
        known=Answers(known),
        baseline=baseline,
        monitors=(DataDriftSettings(), DataQualitySettings(), ModelQualitySettings(max_degradation=0.2)),
    )


def matrix(rows: pa.Table) -> np.ndarray:
    weekday = [float(day) if (day or "").isdigit() else -1.0 for day in rows["weekday"].to_pylist()]
    return np.column_stack([*(rows[name].to_numpy() for name in NUMBERS), weekday])


def fitted(rows: pa.Table) -> LGBMRegressor:
    model = LGBMRegressor(n_estimators=60, num_leaves=15, verbose=-1, n_jobs=1, random_state=0)
    return model.fit(matrix(rows), rows["count"].to_numpy())


def answered(model: LGBMRegressor, rows: pa.Table) -> np.ndarray:
    return np.asarray(model.predict(matrix(rows)), dtype=np.float64)


@cache
def outcomes() -> dict[PlantedCause, Outcome]:
    found = tried(trial(), list(FAULTS.values()), sound=SOUND, windows=WINDOWS, seed=1)
    return {outcome.cause: outcome for outcome in found}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_planted_fault_is_detected_and_called_by_its_name(cause: PlantedCause) -> None:
    outcome = outcomes()[cause]
    by, most = SEEN_BY[cause]
    assert by in outcome.detected_by
    assert outcome.delay is not None
    assert outcome.delay <= most
    assert outcome.named_after is not None
    assert outcome.named_after <= most


def test_nothing_is_in_breach_without_a_fault() -> None:
    assert {outcome.before for outcome in outcomes().values()} == {0.0}
    assert all(not any(outcome.breaches[:SOUND]) for outcome in outcomes().values())
