"""How long large tables take: made rows, through `trimtab init` and `train` as the commands do it.

    python bench/large.py FOLDER [--only million wide] [--rows N] [--json FILE]

FOLDER takes the made tables and a project for each; nothing else may stand in it. Each step is a process of its own,
as a user's commands are: wall clock, seconds of computing of it and its workers, and the largest process's memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

_SHOPS = 50_000
_DAYS = 2 * 365


def million(rows: int) -> pa.Table:
    """Return 12 columns of mixed kinds, one category of 50 000 values among them, and a yes or no that they tell."""
    rng = np.random.default_rng(1)
    numbers = {f"n{place}": np.round(rng.normal(size=rows) * (place + 1), 4) for place in range(5)}
    city, shop, colour = rng.integers(0, 40, rows), rng.integers(0, _SHOPS, rows), rng.integers(0, 8, rows)
    moments = np.datetime64("2023-01-01", "s") + rng.integers(0, _DAYS * 86_400, rows).astype("timedelta64[s]")
    taste = rng.normal(size=_SHOPS) * 0.5
    logit = numbers["n0"] - 0.3 * numbers["n1"] + 0.4 * (city % 5) + taste[shop] + 0.5 * (colour == 3) - 1.5
    return pa.table(
        {
            **numbers,
            "count": rng.integers(0, 1000, rows),
            "city": np.char.add("city ", city.astype(str)),
            "shop": np.char.add("shop ", shop.astype(str)),
            "colour": np.char.add("colour ", colour.astype(str)),
            "member": rng.random(rows) < 0.3,
            "seen_at": pa.array(moments),
            "bought": _drawn(logit, rng),
        }
    )


def wide(rows: int) -> pa.Table:
    """Return 499 columns, every fifth a category, and a yes or no that some of them tell."""
    rng = np.random.default_rng(2)
    logit = np.zeros(rows)
    columns: dict[str, np.ndarray] = {}
    for place in range(499):
        if place % 5 == 4:
            codes = rng.integers(0, 6, rows)
            columns[f"category{place}"] = np.char.add("v", codes.astype(str))
            logit += 0.1 * (codes == 1)
        else:
            columns[f"number{place}"] = np.round(rng.normal(size=rows), 4)
            logit += 0.3 * columns[f"number{place}"] if place < 20 else 0
    return pa.table(columns | {"bought": _drawn(logit, rng)})


def _drawn(logit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(logit)) < 1 / (1 + np.exp(-logit)), "yes", "no")


TABLES: dict[str, tuple[Callable[[int], pa.Table], int]] = {"million": (million, 1_000_000), "wide": (wide, 20_000)}


@dataclass(frozen=True, slots=True)
class Step:
    """What one command took. ``computing_s`` counts its workers too; ``memory_mb`` is of the largest process."""

    table: str
    rows: int
    command: str
    wall_s: float
    computing_s: float
    memory_mb: int


def run(table: str, rows: int, folder: Path) -> list[Step]:
    """Make the table and take it through `init` and `train`."""
    make, _ = TABLES[table]
    file, project = folder / f"{table}.csv", folder / table
    pa_csv.write_csv(make(rows), file)
    found = []
    for name, arguments in (
        ("init", ["init", str(project), "--from", str(file), "--target", "bought"]),
        ("train", ["train", table, "--project", str(project)]),
    ):
        found.append(_timed(table, rows, name, arguments))
    return found


def _timed(table: str, rows: int, name: str, arguments: Sequence[str]) -> Step:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryFile() as told:
        # Gates are no part of how long it takes: a refusal (exit 1) counts as done.
        child = subprocess.Popen([sys.executable, "-m", "trimtab.cli", *arguments], stdout=told, stderr=told)
        _, status, used = os.wait4(child.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in {0, 1}:
            told.seek(0)
            sys.exit(f"{table}: {name} ended with {code}\n{told.read().decode()}")
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Step(table, rows, name, wall_s, computing_s, used.ru_maxrss >> 10)


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(TABLES))
    parser.add_argument("--rows", type=int, help="of each table; default: 1 000 000 and 20 000")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if any(asked.folder.iterdir()):
        parser.error(f"{asked.folder}: is not empty; name a new folder")
    steps: list[Step] = []
    print("| table | rows | command | wall | computing | memory of the largest process |\n|---|---|---|---|---|---|")
    for table, (_, usual) in TABLES.items():
        if asked.only and table not in asked.only:
            continue
        for step in run(table, asked.rows or usual, asked.folder):
            steps.append(step)
            print(
                f"| {table} | {step.rows} | {step.command} | {step.wall_s:.0f} s | {step.computing_s:.0f} s "
                f"| {step.memory_mb / 1000:.1f} GB |",
                flush=True,
            )
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(step) for step in steps], indent=2) + "\n")


if __name__ == "__main__":
    main()
