"""Simulated canaries, judged by Trimtab and by its rivals' ways: see README.md in this folder.

python -m bench.rollouts [--runs 2000] [--power-runs 200] [--seed 1] [--json FILE] [--docs] [--from-json FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.published import insert
from bench.rollouts.plot import write_plot
from bench.rollouts.results import ALPHA, Results, calibrate, power, read_results, write_results
from bench.rollouts.tables import text_of
from bench.rollouts.traffic import FAULTS, NO_FAULT, Kind

_DOCS = Path(__file__).parents[2] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print the tables, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.rollouts", description="Canaries judged in four ways.")
    parser.add_argument("--runs", type=int, default=2000, help="canaries without a fault, of each kind of traffic")
    parser.add_argument("--power-runs", type=int, default=200, help="canaries of each fault and kind of traffic")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write everything that was found")
    parser.add_argument("--docs", action="store_true", help="write tables and plot into docs/benchmarks")
    parser.add_argument("--from-json", type=Path, help="simulate nothing; take an earlier run's figures")
    options = parser.parse_args(arguments)
    results = _simulated(options) if options.from_json is None else read_results(options.from_json)
    print(text_of(results))
    if options.json is not None:
        write_results(results, options.json)
    if options.docs:
        write_results(results, _DOCS / "benchmarks" / "rollouts.json")
        write_plot(results, _DOCS / "benchmarks" / "rollouts.svg")
        insert(_DOCS / "benchmarks.md", text_of(results), bench="rollouts")
    return 0


def _simulated(options: argparse.Namespace) -> Results:
    results = Results(ALPHA, options.seed, datetime.now(UTC).date().isoformat(), [], [])
    for kind in Kind:
        print(kind.value, file=sys.stderr, flush=True)
        results.calibrations.append(calibrate(kind, options.runs, options.seed))
        if options.power_runs:
            faults = (NO_FAULT, *FAULTS)
            results.detections += [power(kind, fault, options.power_runs, options.seed) for fault in faults]
    return results


if __name__ == "__main__":
    sys.exit(main())
