"""A second training does again only what changed, says so, and comes to the same version."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.unit.training.test_job import HEART_CONTRACT, HEART_MODEL, finish, heart_rows, request_for, runs_in, start

from trimtab.training.request import TrainingResult

CANDIDATES: list[dict[str, Any]] = [
    {"type": "logistic_regression"},
    {"type": "lightgbm", "space": {"n_estimators": {"choices": [20]}}},
]

Runs = dict[str, tuple[Path, TrainingResult]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Train without a cache, twice with one, with one space changed, and with everything in the cache damaged."""
    root = tmp_path_factory.mktemp("reuse")
    done: Runs = {}
    wider = [CANDIDATES[0] | {"space": {"C": {"low": 0.5, "high": 2.0}}}, CANDIDATES[1]]
    for name, candidates in (
        ("uncached", CANDIDATES),
        ("first", CANDIDATES),
        ("second", CANDIDATES),
        ("changed", wider),
        ("damaged", CANDIDATES),
    ):
        if name == "damaged":
            for path in (root / "cache" / "objects").iterdir():
                path.write_bytes(path.read_bytes()[:-1] + b"?")
        folder = root / name
        request = request_for(folder, heart_rows(), HEART_MODEL, HEART_CONTRACT, {"candidates": candidates})
        if name != "uncached":
            pq.write_table(heart_rows(80, seed=9), folder / "recent.parquet")
            _, before = done["uncached"]
            request |= {
                "cache_dir": str(root / "cache"),
                "compare_with": before.bundle_dir,
                "compare_digest": before.digest,
                "compare_rows_path": str(folder / "recent.parquet"),
            }
        code, errors, result = finish(start(folder, request), request)
        assert code == 0, (errors, result)
        done[name] = folder, result
    return done


def content_of(result: TrainingResult) -> dict[str, Any]:
    """Return what the bundle says and holds, without the run that made it and when that was."""
    assert result.bundle_dir is not None
    manifest: dict[str, Any] = json.loads((Path(result.bundle_dir) / "bundle.json").read_text())
    del manifest["created_at"], manifest["lineage"]["run_id"]
    return manifest


def test_second_run_takes_over_all_that_is_costly_and_says_so(runs: Runs) -> None:
    assert not any(step.reused for step in runs["first"][1].steps)
    folder, second = runs["second"]
    redone = [step.name for step in second.steps if not step.reused]
    assert redone == ["read", "split", "select", "write", "gate"]
    assert {step.name.split()[0] for step in second.steps if step.reused} == {
        "tune",
        "finish",
        "explain",
        "plot",
        "compare",
    }
    last = [json.loads(line)["message"] for line in (folder / "out" / "progress.jsonl").read_text().splitlines()][-2]
    assert last.startswith("took over 6 of 11 steps that had not changed: tune logistic_regression")
    assert all(candidate.reused for candidate in second.candidates)


def test_same_request_gives_the_same_bundle_with_and_without_a_cache(runs: Runs) -> None:
    uncached, first, second, damaged = (runs[name][1] for name in ("uncached", "first", "second", "damaged"))
    assert content_of(first) == content_of(uncached)
    assert content_of(second) == content_of(uncached)
    assert content_of(damaged) == content_of(uncached)
    assert second.metrics == first.metrics
    assert second.comparison == first.comparison
    assert first.comparison is not None


def test_changed_space_tunes_only_its_candidate_again(runs: Runs) -> None:
    _, changed = runs["changed"]
    tuned = {step.name: step.reused for step in changed.steps if step.name.startswith("tune")}
    assert tuned == {"tune logistic_regression": False, "tune lightgbm": True}


def test_damaged_cache_is_computed_again_and_mended(runs: Runs) -> None:
    _, damaged = runs["damaged"]
    assert not any(step.reused for step in damaged.steps)
    assert damaged.status == "succeeded"


def test_keys_and_version_are_told_to_mlflow(runs: Runs) -> None:
    folder, second = runs["second"]
    _, first = runs["first"]
    assert {step.name: step.key for step in first.steps if step.name != "write"} == {
        step.name: step.key for step in second.steps if step.name != "write"
    }
    parent = next(run for run in runs_in(folder) if run["run_id"] == second.run_id)
    assert parent["pipeline_version"] == second.pipeline == first.pipeline
    assert parent["steps_reused"] == "6 of 11"
    trials = [run for run in runs_in(folder) if "trial" in run]
    assert len(trials) == 2  # the best of each; the others stand where they were run
    assert {run["reused"] for run in trials} == {"true"}
    assert {run["step_key"] for run in trials} == {step.key for step in second.steps if step.name.startswith("tune")}


def test_explanation_and_pictures_reach_bundle_and_mlflow(runs: Runs) -> None:
    folder, second = runs["second"]
    attribution = content_of(second)["attribution"]
    assert set(attribution) == {"age", "chol", "thal"}
    assert sum(attribution.values()) == pytest.approx(1)
    assert content_of(second)["lineage"]["pipeline"] == second.pipeline
    plots = folder / "artifacts" / "heart" / str(second.run_id) / "artifacts" / "plots"
    assert {path.name for path in plots.glob("*.png")} == {
        "feature_importance.png",
        "shap_summary.png",
        "confusion_matrix.png",
        "roc_and_precision_recall.png",
        "calibration_curve.png",
    }
    steps = json.loads((plots.parent / "steps.json").read_text())
    assert steps == list(msgspec.to_builtins(second.steps))
