"""The demo itself, on the story's data and on other data: what comes out must follow from what goes in."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "demo"
MG_DL_PER_MMOL_L = 38.67


@dataclass(frozen=True)
class Played:
    """A demo that has been played: its exit code, its JSON, its project, what it printed."""

    code: int
    outcome: dict[str, Any]
    project: Path
    printed: str

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.outcome["steps"] if step["name"] == name)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.project / '.trimtab' / 'trimtab.db'}?mode=ro", uri=True) as connection:
            found = connection.execute(query).fetchall()
        connection.close()
        return found


def play(tmp_path: Path, *options: str, change: Callable[[Path], None] | None = None) -> Played:
    example = tmp_path / "example"
    shutil.copytree(EXAMPLE, example)
    if change is not None:
        change(example / "data")
    report, folder = tmp_path / "demo.json", tmp_path / "demo"
    command = [sys.executable, "-m", "trimtab.cli", "demo", "--exit", "--json", str(report)]
    done = subprocess.run(
        [*command, "--folder", str(folder), "--from", str(example), *options],
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert report.exists(), done.stdout + done.stderr
    outcome = json.loads(report.read_text())
    assert not still_running(folder)
    return Played(done.returncode, outcome, folder, done.stdout)


def still_running(project: Path) -> list[str]:
    """Return command lines of processes that name the project's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(project) in line:
            found.append(line)
    return found


def rewrite_cholesterol(path: Path, convert: Callable[[float], float]) -> None:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["cholesterol"] = f"{convert(float(row['cholesterol'])):.2f}"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def without_unit_change(data: Path) -> None:
    rewrite_cholesterol(data / "heart-visits-2.csv", lambda value: value * MG_DL_PER_MMOL_L if value < 30 else value)


def feed_stays_broken(data: Path) -> None:
    rewrite_cholesterol(data / "heart-visits-3.csv", lambda value: value / MG_DL_PER_MMOL_L)


def labels_shuffled(data: Path) -> None:
    path = data / "bikes-year-2.parquet"
    table = pq.read_table(path)
    shuffled = np.random.default_rng(7).permutation(table["count"].to_numpy())
    place = table.column_names.index("count")
    pq.write_table(table.set_column(place, "count", pa.array(shuffled, pa.int64())), path)


def test_the_demo_closes_the_loop_on_real_data(tmp_path: Path) -> None:
    played = play(tmp_path)

    failed = [step for step in played.outcome["steps"] if not step["ok"]]
    assert played.code == 0, played.printed
    assert played.outcome["loop_closed"], failed
    # Act 1: exactly the broken rows are kept out, and the change of unit is named: column, factor, moment.
    assert played.rows("SELECT rows, rows_passed FROM delivery WHERE kind = 'table' AND rows_quarantined > 0") == [
        (34, 30)
    ]
    heart = played.rows("SELECT state, diagnosis, spec FROM incident WHERE model = 'heart-disease'")
    assert [(state, diagnosis) for state, diagnosis, _spec in heart] == [("resolved", "unit_change")]
    diagnosis = json.loads(heart[0][2])["diagnosis"]
    assert diagnosis["columns"] == ["cholesterol"]
    assert diagnosis["factor"] == pytest.approx(1 / MG_DL_PER_MMOL_L, rel=0.05)
    assert diagnosis["since_us"] == 1_710_417_600_000_000  # 2024-03-14 12:00 UTC, when the file changes
    assert played.rows("SELECT count(*) FROM action_request WHERE model = 'heart-disease' AND kind = 'retrain'") == [
        (0,)
    ]
    # Act 2: one retraining, agreed to by a person, brought a second version into production.
    assert played.rows(
        "SELECT state, decided_by FROM action_request WHERE model = 'bike-demand' AND kind = 'retrain'"
    ) == [("succeeded", "dana")]
    assert played.rows("SELECT candidate, phase FROM rollout WHERE model = 'bike-demand' ORDER BY started_us") == [
        (1, "promoted"),
        (2, "promoted"),
    ]
    # The quarantine kept the broken rows from what is learnt, and the retraining brought the quality back.
    assert played.rows("SELECT verdict FROM verification") == [("ok",), ("ok",)]
    assert {kind for (kind,) in played.rows("SELECT kind FROM report")} == {"incident", "deployment"}
    for (path,) in played.rows("SELECT path FROM report"):
        page = played.project / ".trimtab" / "reports" / path
        assert page.read_text().startswith("<!doctype html>")
    assert played.rows("SELECT count(*) FROM event_delivery WHERE state = 'dead'") == [(0,)]


def test_without_the_unit_change_there_is_no_incident(tmp_path: Path) -> None:
    played = play(tmp_path, "--act", "1", change=without_unit_change)

    assert played.outcome["loop_closed"], played.outcome
    assert played.rows("SELECT count(*) FROM incident") == [(0,)]
    assert played.rows("SELECT kind, requested_by FROM action_request WHERE requested_by = 'policy'") == []


def test_with_a_feed_that_stays_broken_the_incident_stays_open(tmp_path: Path) -> None:
    played = play(tmp_path, "--act", "1", change=feed_stays_broken)

    assert not played.outcome["loop_closed"]
    assert played.code == 1
    assert not played.step("recover")["ok"]
    states = played.rows("SELECT state, closed_us FROM incident")
    assert len(states) == 1
    assert states[0][0] in {"open", "mitigating"}
    assert states[0][1] is None
    assert played.rows("SELECT state FROM feed") == [("quarantined",)]


def test_with_shuffled_labels_the_retrained_version_is_not_promoted(tmp_path: Path) -> None:
    played = play(tmp_path, "--act", "2", change=labels_shuffled)

    assert played.rows("SELECT state FROM action_request WHERE kind = 'retrain'") == [("succeeded",)]
    assert "stays" in played.step("retrain")["detail"]
    assert played.rows("SELECT candidate, phase FROM rollout WHERE model = 'bike-demand'") == [(1, "promoted")]


def test_a_bad_canary_is_taken_back_before_most_callers_met_it(tmp_path: Path) -> None:
    played = play(tmp_path, "--scenario", "bad-canary")

    assert played.code == 0, played.printed
    outcome = played.outcome
    assert outcome["bad_version_taken_back"], outcome
    assert [(phase, weight) for _, phase, weight in outcome["moves"]][-2:] == [("canary", "10"), ("rolled_back", "0")]
    assert played.rows("SELECT candidate, phase FROM rollout ORDER BY started_us") == [
        (1, "promoted"),
        (2, "rolled_back"),
    ]
    callers = outcome["callers"]
    assert callers["failed"] == 0
    assert callers["v2"]["answered"] < callers["v1"]["answered"]
    assert callers["v2"]["right"] / callers["v2"]["answered"] < 0.5 < callers["v1"]["right"] / callers["v1"]["answered"]
    assert "accuracy" in outcome["reason"]
    assert "accuracy: how much worse" in Path(outcome["report"]).read_text()
    # No terminal: the moves are lines.
    assert "canary: v1 90 %, v2 10 %" in played.printed
    assert "rolled_back: v1 100 %, v2 0 %" in played.printed
