"""Which checks breached when, on three real tables, beside what really happened there.

    python -m bench.monitoring.history FOLDER [--only bikes parking adult] [--json FILE] [--svg FILE]

FOLDER holds ``hourly_bikesharing.csv``, ``hourly_parking.csv`` and ``adult.csv``. One LightGBM model learns the
reference and is never trained again. Bikes: by hour, two years of reference (2011, 2012), then windows of a week until
September 2019. Parking: 30 car parks by half-hour, forty days of reference, then windows of a day. Adult: 500 people a
day on a made-up clock in the file's order, forty days of reference, then windows of a day, with two groupings.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench.monitoring import planted
from bench.monitoring.history_plot import write_plot
from numpy.typing import NDArray

from trimtab.core.enums import Verdict
from trimtab.measures.group_metrics import groups_of, rate_shares
from trimtab.monitoring.check import Check
from trimtab.monitoring.fairness import FairnessSettings
from trimtab.monitoring.settings import MonitorSettings
from trimtab.testing.planted_trials import Trial, looks

__all__ = ["History", "Track"]

DAY_US = planted.DAY_US


@dataclass(frozen=True, slots=True)
class Track:
    """What one monitor said of each window: B(reach), I(nconclusive) or O(k); of several checks the worst."""

    monitor: str
    verdicts: str

    @property
    def breaches(self) -> int:
        """How many windows were in breach."""
        return self.verdicts.count("B")


@dataclass(frozen=True, slots=True)
class History:
    """Windows by their start, what happened in them (``happened``), what was answered, and what monitors said."""

    table: str
    unit: str
    start_us: list[int]
    happened: list[float]
    answered: list[float]
    tracks: list[Track]


def main() -> None:
    """Judge every window of every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=list(_TABLES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    wanted = parser.parse_args()
    found = []
    for name in wanted.only:
        file, made, unit = _TABLES[name]
        trial, windows = made(wanted.folder / file)
        found.append(_history(name, unit, trial, windows))
        for track in found[-1].tracks:
            sys.stdout.write(f"{name:8} {track.monitor:20} {track.breaches:4} of {windows}  {track.verdicts}\n")
            sys.stdout.flush()
    if wanted.json:
        wanted.json.write_text(json.dumps([asdict(history) for history in found], indent=1) + "\n")
    if wanted.svg:
        write_plot(found, wanted.svg)


def _history(name: str, unit: str, trial: Trial, windows: int) -> History:
    titles = [settings.title for settings in trial.monitors]
    said: dict[str, list[str]] = {title: [] for title in titles}
    for checks in looks(trial, trial.table, windows):
        for title in titles:
            said[title].append(_worst([check for check in checks if check.monitor == title]).name[0])
    starts = [trial.begin_us + place * trial.window_us for place in range(windows)]
    times = trial.table["time_us"].to_numpy()
    ends = np.searchsorted(times, [*starts, starts[-1] + trial.window_us])
    parts = [trial.table.slice(int(a), int(b - a)) for a, b in itertools.pairwise(ends)]
    return History(
        name,
        unit,
        starts,
        [_level(trial, part, np.array(part[trial.target].to_pylist())) for part in parts],
        [_level(trial, part, trial.predict(part).prediction) for part in parts],
        [Track(title, "".join(letters)) for title, letters in said.items()],
    )


def _worst(checks: list[Check]) -> Verdict:
    """Return BREACH if anything is in breach; else what is said of the whole, where something is."""
    if any(check.verdict is Verdict.BREACH for check in checks):
        return Verdict.BREACH
    whole = [check for check in checks if check.column is None] or checks
    return Verdict.OK if all(check.verdict is Verdict.OK for check in whole) else Verdict.INCONCLUSIVE


def _level(trial: Trial, rows: pa.Table, values: NDArray[Any]) -> float:
    """Return the mean of numbers; of classes by how much the positive one is commoner among men."""
    if not len(values):
        return math.nan
    if trial.positive_class is None:
        return float(values.astype(np.float64).mean())
    men, positive = np.array(rows["sex"].to_pylist()) == "Male", values == trial.positive_class
    return float(positive[men].mean() - positive[~men].mean())


def _bikes(path: Path) -> tuple[Trial, int]:
    first, begin, last = (_micros(day) for day in ("2011-01-03", "2012-12-31", "2019-08-26"))
    trial = planted.bikes_between(path, first, begin, last)
    return trial, (last - begin) // trial.window_us


def _parking(path: Path) -> tuple[Trial, int]:
    trial = planted.parking_until(path, None)
    last = int(trial.table["time_us"].to_numpy()[-1])
    return trial, (last - trial.begin_us) // trial.window_us + 1


def _adult(path: Path) -> tuple[Trial, int]:
    trial, _ = planted.adult(path)
    known = trial.table.slice(0, int(np.searchsorted(trial.table["time_us"].to_numpy(), trial.begin_us)))
    monitors: list[MonitorSettings] = list(trial.monitors)
    groups = {}
    for column in ("sex", "race"):
        limits = {"demographic_parity_difference": 0.1}
        absolute = FairnessSettings.model_validate(
            {"name": f"{column}-gap", "group": {"column": column}, "limits": limits}
        )
        drift = FairnessSettings.model_validate(
            {"name": f"{column}-gap-grown", "group": {"column": column}, "max_increase": 0.1}
        )
        monitors += [absolute, drift]
        names, codes = groups_of(np.array(known[column].to_pylist()))
        said, truth = (np.asarray(part) == trial.positive_class for part in (trial.known.prediction, known["income"]))
        shares = rate_shares(names, codes, said, truth)
        groups[drift.group_key] = {rate.value: by_group for rate, by_group in shares.items()}
    windows = (int(trial.table["time_us"].to_numpy()[-1]) - trial.begin_us) // trial.window_us
    return replace(trial, monitors=tuple(monitors), groups=groups), windows


def _micros(day: str) -> int:
    return int(np.datetime64(day, "us").astype(int))


_TABLES: dict[str, tuple[str, Callable[[Path], tuple[Trial, int]], str]] = {
    "bikes": ("hourly_bikesharing.csv", _bikes, "rides an hour"),
    "parking": ("hourly_parking.csv", _parking, "cars in a car park"),
    "adult": ("adult.csv", _adult, "share of men who earn much, less that of women"),
}


if __name__ == "__main__":
    main()
