"""The training job as it runs: a process of its own, with real candidates and a real MLflow store."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import SAMPLE_NAME
from trimtab.profiles.reference import read_reference
from trimtab.training.request import TrainingResult

HEART_MODEL = {"name": "heart", "task": "binary", "target": "disease", "positive_class": "yes", "key": "id"}
HEART_CONTRACT = {
    "columns": {
        "id": {"type": "category"},
        "age": {"type": "number"},
        "chol": {"type": "number", "nullable": True, "unit": "mg/dL"},
        "thal": {"type": "category", "nullable": True},
        "disease": {"type": "category"},
    }
}
BIKE_MODEL = {"name": "bike", "task": "regression", "target": "count", "time": "time"}
BIKE_CONTRACT = {
    "columns": {
        "time": {"type": "datetime"},
        "hour": {"type": "integer"},
        "temp": {"type": "number", "nullable": True},
        "weather": {"type": "category"},
        "count": {"type": "integer"},
    }
}


def heart_rows(rows: int = 200, *, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    age, thal = rng.uniform(30, 75, rows), rng.choice(["normal", "fixed", "reversible"], rows)
    chol = np.where(rng.random(rows) < 0.05, np.nan, rng.normal(246, 50, rows))
    score = (age - 54) / 6 + (thal == "reversible") * 2 - 0.5 + rng.logistic(size=rows) * 0.5
    return pa.table(
        {
            "id": [f"p{place}" for place in range(rows)],
            "age": age,
            "chol": pa.array(chol, from_pandas=True),
            "thal": pa.array([None if rng.random() < 0.03 else str(value) for value in thal]),
            "disease": np.where(score > 0, "yes", "no").tolist(),
        }
    )


def bike_rows(rows: int = 600, *, start: int = 0, level: float = 40.0) -> pa.Table:
    rng = np.random.default_rng(start)
    hours = start + np.arange(rows)
    temp = 15 + 8 * np.sin(2 * np.pi * hours / 8760)
    count = rng.poisson(level + 3 * temp + 40 * np.exp(-(((hours % 24) - 17) ** 2) / 8)) + 1
    return pa.table(
        {
            "time": pa.array(hours * 3_600_000_000, pa.timestamp("us", tz="UTC")),
            "hour": hours % 24,
            "temp": pa.array(np.where(rng.random(rows) < 0.02, np.nan, temp), from_pandas=True),
            "weather": rng.choice(["clear", "rain"], rows).tolist(),
            "count": count,
        }
    )


def request_for(
    folder: Path, table: pa.Table, model: dict[str, Any], contract: dict[str, Any], training: dict[str, Any]
) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "snapshot.parquet")
    return {
        "job_id": "job-1",
        "model": model,
        "contract": contract,
        "training": {"trials": 2, "workers": 2} | training,
        "snapshot_path": str(folder / "snapshot.parquet"),
        "snapshot_id": "snapshot-1",
        "dataset_hash": "d" * 64,
        "config_hash": "c" * 64,
        "git_commit": "abc123",
        "mlflow_uri": f"sqlite:///{folder / 'mlflow.db'}",
        "mlflow_artifacts": str(folder / "artifacts"),
        "experiment": model["name"],
        "out_dir": str(folder / "out"),
    }


def start(folder: Path, request: dict[str, Any]) -> subprocess.Popen[str]:
    path = folder / "request.json"
    path.write_text(json.dumps(request))
    command = [sys.executable, "-m", "trimtab.training.job", str(path)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], request: dict[str, Any]) -> tuple[int, str, TrainingResult]:
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors, result_in(Path(request["out_dir"]))


def result_in(folder: Path) -> TrainingResult:
    return msgspec.json.decode((folder / "result.json").read_bytes(), type=TrainingResult)


def runs_in(folder: Path) -> list[dict[str, str]]:
    connection = sqlite3.connect(folder / "mlflow.db")
    try:
        rows = connection.execute("select run_uuid, status from runs").fetchall()
        runs = {run: {"run_id": run, "status": status} for run, status in rows}
        for run, key, value in connection.execute("select run_uuid, key, value from tags"):
            runs[run][key] = value
        for run, key, value in connection.execute("select run_uuid, key, value from latest_metrics"):
            runs[run][f"metric {key}"] = value
    finally:
        connection.close()
    return list(runs.values())


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingResult]:
    folder = tmp_path_factory.mktemp("heart")
    candidates = [{"type": kind} for kind in ("logistic_regression", "random_forest", "xgboost", "lightgbm")]
    training = {"candidates": candidates, "gates": {"accuracy": {"min": 0.6}}, "golden_rows": 20}
    request = request_for(folder, heart_rows(), HEART_MODEL, HEART_CONTRACT, training)
    request["groups"] = [
        {"key": "thal[]=", "column": "thal"},
        {"key": "age[50]=no", "column": "age", "edges": [50], "favourable": "no"},
        {"key": "gone[]=", "column": "gone"},
    ]
    code, errors, result = finish(start(folder, request), request)
    assert code == 0, (errors, result)
    return folder, result


def test_classification_ends_with_a_bundle_that_proves_itself(heart: tuple[Path, TrainingResult]) -> None:
    _, result = heart
    assert result.status == "succeeded"
    assert result.bundle_dir is not None
    predictor = Predictor.load(Path(result.bundle_dir), expected_digest=result.digest)
    parity = predictor.golden_check()
    assert parity.rows == 20
    assert parity.max_abs_difference <= parity.tolerance
    assert predictor.manifest.lineage.run_id == result.run_id
    assert predictor.manifest.lineage.dataset_hash == "d" * 64
    answers = predictor.predict_rows([{"age": 74, "chol": None, "thal": "reversible"}, {"age": 31, "thal": "new"}])
    assert answers.labels.tolist() == ["yes", "no"]


def test_all_candidates_are_tried_and_the_best_on_validation_wins(heart: tuple[Path, TrainingResult]) -> None:
    _, result = heart
    assert [candidate.algorithm for candidate in result.candidates] == [
        "logistic_regression",
        "random_forest",
        "xgboost",
        "lightgbm",
    ]
    best = max(candidate.validation["accuracy"] for candidate in result.candidates)
    winner = next(candidate for candidate in result.candidates if candidate.algorithm == result.algorithm)
    assert winner.validation["accuracy"] == best
    assert winner.metrics == result.metrics
    assert set(result.metrics) == {"accuracy", "f1", "roc_auc", "precision", "recall"}


def test_every_trial_is_in_mlflow_with_its_lineage(heart: tuple[Path, TrainingResult]) -> None:
    folder, result = heart
    runs = runs_in(folder)
    trials = [run for run in runs if run.get("mlflow.parentRunId") == result.run_id]
    assert len(trials) == 8
    assert {run["status"] for run in runs} == {"FINISHED"}
    for run in runs:
        assert run["dataset_hash"] == "d" * 64
        assert run["git_commit"] == "abc123"
        assert {"metric accuracy", "metric f1", "metric roc_auc", "metric precision", "metric recall"} <= set(run)
    parent = next(run for run in runs if run["run_id"] == result.run_id)
    assert parent["bundle_digest"] == result.digest
    artifacts = folder / "artifacts" / "heart"
    assert (artifacts / str(result.run_id) / "artifacts" / "bundle" / "bundle.json").is_file()
    confusion = json.loads((artifacts / trials[0]["run_id"] / "artifacts" / "confusion_matrix.json").read_text())
    assert confusion["labels"] == ["no", "yes"]
    importance = json.loads((artifacts / trials[0]["run_id"] / "artifacts" / "importance.json").read_text())
    assert set(importance) == {"age", "chol", "thal"}


def test_reference_holds_features_and_out_of_sample_predictions(heart: tuple[Path, TrainingResult]) -> None:
    _, result = heart
    assert result.bundle_dir is not None
    profile = read_reference(Path(result.bundle_dir) / "reference").merged
    assert set(profile.columns) == {"age", "chol", "thal", "@prediction", "@probability"}
    assert profile.rows == 200


def test_the_bundle_tells_how_groups_of_unseen_rows_were_answered(heart: tuple[Path, TrainingResult]) -> None:
    _, result = heart
    assert result.bundle_dir is not None
    bundle = Path(result.bundle_dir)
    groups = Predictor.load(bundle, expected_digest=result.digest).manifest.groups
    said = read_reference(bundle / "reference").merged.columns["@prediction"]
    assert set(groups) == {"thal[]=", "age[50]=no"}
    by_age = groups["age[50]=no"]
    assert set(by_age["selection_rate"]) == {"below 50", "50 and more"}
    assert sum(share.rows for share in by_age["selection_rate"].values()) == said.rows == 200
    chosen = [groups[key]["selection_rate"].values() for key in groups]
    assert sum(share.hits for each in chosen for share in each) == 200, "each row was answered yes or no"
    assert by_age["selection_rate"]["below 50"].value > 0.5 > by_age["selection_rate"]["50 and more"].value


def test_the_bundle_has_rows_to_compare_attributions_with(heart: tuple[Path, TrainingResult]) -> None:
    _, result = heart
    assert result.bundle_dir is not None
    sample = pq.read_table(Path(result.bundle_dir) / SAMPLE_NAME)
    assert (sample.num_rows, sample.column_names) == (200, ["age", "chol", "thal"])
    assert len(set(sample["age"].to_pylist())) == 200


def test_progress_rises_to_one(heart: tuple[Path, TrainingResult]) -> None:
    folder, _ = heart
    lines = [json.loads(line) for line in (folder / "out" / "progress.jsonl").read_text().splitlines()]
    shares = [line["at_share"] for line in lines]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert not (folder / "out" / "work").exists()


def test_regression_learns_over_time_and_is_compared_with_the_current_version(tmp_path: Path) -> None:
    training = {"candidates": [{"type": "ridge"}, {"type": "lightgbm"}], "split": {"type": "time"}, "trials": 2}
    old = request_for(tmp_path / "old", bike_rows(), BIKE_MODEL, BIKE_CONTRACT, training)
    code, errors, first = finish(start(tmp_path / "old", old), old)
    assert code == 0, (errors, first)
    grown = bike_rows(600, start=600, level=300.0)
    new = request_for(tmp_path / "new", grown, BIKE_MODEL, BIKE_CONTRACT, training)
    pq.write_table(bike_rows(200, start=1200, level=300.0), tmp_path / "recent.parquet")
    new |= {"compare_with": first.bundle_dir, "compare_rows_path": str(tmp_path / "recent.parquet")}
    code, errors, second = finish(start(tmp_path / "new", new), new)
    assert code == 0, (errors, second)
    assert second.comparison is not None
    assert second.comparison.rows == 200
    assert second.comparison.current_digest == first.digest
    assert second.comparison.gain is not None
    assert second.comparison.gain > 0.3
    assert second.comparison.loss_gain_low is not None
    assert second.comparison.loss_gain_low > 0


def test_gate_rejects_but_the_job_ends_well(tmp_path: Path) -> None:
    training = {"candidates": [{"type": "logistic_regression"}], "gates": {"accuracy": {"min": 0.999}}, "trials": 1}
    request = request_for(tmp_path, heart_rows(seed=1), HEART_MODEL, HEART_CONTRACT, training)
    code, _, result = finish(start(tmp_path, request), request)
    assert code == 0
    assert result.status == "rejected_by_gate"
    assert [gate.passed for gate in result.gates] == [False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training": {"candidates": [{"type": "ridge"}]}}, "candidate ridge: not for task binary"),
        ({"training": {"candidates": []}}, "training configuration: candidates"),
        ({"snapshot_path": "/nowhere.parquet"}, "no such file"),
        ({"model": HEART_MODEL | {"target": "illness"}}, "no column 'illness'"),
    ],
)
def test_bad_input_ends_in_one_sentence(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    training = {"candidates": [{"type": "logistic_regression"}], "trials": 1}
    request = request_for(tmp_path, heart_rows(), HEART_MODEL, HEART_CONTRACT, training) | change
    code, errors, result = finish(start(tmp_path, request), request)
    assert code == 1
    assert result.status == "failed"
    assert words in str(result.error)
    assert "Traceback" not in errors + str(result.error)
    assert not (tmp_path / "out" / "bundle").exists()


def test_request_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{}")
    command = [sys.executable, "-m", "trimtab.training.job", str(tmp_path / "r.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no training request" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_cancels_and_leaves_no_process_behind(tmp_path: Path) -> None:
    space = {"n_estimators": {"choices": [20_000]}}
    training = {"candidates": [{"type": "random_forest", "space": space}], "trials": 5}
    request = request_for(tmp_path, heart_rows(), HEART_MODEL, HEART_CONTRACT, training)
    process = start(tmp_path, request)
    wait_for(lambda: len(children_of(process.pid)) >= 3)
    # A worker that is killed while it is still being made complains by itself; this is about workers at work.
    time.sleep(3)
    children = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    code, errors, result = finish(process, request)
    assert code == 1
    assert (result.status, result.error) == ("failed", "cancelled")
    assert "Traceback" not in errors
    wait_for(lambda: not any(is_running(child) for child in children))


def test_a_training_that_takes_longer_than_its_limit_is_ended_and_says_so(tmp_path: Path) -> None:
    space = {"n_estimators": {"choices": [20_000]}}
    training = {"candidates": [{"type": "random_forest", "space": space}], "trials": 5}
    request = request_for(tmp_path, heart_rows(), HEART_MODEL, HEART_CONTRACT, training) | {"time_limit_s": 1.5}
    code, errors, result = finish(start(tmp_path, request), request)
    assert (code, result.status) == (1, "failed")
    assert "took longer than time_limit 1s500ms" in (result.error or "")
    assert "raise time_limit in training_config.yaml" in (result.error or "")
    assert "Traceback" not in errors


STUCK = """
import hashlib, sys, threading
from pathlib import Path
from trimtab.training.time_limit import TimeLimit
limit = TimeLimit(0.1, lambda: Path(sys.argv[1]).touch(), grace_s=0.1)
import signal
signal.signal(signal.SIGTERM, lambda *_: None)
limit.start()
hashlib.pbkdf2_hmac("sha256", b"p", b"s", 2**30)  # native code: hears no signal
"""


def test_a_training_that_hears_no_signal_is_ended_too(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", STUCK, str(tmp_path / "told")], timeout=30, check=False)
    assert (done.returncode, (tmp_path / "told").exists()) == (1, True)


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return all descendants of ``pid``."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = parent_of(int(entry.name))
            if parent == pid:
                found += [int(entry.name), *children_of(int(entry.name))]
    return found


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
