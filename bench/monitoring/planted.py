"""Eight planted faults on three real tables: detected, by what, after how many windows, and called by their names?

    python -m bench.monitoring.planted FOLDER [--only bikes parking adult] [--seeds 3] [--json FILE]

FOLDER holds ``hourly_bikesharing.csv``, ``hourly_parking.csv`` and ``adult.csv``; those that are absent are left out.
Bikes: hourly rows, windows of a week, four years of reference. Parking: how full car parks are, windows of a day, forty
days of reference. Adult has no times: its rows are taken as 500 a day, so nothing changes in it but what is planted.
The model is LightGBM; the reference holds its answers to weeks or days that it had not learnt. Monitors as ``trimtab
init`` writes them, and `prediction_drift`. A fault begins in the middle of a window, after four sound ones, and stays.
Counted are breaches that the same windows don't have without it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Task
from trimtab.monitoring.data_drift import DataDriftSettings
from trimtab.monitoring.data_quality import DataQualitySettings
from trimtab.monitoring.prediction_drift import PredictionDriftSettings
from trimtab.monitoring.quality.model_quality import ModelQualitySettings
from trimtab.testing.planted import Planted, PlantedCause
from trimtab.testing.planted_trials import Answers, Trial, tried

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
SOUND, WINDOWS = 4, 12
MONITORS = (
    DataDriftSettings(),
    DataQualitySettings(),
    PredictionDriftSettings(),
    ModelQualitySettings(max_degradation=0.2),
)
Kinds = dict[str, ColumnKind]


def faults_of(
    unit: Planted, stuck: str, category: str, swap: tuple[str, str], target: str, along: str
) -> list[Planted]:
    """Return the eight faults, each on a column that it may befall."""
    return [
        unit,
        Planted(PlantedCause.STUCK_SENSOR, stuck),
        Planted(PlantedCause.NEW_CATEGORY, category, amount=0.2),
        Planted(PlantedCause.NULL_BURST, unit.column, amount=0.3),
        Planted(PlantedCause.DUPLICATED_FEED, "", amount=2),
        Planted(PlantedCause.SWAPPED_COLUMNS, *swap),
        Planted(PlantedCause.LABEL_FLIP, target, amount=0.4),
        Planted(PlantedCause.SLOW_CONCEPT_DRIFT, target, along, amount=0.6),
    ]


class Model:
    """LightGBM on numbers and codes of categories."""

    def __init__(self, kinds: Kinds, target: str, task: Task) -> None:
        self._kinds, self._target, self._task = kinds, target, task
        self._codes: dict[str, dict[Any, int]] = {}

    def fitted(self, rows: pa.Table) -> Model:
        """Learn the rows."""
        for name, kind in self._kinds.items():
            if kind is ColumnKind.CATEGORY:
                self._codes[name] = {value: code for code, value in enumerate(sorted(set(rows[name].to_pylist())))}
        kind = LGBMRegressor if self._task is Task.REGRESSION else LGBMClassifier
        self._fit = kind(n_estimators=100, verbose=-1, n_jobs=1, random_state=0)
        self._fit.fit(self._matrix(rows), np.array(rows[self._target].to_pylist()))
        return self

    def __call__(self, rows: pa.Table) -> Answers:
        """Answer the rows."""
        if not rows.num_rows:
            return Answers(np.empty(0), None if self._task is Task.REGRESSION else np.empty(0))
        if self._task is Task.REGRESSION:
            return Answers(np.asarray(self._fit.predict(self._matrix(rows)), dtype=np.float64))
        chance = np.asarray(self._fit.predict_proba(self._matrix(rows)))[:, 1]
        return Answers(np.asarray(self._fit.classes_)[(chance > 0.5).astype(int)], chance)

    def _matrix(self, rows: pa.Table) -> NDArray[np.float64]:
        parts = []
        for name, kind in self._kinds.items():
            if kind is ColumnKind.CATEGORY:
                codes = self._codes[name]
                parts.append(np.array([codes.get(value, -1) for value in rows[name].to_pylist()], dtype=np.float64))
            else:
                parts.append(rows[name].cast(pa.float64()).to_numpy())
        return np.column_stack(parts)


def trial_of(
    table: pa.Table,
    kinds: Kinds,
    target: str,
    task: Task,
    *,
    begin_us: int,
    window_us: int,
    positive: str | None = None,
    units: Mapping[str, str] | None = None,
) -> Trial:
    """Return the trial: two halves of the reference, by turns of a window, answer for each other."""
    before = table.filter(pc.less(table["time_us"], begin_us))
    turn = before["time_us"].to_numpy() // window_us % 2
    answers = [Model(kinds, target, task).fitted(before.filter(pa.array(turn != half)))(before) for half in (0, 1)]
    chances = [part.probability for part in answers]
    known = Answers(
        np.where(turn == 0, answers[0].prediction, answers[1].prediction),
        None if chances[0] is None or chances[1] is None else np.where(turn == 0, chances[0], chances[1]),
    )
    truth = np.array(before[target].to_pylist())
    if task is Task.REGRESSION:
        baseline = {"mae": float(np.mean(np.abs(truth - known.prediction)))}
    else:
        baseline = {"accuracy": float(np.mean(truth == known.prediction))}
    features = {
        name: ColumnContract(type=kind, nullable=True, unit=(units or {}).get(name)) for name, kind in kinds.items()
    }
    model = Model(kinds, target, task).fitted(before)
    return Trial(
        table, features, target, task, begin_us, window_us, model, known, baseline, MONITORS, positive_class=positive
    )


def micros_of(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return times in microseconds since 1970."""
    return np.asarray(pc.cast(column.cast(pa.timestamp("us")), pa.int64()).to_numpy(), dtype=np.int64)


def bikes_between(path: Path, first_us: int, begin_us: int, last_us: int) -> Trial:
    """Return rides an hour by week, with a reference from ``first_us`` until ``begin_us``."""
    raw = pa_csv.read_csv(path)
    times = micros_of(raw["ts"])
    weekdays = np.array(["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"])
    table = pa.table(
        {
            "time_us": times,
            "hour": (times // HOUR_US % 24).astype(np.float64),
            "weekday": weekdays[times // DAY_US % 7],
            "month": (times.astype("datetime64[us]").astype("datetime64[M]").astype(int) % 12 + 1).astype(np.float64),
            **{name: raw[name].cast(pa.float64()) for name in ("tmin", "tmax", "pn", "count")},
        }
    )
    table = table.filter(pa.array((times >= first_us) & (times < last_us)))
    kinds = dict.fromkeys(("hour", "month", "tmin", "tmax", "pn"), ColumnKind.NUMBER) | {"weekday": ColumnKind.CATEGORY}
    # 1.8 is no factor that a column without a unit is suspected of: it may be growth.
    units = dict.fromkeys(("tmin", "tmax"), "°C")
    return trial_of(table, kinds, "count", Task.REGRESSION, begin_us=begin_us, window_us=7 * DAY_US, units=units)


def bikes(path: Path) -> tuple[Trial, list[Planted]]:
    """Return rides an hour, 2011 to 2014, and the first weeks of 2015."""
    first, begin = (int(np.datetime64(day, "us").astype(int)) for day in ("2011-01-03", "2015-01-05"))
    trial = bikes_between(path, first, begin, begin + WINDOWS * 7 * DAY_US)
    fahrenheit = Planted(PlantedCause.UNIT_CHANGE, "tmax", amount=1.8, offset=32.0)
    return trial, faults_of(fahrenheit, "tmin", "weekday", ("hour", "tmax"), "count", "hour")


def parking_until(path: Path, days: int | None) -> Trial:
    """Return how many cars stand in each car park, half-hourly by day; known is how many stood there before."""
    raw = pa_csv.read_csv(path)
    table = pa.table(
        {
            "time_us": micros_of(raw["LastUpdated"]),
            "lot": raw["SystemCodeNumber"],
            "capacity": raw["Capacity"].cast(pa.float64()),
            "cars": raw["Occupancy"].cast(pa.float64()),
        }
    ).sort_by([("lot", "ascending"), ("time_us", "ascending")])
    lots, cars = np.array(table["lot"].to_pylist()), table["cars"].to_numpy()
    same = np.r_[False, lots[1:] == lots[:-1]]
    table = table.append_column("before", pa.array(np.where(same, np.r_[0.0, cars[:-1]], np.nan), from_pandas=True))
    table = table.filter(pa.array(same)).sort_by("time_us")
    times = table["time_us"].to_numpy()
    table = table.append_column("hour", pa.array((times % DAY_US) / HOUR_US))
    begin = int(times[0]) // DAY_US * DAY_US + 40 * DAY_US
    if days is not None:
        table = table.filter(pa.array(times < begin + days * DAY_US))
    kinds = dict.fromkeys(("capacity", "before", "hour"), ColumnKind.NUMBER) | {"lot": ColumnKind.CATEGORY}
    return trial_of(table, kinds, "cars", Task.REGRESSION, begin_us=begin, window_us=DAY_US)


def parking(path: Path) -> tuple[Trial, list[Planted]]:
    """Return `parking_until`, and the faults that its columns may have."""
    trial = parking_until(path, WINDOWS)
    tens = Planted(PlantedCause.UNIT_CHANGE, "before", amount=0.1)
    return trial, faults_of(tens, "before", "lot", ("before", "hour"), "cars", "before")


def adult(path: Path) -> tuple[Trial, list[Planted]]:
    """Return people and whether they earn much, 500 a day in the file's order, on a made-up clock."""
    raw = pa_csv.read_csv(path)
    times = (np.arange(raw.num_rows) * DAY_US // 500).astype(np.int64)
    kinds = {
        name: ColumnKind.NUMBER if pa.types.is_integer(raw[name].type) else ColumnKind.CATEGORY
        for name in raw.column_names[:-1]
    }
    columns = {
        name: raw[name].cast(pa.float64()) if kind is ColumnKind.NUMBER else raw[name] for name, kind in kinds.items()
    }
    table = pa.table({"time_us": times, **columns, "income": pc.utf8_trim_whitespace(raw[raw.column_names[-1]])})
    trial = trial_of(table, kinds, "income", Task.BINARY, begin_us=40 * DAY_US, window_us=DAY_US, positive=">50K")
    minutes = Planted(PlantedCause.UNIT_CHANGE, "hours-per-week", amount=60.0)
    return trial, faults_of(minutes, "age", "workclass", ("age", "hours-per-week"), "income", "age")


TABLES: dict[str, tuple[str, Callable[[Path], tuple[Trial, list[Planted]]]]] = {
    "bikes": ("hourly_bikesharing.csv", bikes),
    "parking": ("hourly_parking.csv", parking),
    "adult": ("adult.csv", adult),
}


def main() -> None:
    """Try every fault on every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    found: list[dict[str, Any]] = []
    for name in wanted.only:
        file, made = TABLES[name]
        if (wanted.folder / file).is_file():
            trial, faults = made(wanted.folder / file)
            found += _told(name, trial, faults, range(wanted.seeds))
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=2))


def _told(name: str, trial: Trial, faults: Sequence[Planted], seeds: Sequence[int]) -> list[dict[str, Any]]:
    found = []
    for seed in seeds:
        for outcome in tried(trial, faults, sound=SOUND, windows=WINDOWS, seed=seed):
            by = ", ".join(outcome.detected_by) or "nothing"
            sys.stdout.write(
                f"{name:8} {outcome.cause:18} after {outcome.delay!s:4}  named after {outcome.named_after!s:4}  by {by}"
                f"  (windows in breach without: {outcome.before:.0%})\n"
            )
            sys.stdout.flush()
            found.append({"table": name, "seed": seed, **asdict(outcome)})
    return found


if __name__ == "__main__":
    main()
