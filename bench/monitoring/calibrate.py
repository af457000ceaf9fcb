"""How often drift is told where there is none, and how soon where there is: ours, and Evidently's default preset.

    python -m bench.monitoring.calibrate [--data FOLDER] [--references 40] [--runs 8] [--only NAME] [--json FILE]
        [--plot FILE] [--evidently PYTHON] [--peer-windows 1000]

FOLDER holds ``hourly_bikesharing.csv``, ``hourly_parking.csv`` and ``adult.csv``; PYTHON is an interpreter that has
Evidently. It judges ``--peer-windows`` of the same windows, spread evenly over all, since it takes long.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from bench.monitoring.calibrate_plot import write_plot
from bench.monitoring.streams import HOUR_US, SYNTHETIC, Stream, real_streams, synthetic
from scipy.stats import beta

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Task, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.data_drift import DataDriftMonitor, DataDriftSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile
from trimtab.profiles.reference import Reference, build_reference

_PEER = Path(__file__).parent / "evidently_peer.py"
_YEAR_US = 365 * 24 * HOUR_US
_SHIFTED = 2


@dataclass(frozen=True, slots=True)
class Alarms:
    """False alarms in windows, at most ``stated`` a window; ``bound`` is their share at most, with 95 % confidence."""

    stream: str
    judge: str
    windows: int
    alarms: int
    bound: float
    stated: float | None
    low: float | None = None


@dataclass(frozen=True, slots=True)
class Power:
    """In how many of ``runs`` streams a shift of two columns was found, and after how many windows (median)."""

    stream: str
    shift_sd: float
    runs: int
    found: int
    median_windows: float | None


def judged(stream: Stream) -> list[tuple[Check, bool]]:
    """Return the monitor's overall check of each window, in order, and whether an alarm was raised in it."""
    names = [f"x{place}" for place in range(stream.values.shape[1])]
    kinds = dict.fromkeys(names, ColumnKind.NUMBER)
    before = stream.times_us < stream.begin_us
    reference = build_reference(_table(names, stream.reference), kinds, time_us=stream.times_us[before])
    monitor, state, found, on = DataDriftMonitor(DataDriftSettings()), None, [], False
    for start, rows in stream.windows():
        data = _window(reference, Profile.of_table(_table(names, stream.values[rows]), kinds), stream, start)
        result = monitor.check(replace(data, state=state))
        state = result.state or state
        alarmed = result.checks[-1].verdict is Verdict.BREACH
        found.append((result.checks[-1], alarmed and not on))
        on = alarmed
    return found


def _table(names: list[str], values: np.ndarray) -> pa.Table:
    return pa.table({name: values[:, place] for place, name in enumerate(names)})


def _window(reference: Reference, profile: Profile, stream: Stream, start_us: int) -> WindowData:
    length = stream.length_us
    return WindowData(
        model="m",
        endpoint="m",
        variant="v1",
        model_version=1,
        window=Window(start_us, start_us + length),
        periods=(PeriodProfile("m", "v1", 1, start_us, length // 1_000_000, profile),),
        reference=reference,
        columns={name: ColumnContract(type=ColumnKind.NUMBER) for name in profile.columns},
        baseline_metrics={},
        metrics=(),
        task=Task.REGRESSION,
        positive_class=None,
    )


def false_alarms(
    name: str, streams: Iterable[Stream], evidently: Path | None = None, peer_windows: int = 1000
) -> list[Alarms]:
    """Return how often ours raised an alarm, and in how many windows Evidently named a column, or the data set."""
    kept = list(streams)
    checks = [look for stream in kept for look in judged(stream)]
    stated = kept[0].length_us / _YEAR_US
    low = float(np.mean([float(check.detail.get("p_value", 1.0)) <= 0.05 for check, _raised in checks]))
    raised = sum(raised for _check, raised in checks)
    found = [Alarms(name, "Trimtab, alarm", len(checks), raised, _bound(raised, len(checks)), stated, low)]
    if evidently is not None:
        windows, any_column, data_set = _of_evidently(kept, evidently, peer_windows)
        found.append(Alarms(name, "Evidently, any column", windows, any_column, _bound(any_column, windows), None))
        found.append(Alarms(name, "Evidently, data set", windows, data_set, _bound(data_set, windows), None))
    return found


def power(name: str, shift_sd: float, *, runs: int) -> Power:
    """Return how soon two of twenty columns that moved by ``shift_sd`` standard deviations are found, in 20 windows."""
    delays = []
    for seed in range(runs):
        stream = synthetic(name, np.random.default_rng([9, seed]), windows=20)
        after = stream.times_us >= stream.begin_us
        stream.values[after, :_SHIFTED] += shift_sd * stream.reference[:, :_SHIFTED].std(axis=0)
        place = next((place for place, (_check, raised) in enumerate(judged(stream)) if raised), None)
        delays += [] if place is None else [place + 1]
    return Power(name, shift_sd, runs, len(delays), float(np.median(delays)) if delays else None)


def _of_evidently(streams: list[Stream], python: Path, most: int) -> tuple[int, int, int]:
    """Return what the peer says of at most ``most`` of the windows, spread evenly over all."""
    windows = [(stream, rows) for stream in streams for _start, rows in stream.windows()]
    chosen = np.unique(np.linspace(0, len(windows) - 1, min(most, len(windows))).round().astype(int))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for place, stream in enumerate(streams):
            mine = [windows[one][1] for one in chosen if windows[one][0] is stream]
            if mine:
                files.append(str(Path(folder) / f"{place}.npz"))
                rows = np.array([[part.start, part.stop] for part in mine])
                np.savez(files[-1], reference=stream.reference, values=stream.values, windows=rows)
        done = subprocess.run([str(python), str(_PEER), *files], capture_output=True, text=True, check=True)
    judged_windows, any_column, data_set = json.loads(done.stdout.splitlines()[-1])
    return judged_windows, any_column, data_set


def _bound(alarms: int, windows: int) -> float:
    """Return Clopper and Pearson's upper bound at 95 %, one-sided."""
    return float(beta.ppf(0.95, alarms + 1, windows - alarms)) if alarms < windows else 1.0


def main(arguments: list[str]) -> None:
    """Run it, print what was found, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--evidently", type=Path, default=None)
    parser.add_argument("--references", type=int, default=40)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--peer-windows", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--plot", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=None)
    options = parser.parse_args(arguments)
    alarms: list[Alarms] = []
    found: list[Power] = []
    for name in SYNTHETIC:
        if options.only is not None and name not in options.only:
            continue
        drawn = (synthetic(name, np.random.default_rng([1, seed])) for seed in range(options.references))
        alarms += false_alarms(name, drawn, options.evidently, options.peer_windows)
        found += [power(name, shift, runs=options.runs) for shift in (0.5, 1.0, 3.0)]
        print(*(one for one in alarms if one.stream == name), *found[-3:], sep="\n", flush=True)
    real: dict[str, list[Stream]] = {}
    for stream in real_streams(options.data) if options.data is not None else ():
        if options.only is None or stream.name in options.only:
            real.setdefault(stream.name, []).append(stream)
    for name, streams in real.items():
        alarms += false_alarms(name, streams, options.evidently, options.peer_windows)
        print(*(one for one in alarms if one.stream == name), sep="\n", flush=True)
    if options.json is not None:
        content = {"alarms": [asdict(one) for one in alarms], "power": [asdict(one) for one in found]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.plot is not None:
        write_plot(alarms, options.plot)


if __name__ == "__main__":
    main(sys.argv[1:])
