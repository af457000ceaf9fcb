"""What a check of many rows costs: from rows, from stored profiles, in memory; and Evidently on the same rows.

    python bench/monitoring/scale.py [--rows 1000000] [--hours 720] [--millions 100] [--evidently VENV] [--json FILE]

20 numeric and 5 categorical columns, and two weeks of reference. "From rows" is what ingest does with a segment; "from
stored profiles" is what a check does: read them from the database, merge, compare with the reference by every default
of `data_drift`. ``--millions`` is how many million rows, a million at a time, memory is watched over (in a process of
its own). Evidently runs its `DataDriftPreset` with defaults on the same rows, in a process of its own, with the
interpreter of VENV (made with ``pip install "evidently==0.7.23" "pandas<3"``); its time is that of the report alone,
without loading the rows. Seconds are of the wall; the processor's seconds stand beside them, since on a busy machine
the two differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.config.columns import ColumnContract
from trimtab.core.clock import to_micros
from trimtab.core.enums import ColumnKind, Task
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.lake.profile_rollup import roll_up
from trimtab.lake.profile_store import load_profiles, save_profiles
from trimtab.monitoring.check import Window
from trimtab.monitoring.data_drift import DataDriftMonitor, DataDriftSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PeriodProfile, profile_segment
from trimtab.profiles.reference import Reference, build_reference

NUMBERS, CATEGORIES = 20, 5
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MONDAY_US = to_micros(datetime(2030, 1, 7, tzinfo=UTC))
KINDS = {f"x{place}": ColumnKind.NUMBER for place in range(NUMBERS)} | {
    f"c{place}": ColumnKind.CATEGORY for place in range(CATEGORIES)
}

EVIDENTLY = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
current, reference = (pd.read_parquet(path) for path in sys.argv[1:3])
began, cpu = time.perf_counter(), time.process_time()
Report([DataDriftPreset()]).run(current, reference).dict()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
peak_mb = int(peak.split()[1]) / 1024
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu, peak_mb]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one thing took."""

    what: str
    wall_s: float
    cpu_s: float
    rss_mb: float | None = None


def columns_of(rows: int, seed: int) -> dict[str, pa.Array]:
    """Return the columns' values."""
    rng = np.random.default_rng(seed)
    numbers = {f"x{place}": pa.array(rng.gamma(1 + place, 2.0, rows)) for place in range(NUMBERS)}
    names = pa.array([f"name {place}" for place in range(12)])
    drawn = {f"c{place}": names.take(pa.array(rng.integers(0, 12, rows))) for place in range(CATEGORIES)}
    return {**numbers, **drawn}


def segment_of(columns: dict[str, pa.Array], span_us: int) -> pa.Table:
    """Return the values as a segment of records, evenly spread over ``span_us``."""
    rows = len(columns["x0"])
    table = pa.table(
        {
            "event_us": MONDAY_US + np.arange(rows) * (span_us // rows),
            "variant": pa.array(["v1"]).take(pa.array(np.zeros(rows, dtype=np.int64))),
            "prediction": columns["x0"],
            "latency_ms": columns["x1"],
            **{f"f.{name}": values for name, values in columns.items()},
        }
    )
    return table.replace_schema_metadata({"endpoint": "scale", "model_version": "1"})


def reference_of(rows: int = 200_000, days: int = 140) -> Reference:
    """Return twenty weeks of the same distributions."""
    times = MONDAY_US - days * DAY_US + np.arange(rows) * (days * DAY_US // rows)
    return build_reference(pa.table(columns_of(rows, 0)), KINDS, time_us=times)


def checked(reference: Reference, periods: list[PeriodProfile], days: int) -> int:
    """Check a window for drift, and return how many checks that gave."""
    contracts = {name: ColumnContract(type=kind) for name, kind in KINDS.items()}
    data = WindowData(
        model="scale",
        endpoint="scale",
        variant="v1",
        model_version=1,
        window=Window(MONDAY_US, MONDAY_US + days * DAY_US),
        periods=tuple(periods),
        reference=reference,
        columns=contracts,
        baseline_metrics={},
        metrics=(),
        task=Task.REGRESSION,
        positive_class=None,
    )
    return len(DataDriftMonitor(DataDriftSettings()).check(data).checks)


def cost_of(what: str, work: Callable[[], object], times: int = 3) -> Cost:
    """Return the least of several times: what it takes where nothing else interferes."""
    found = []
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - began, time.process_time() - cpu))
    return Cost(what, min(wall for wall, _ in found), min(cpu for _, cpu in found))


@contextmanager
def stored(
    periods: list[PeriodProfile], days: int, *, rolled: bool, begin_h: int = 0
) -> Iterator[Callable[[], list[PeriodProfile]]]:
    """Yield what reads a window of ``days`` from a database with ``periods``, ``begin_h`` hours after the first."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database.at(Path(folder) / "trimtab.db")
        upgrade(database)
        with database.transaction() as connection:
            save_profiles(connection, "segment", periods)
        start_us = MONDAY_US + begin_h * HOUR_US
        end_us = start_us + days * DAY_US
        while rolled and roll_up(database, "scale", since_us=MONDAY_US, now_us=end_us + DAY_US):
            pass

        def read() -> list[PeriodProfile]:
            with database.reading() as connection:
                return load_profiles(connection, "scale", start_us=start_us, end_us=end_us, cuts=[start_us], begun=True)

        yield read
        database.close()


def _read_and_checked(reference: Reference, read: Callable[[], list[PeriodProfile]], days: int) -> int:
    return checked(reference, read(), days)


def of_rows(rows: int, reference: Reference) -> Iterator[Cost]:
    """Yield what a week of so many rows costs."""
    segment = segment_of(columns_of(rows, 1), 7 * DAY_US)
    yield cost_of(f"profiles of {rows:,} rows, by hour", lambda: profile_segment(segment, period_s=3_600))
    periods = profile_segment(segment, period_s=3_600)

    def both() -> None:
        checked(reference, profile_segment(segment, period_s=7 * 86_400), 7)

    yield cost_of(f"{rows:,} rows, profiled as one and checked", both)
    whole = profile_segment(segment, period_s=7 * 86_400)
    yield cost_of("the check alone, of one profile", lambda: checked(reference, whole, 7))
    for rolled, name in ((False, "168 hours"), (True, "7 days")):
        with stored(periods, 7, rolled=rolled) as read:
            yield cost_of(f"the same from {name} stored: read", read)
            yield cost_of(
                f"the same from {name} stored: read and checked", partial(_read_and_checked, reference, read, 7)
            )


def of_many(hours: int, rows: int, reference: Reference) -> Iterator[Cost]:
    """10⁸ rows are 720 hours of 139 000; a few of these are profiled, and stand for all.

    By hours, as the shippers leave them; by days, as the control plane has summed them up when they were over; and by
    days in a window that begins and ends at ten o'clock, so that fourteen hours and ten are read as such.
    """
    made = [
        profile_segment(segment_of(columns_of(rows // hours, seed), HOUR_US), period_s=3_600)[0] for seed in range(8)
    ]
    periods = [replace(made[hour % 8], start_us=MONDAY_US + hour * HOUR_US) for hour in range(hours + 24)]
    for rolled, begin_h, what in (
        (False, 0, "no roll-ups"),
        (True, 0, "days rolled up"),
        (True, 10, "days rolled up, from ten to ten"),
    ):
        with stored(periods, hours // 24, rolled=rolled, begin_h=begin_h) as read:
            held = read()
            name = f"{rows:,} rows in {hours} hours, {what}: {len(held)} profiles read and checked"
            yield cost_of(name, partial(_read_and_checked, reference, read, hours // 24))


def memory_of(millions: int) -> Cost:
    """Return what profiling so many million rows takes, a million at a time, in a process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--watch", str(millions)], check=True, capture_output=True, text=True
    )
    rss_mb, cpu_s = json.loads(done.stdout)
    return Cost(f"{millions} million rows, a million at a time", time.perf_counter() - began, cpu_s, rss_mb)


def watched(millions: int) -> None:
    """Profile so many million rows, and write the peak of memory and the processor's seconds."""
    segment = segment_of(columns_of(1_000_000, 1), HOUR_US)
    kept: list[PeriodProfile] = []
    for _ in range(millions):
        found = profile_segment(segment, period_s=3_600)
        kept = [replace(found[0], profile=found[0].profile.merge(kept[0].profile))] if kept else found
    # Not `ru_maxrss`: that of a child begins with what its parent had when it was made.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(json.dumps([int(peak.split()[1]) / 1024, time.process_time()]))


def evidentlys(venv: Path, rows: int) -> Cost:
    """Return what Evidently takes for the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("current.parquet", "reference.parquet")]
        for path, (count, seed) in zip(paths, ((rows, 1), (200_000, 0)), strict=True):
            pq.write_table(pa.table(columns_of(count, seed)), path)
        done = subprocess.run(
            [str(venv / "bin" / "python"), "-c", EVIDENTLY, *map(str, paths)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "DO_NOT_TRACK": "1"},
        )
        return Cost(f"Evidently, {rows:,} rows, DataDriftPreset", *json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--hours", type=int, default=720)
    parser.add_argument("--millions", type=int, default=100)
    parser.add_argument("--evidently", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.watch:
        watched(wanted.watch)
        return
    reference = reference_of()
    costs: list[Cost] = []
    runs = [
        of_rows(wanted.rows, reference),
        of_many(wanted.hours, 100_000_000, reference),
        (memory_of(millions) for millions in (1, wanted.millions)),
        (evidentlys(venv, wanted.rows) for venv in [wanted.evidently] if venv),
    ]
    for cost in (cost for run in runs for cost in run):
        costs.append(cost)
        rss = "" if cost.rss_mb is None else f"  {cost.rss_mb:6.0f} MB"
        sys.stdout.write(f"{cost.what:62} {cost.wall_s:8.3f} s wall  {cost.cpu_s:8.3f} s cpu{rss}\n")
        sys.stdout.flush()
    if wanted.json:
        wanted.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=2))


if __name__ == "__main__":
    main()
