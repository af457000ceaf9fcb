"""The inference server beside its floor and its peers, in one run: see README.md in this folder.

python -m bench.serving [--rounds 5] [--seconds 5] [--peers mlflow bentoml …] [--only PART …] [--envs DIR]
                        [--json FILE] [--docs]
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.published import insert
from bench.serving.environments import DEFAULT_ENVS
from bench.serving.footprint import footprint
from bench.serving.frozen import check_frozen
from bench.serving.loads import check_tools
from bench.serving.ours import LOGGED, UNLOGGED, clear_journal, our_server, state_folder
from bench.serving.peer_servers import PEERS, floor, peer_server
from bench.serving.plot import write_plot
from bench.serving.results import Results, machine, read_results, write_results
from bench.serving.rounds import CONNECTIONS, latency_pair, throughput_pair
from bench.serving.servers import Server, running
from bench.serving.swaps import swap_under_load
from bench.serving.tables import full_text, short_text, summary

PARTS = ("footprint", "floor", "log", "latency", "swaps", "peers")
_ROOT = Path(__file__).parents[2]
_DOCS_JSON = _ROOT / "docs" / "benchmarks" / "serving.json"
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how long."""

    parts: Sequence[str]
    peers: Sequence[str]
    rounds: int
    seconds: float
    swap_seconds: float
    envs: Path
    work: Path


class Run:
    """One run: our server is up all the time, each other one only while it is measured."""

    def __init__(self, plan: Plan, results: Results) -> None:
        self.plan = plan
        self.results = results
        self.state = state_folder(plan.work)
        self.ours = our_server(self.state, LOGGED)
        self.unlogged = our_server(self.state, UNLOGGED, self.ours.port)

    def measure(self) -> None:
        """Measure the parts in their order."""
        plan, results = self.plan, self.results
        if "footprint" in plan.parts:
            _say("start and memory")
            results.footprint = footprint(plan.work, starts=plan.rounds)
        with running(self.ours, plan.work / "logs"):
            if "floor" in plan.parts:
                with self._beside(floor(sys.executable)) as other:
                    self._throughput(self.ours, other)
            if "log" in plan.parts:
                self._throughput(self.ours, self.unlogged)
            if "latency" in plan.parts:
                self._latency()
            for name in plan.peers if "peers" in plan.parts else ():
                with self._beside(peer_server(name, plan.envs, plan.work)) as other:
                    self._throughput(self.ours, other)
            if "swaps" in plan.parts:
                _say("versions swapped every second under full load")
                results.swaps = swap_under_load(self.ours, self.state, plan.work, seconds=plan.swap_seconds)

    def _throughput(self, left: Server, right: Server) -> None:
        for connections in CONNECTIONS:
            _say(f"{left.name} and {right.name}, {connections} connections")
            pair = throughput_pair(
                left,
                right,
                connections=connections,
                rounds=self.plan.rounds,
                seconds=self.plan.seconds,
                between=self._clear,
            )
            _say(
                f"  {pair.median('left', 'requests_s'):.0f} and {pair.median('right', 'requests_s'):.0f} a second, "
                f"ratio {pair.ratio:.3g} ({pair.ratio_low:.3g} to {pair.ratio_high:.3g})"
            )
            self.results.throughput.append(pair)

    def _latency(self) -> None:
        logged = self.results.pairs("ours", "ours-unlogged") or self.results.pairs("ours", "floor")
        if not logged:
            raise SystemExit("error: latency at half load needs a throughput first; add --only log latency")
        rate_s = _HALF * logged[-1].median("left", "requests_s")
        _say(f"latency at half load, {rate_s:.0f} a second")
        plan = self.plan
        self.results.latency = latency_pair(
            self.ours, self.unlogged, rate_s=rate_s, rounds=plan.rounds, seconds=plan.seconds, between=self._clear
        )
        with self._beside(floor(sys.executable)) as other:
            self.results.latency_floor = latency_pair(
                self.ours, other, rate_s=rate_s, rounds=plan.rounds, seconds=plan.seconds, between=self._clear
            )

    @contextlib.contextmanager
    def _beside(self, server: Server) -> Iterator[Server]:
        _say(f"starting {server.name}")
        with running(server, self.plan.work / "logs"):
            yield server

    def _clear(self) -> None:
        clear_journal(self.state)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the summary, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description="The server beside floor and peers.")
    parser.add_argument("--rounds", type=int, default=5, help="pairs a comparison; its median is told")
    parser.add_argument("--seconds", type=float, default=5, help="length of one measurement")
    parser.add_argument("--swap-seconds", type=float, default=63, help="length of the load while versions are swapped")
    parser.add_argument("--peers", nargs="*", choices=tuple(PEERS), default=tuple(PEERS), help="peers to measure")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--envs", type=Path, default=DEFAULT_ENVS, help="where the peers' environments are made")
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/benchmarks.md and README.md")
    parser.add_argument("--from-json", type=Path, help="measure nothing; take an earlier run's figures")
    options = parser.parse_args(arguments)
    results = _measured(options) if options.from_json is None else read_results(options.from_json)
    print(summary(results))
    if options.json is not None:
        write_results(results, options.json)
    if options.docs:
        write_results(results, _DOCS_JSON)
        write_plot(results, _DOCS_JSON.with_suffix(".svg"))
        insert(_ROOT / "docs" / "benchmarks.md", full_text(results), bench="serving")
        insert(_ROOT / "README.md", short_text(results), bench="serving")
    return 0


def _measured(options: argparse.Namespace) -> Results:
    check_frozen()
    check_tools()
    results = Results(machine=machine(), seconds=options.seconds, rounds=options.rounds)
    options.envs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-", ignore_cleanup_errors=True) as work:
        plan = Plan(
            parts=options.only,
            peers=options.peers,
            rounds=options.rounds,
            seconds=options.seconds,
            swap_seconds=options.swap_seconds,
            envs=options.envs.resolve(),
            work=Path(work),
        )
        Run(plan, results).measure()
    if results.swaps is not None and not math.isfinite(results.swaps.slowest_ms):
        raise SystemExit("error: no swapped generation was ever served; run the server by hand to see why")
    return results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
