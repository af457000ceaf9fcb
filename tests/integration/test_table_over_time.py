"""A stranger's table of numbers by the hour, from Parquet: learnt from by time, asked for a moment, watched."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.own_table import Walk, begin, up

pytestmark = pytest.mark.timeout(1800)

MODEL = "riders"
_START = datetime(2025, 3, 3, tzinfo=UTC)
_LEARNT_HOURS, _LATER_HOURS = 1_000, 96


def riders(path: Path, first: int, hours: int) -> Path:
    """Write riders by the hour: more by day than by night, and in fair weather."""
    # A seed by which as many temperatures are missing later as before.
    rng = np.random.default_rng(first + 2)
    hour = np.arange(first, first + hours)
    temperature = np.round(15 + 8 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 2, hours), 1)
    weather = rng.choice(["clear", "fog", "rain"], hours)
    by_day = 60 + 40 * np.sin((hour % 24 - 8) / 24 * 2 * np.pi)
    count = by_day + 2 * temperature - 20 * (weather == "rain") + rng.normal(0, 6, hours)
    table = pa.table(
        {
            "at": pa.array([_START + timedelta(hours=int(one)) for one in hour], pa.timestamp("us", tz="UTC")),
            "temperature": pa.array(temperature, mask=rng.random(hours) < 0.05),
            "weather": weather,
            "holiday": rng.random(hours) < 0.05,
            "riders": np.clip(np.round(count), 0, None).astype(np.int64),
        }
    )
    pq.write_table(table, path)
    return path


def test_numbers_by_the_hour_go_from_parquet_to_watched_answers(tmp_path: Path) -> None:
    project = tmp_path / "bikes"
    file = riders(tmp_path / "riders.parquet", 0, _LEARNT_HOURS)
    made = begin(project, "--from", file, "--target", "riders", "--time", "at")
    assert "riders: regression; 4 features, 1000 rows" in " ".join(made.out.split())
    training = project / "models" / MODEL / "training_config.yaml"
    assert "split: {type: time, test_share: 0.2}" in training.read_text()
    # All that init tries, each once: how it gets better with more trials is not what is shown here.
    training.write_text(training.read_text().replace("trials: 8", "trials: 1"))

    with up(project, MODEL, tmp_path / "up.log") as walk:
        walk.next_step("1000 rows are ready to learn from", f"trimtab train {MODEL}")
        assert f"Version 1 of {MODEL}" in walk.says("train", MODEL)
        (version,) = walk.tell("versions", "list", MODEL)["versions"]
        assert version["metrics"]["d2_absolute_error"] > 0.5
        walk.do("versions", "approve", f"{MODEL}@1", "--reason", "try it")
        assert f"{MODEL}@1 serves" in walk.says("deploy", f"{MODEL}@1")
        _ask_for_a_moment(walk)
        _watch_what_came_later(walk, riders(tmp_path / "later.parquet", _LEARNT_HOURS, _LATER_HOURS))


def _ask_for_a_moment(walk: Walk) -> None:
    """Noon has more riders than midnight: the row's own moment is what is answered for."""
    row = {"temperature": None, "weather": "clear", "holiday": False}
    answers = [
        walk.tell("predict", MODEL, json.dumps({**row, "at": f"2025-04-15T{hour}:00:00Z"}))["predictions"][0]
        for hour in ("14", "02")
    ]
    by_day, by_night = (float(answer["prediction"]) for answer in answers)
    assert by_day > by_night + 30
    walk.next_step("no true outcome told", f"trimtab replay {MODEL} FILE --time at --truth riders")


def _watch_what_came_later(walk: Walk, later: Path) -> None:
    told = walk.tell("replay", MODEL, later, "--time", "at", "--truth", "riders")
    assert (told["answered"], told["truths"]) == (_LATER_HOURS, _LATER_HOURS)
    end = _START + timedelta(hours=_LEARNT_HOURS + _LATER_HOURS)
    said = walk.says("monitor", MODEL, "--at", end.isoformat())
    assert "breach model_quality" not in said
    assert "no labelled rows" not in said
    quality = [one for one in walk.tell("checks", MODEL, "--limit", "200")["checks"] if one["kind"] == "model_quality"]
    assert {check["verdict"] for check in quality} <= {"ok", "inconclusive"}
    assert "ok" in {check["verdict"] for check in quality}
    asked = walk.tell("retrain", "request", MODEL, "--reason", "to see it once")
    walk.next_step("It waits", f"trimtab approvals approve {asked['action_id']}")
