"""When to train again, by gain and by calendar: see README.md in this folder.

python -m bench.triggers [--data DIR] [--only STREAM …] [--as-init-trains] [--learners NAME …] [--seeds 3]
                         [--phases 0 3 …] [--calm 10] [--json FILE] [--docs] [--from-json FILE]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.published import insert
from bench.triggers.plot import write_plot
from bench.triggers.results import PHASES, Results, calm, measure
from bench.triggers.streams import MADE, RECORDED, Stream, made, recorded
from bench.triggers.tables import text_of
from bench.triggers.versions import LEARNERS

_DOCS = Path(__file__).parents[2] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print the tables, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.triggers", description="Retraining by gain and by calendar.")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of the recorded streams' CSV files")
    parser.add_argument("--only", nargs="*", default=[*RECORDED, *MADE], help="streams to play")
    parser.add_argument("--as-init-trains", action="store_true", help="learn all rows, and the days elapsed besides")
    parser.add_argument("--learners", nargs="*", default=list(LEARNERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--phases", type=int, nargs="*", default=list(PHASES))
    parser.add_argument("--calm", type=int, default=10, help="stationary streams on which no fit should be asked for")
    parser.add_argument("--json", type=Path, help="add what is found to this file, after each run")
    parser.add_argument("--docs", action="store_true", help="write tables and plot into docs/benchmarks")
    parser.add_argument("--from-json", type=Path, help="play nothing; take an earlier run's figures")
    options = parser.parse_args(arguments)
    results = _played(options) if options.from_json is None else Results.read(options.from_json)
    print(text_of(results))
    if options.docs:
        results.save(_DOCS / "benchmarks" / "triggers.json")
        write_plot(results, _DOCS / "benchmarks" / "triggers.svg")
        insert(_DOCS / "benchmarks.md", text_of(results), bench="triggers")
    return 0


def _played(options: argparse.Namespace) -> Results:
    # Each fit on columns without names, of which the library warns at each answer.
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    results = Results(datetime.now(UTC).date().isoformat())
    if options.json is not None and options.json.is_file():
        results = Results.read(options.json)
    for name, learner, seed in _wanted(options):
        stream = _stream(name, seed, options.data)
        if options.as_init_trains:
            stream = stream.as_init_trains()
        # Dense calendars cost the most fits; on a made stream they tell nothing, and of all rows each takes long.
        dense = name in RECORDED and not options.as_init_trains
        run = measure(stream, learner, seed, phases=options.phases, dense=dense)
        results.runs.append(run)
        print(f"{stream.name}, {learner}, seed {seed}: {run.seconds} s", file=sys.stderr, flush=True)
        if options.json is not None:
            results.save(options.json)
    for seed in range(options.calm):
        results.calm.append(calm(seed))
        if options.json is not None:
            results.save(options.json)
    return results


def _wanted(options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """Yield what to measure, all streams once before any has its second seed or learner."""
    for learner in options.learners:
        for seed in range(options.seeds):
            for name in options.only:
                # Without a random choice in learner or stream all seeds agree.
                if seed == 0 or learner != "lightgbm" or name in MADE:
                    yield name, learner, seed


def _stream(name: str, seed: int, folder: Path) -> Stream:
    return made(name, seed) if name in MADE else recorded(name, folder)


if __name__ == "__main__":
    sys.exit(main())
