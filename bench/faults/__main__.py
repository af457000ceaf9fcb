"""Faults planted in a running loop, and what it makes of them: see docs/fault-suite.md.

python -m bench.faults [--data DIR] [--only GROUND …] [--faults NAME …] [--seeds 3] [--sound 3] [--wrong]
                       [--policy FILE] [--json FILE] [--write]
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog
from bench.faults.base import Base, make_base
from bench.faults.catalogue import CATALOGUE, SOUND_WINDOWS, SOUND_WORLD, Fault
from bench.faults.columns import Unfit
from bench.faults.floor import fallen, floor_of, play_floor
from bench.faults.grounds import GROUNDS, HELD_OUT, ground_of
from bench.faults.results import MARKS, Results, counted, save
from bench.faults.score import Verdict, judged
from bench.faults.world import play_fault

from trimtab.core.errors import TrimtabError
from trimtab.loop.simulation.inline_jobs import InlineJobs

_PUBLISHED = Path(__file__).parents[2] / "docs" / "benchmarks" / "faults.json"
_TUNING = [name for name in GROUNDS if name not in HELD_OUT]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print each verdict and the sums, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description="Faults planted in a running loop.")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of adult.csv, german.csv, hourly_parking.csv")
    parser.add_argument("--only", nargs="*", default=_TUNING, choices=list(GROUNDS), help="data sets")
    parser.add_argument("--faults", nargs="*", default=list(CATALOGUE), help="faults, by name")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--sound", type=int, default=3, help="worlds of 25 windows in which nothing is wrong")
    parser.add_argument("--wrong", action="store_true", help="tell what is behind each verdict that is not right")
    parser.add_argument("--policy", type=Path, help="another policy.yaml than init's")
    parser.add_argument("--json", type=Path, help="write the verdicts to this file")
    parser.add_argument(
        "--write", action="store_true", help="put them into docs/benchmarks/faults.json, and raise the floor of CI"
    )
    options = parser.parse_args(arguments)
    # Each world would tell of its cases: what matters of them is in the verdicts.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    results = Results()
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        work = Path(scratch)
        jobs = InlineJobs(work / "trainings.txt")
        jobs.warm_up()
        try:
            for name in options.only:
                _play_ground(name, options, work, jobs, results)
            floor = play_floor(work, jobs) if options.write else None
        except TrimtabError as error:
            raise SystemExit(f"error: {error}") from error
        finally:
            jobs.stop_all()
    print(_summed_up(results))
    if options.json is not None:
        save(results.to_json(), options.json)
    return 0 if floor is None else _write(results, floor)


def _write(results: Results, floor: Results) -> int:
    """Publish; a floor that would sink is told, and stays."""
    known = json.loads(_PUBLISHED.read_bytes()) if _PUBLISHED.exists() else {"floor": {}}
    lost = fallen(known["floor"], floor)
    print("".join(f"\nfallen, so the floor stays: {one}" for one in lost))
    content = {
        "began": datetime.now(UTC).date().isoformat(),
        "held_out": list(HELD_OUT),
        "sound_windows": SOUND_WINDOWS,
        "floor": known["floor"] if lost else floor_of(floor),
    }
    save(results.into({**known, **content}), _PUBLISHED)
    return 1 if lost else 0


def _play_ground(name: str, options: argparse.Namespace, work: Path, jobs: InlineJobs, results: Results) -> None:
    base = make_base(ground_of(name, options.data), work, jobs, policy=options.policy)
    told = ", ".join(f"{metric} {value:.3g}" for metric, value in list(base.manifest.metrics.items())[:3])
    print(f"\n{name}: {base.manifest.algorithm}, {told}", flush=True)
    faults = [CATALOGUE[fault] for fault in options.faults]
    for seed in options.seeds:
        for fault in faults:
            _play(base, fault, seed, work, jobs, results, wrong=options.wrong)
    for seed in range(options.sound):
        _play(base, SOUND_WORLD, 100 + seed, work, jobs, results, wrong=options.wrong)
    shutil.rmtree(work / name)


def _play(base: Base, fault: Fault, seed: int, work: Path, jobs: InlineJobs, results: Results, *, wrong: bool) -> None:
    began, ground = time.process_time(), base.ground.name
    try:
        seen = play_fault(base, fault, seed, work, jobs)
    except Unfit as unfit:
        results.unfit.append({"fault": fault.name, "ground": ground, "seed": seed, "why": str(unfit)})
        print(f"  {fault.name} {seed}: left out, {unfit}", flush=True)
        return
    verdict = judged(fault, ground, seed, seen)
    results.add(verdict)
    print(_line(verdict, time.process_time() - began), flush=True)
    if wrong and not _is_right(verdict):
        print(_behind(verdict), flush=True)


def _is_right(verdict: Verdict) -> bool:
    return (
        all(getattr(verdict, mark) is not False for mark in MARKS) and not verdict.wrong and not verdict.asked_in_vain
    )


def _line(verdict: Verdict, cpu_s: float) -> str:
    signs = {True: "+", False: "-", None: "."}
    marks = "".join(signs[getattr(verdict, mark)] for mark in MARKS)
    parts = [f"  {marks} {verdict.fault} {verdict.seed}: {verdict.drawn}: {', '.join(verdict.called) or 'no case'}"]
    parts += [f"asked for {', '.join(verdict.asked_in_vain)}"] if verdict.asked_in_vain else []
    parts += [f"RISKY: {', '.join(verdict.risky)}"] if verdict.risky else []
    return f"{'; '.join(parts)} ({cpu_s:.1f} s)"


def _behind(verdict: Verdict) -> str:
    lines = [
        f"    called {one['kind']} after {one['window']} ({one['severity']:.2f}), {one['columns']}: {one['why']}"
        for one in verdict.why["named"]
    ]
    lines += [f"    asked for {one}" for one in verdict.why["asked"]]
    lines += [f"    {name}: {said[:300]}" for name, said in verdict.why["breaches"].items()]
    return "\n".join(lines)


def _summed_up(results: Results) -> str:
    lines = [""]
    for ground in results.grounds:
        mine = results.of(ground=ground)
        marks = ", ".join("{} {} of {}".format(mark, *counted(mine, mark)) for mark in MARKS)
        wrong = sum(bool(one["wrong"]) for one in mine)
        lines.append(f"{ground}: {len(mine)} faults: {marks}; called wrong {wrong}")
        for one in results.sound:
            if one["ground"] == ground:
                cases, asked = len(one["called"]), ", ".join(one["asked_in_vain"]) or "nothing"
                lines.append(
                    f"  {SOUND_WINDOWS} sound windows: {cases} cases, asked for {asked}, risky: {len(one['risky'])}"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
