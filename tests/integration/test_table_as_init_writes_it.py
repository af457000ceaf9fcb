"""The configuration that `trimtab init` writes, trained and watched with nothing edited in it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from tests.integration.own_table import Walk, begin, up

pytestmark = pytest.mark.timeout(1800)

GERMAN = Path(__file__).parents[2] / "examples" / "tables" / "german-credit.csv"
MODEL = "german-credit"
_WATCHED = {"data_drift", "data_quality", "model_quality", "latency", "errors"}
_TRIED = {"logistic_regression", "random_forest", "lightgbm", "xgboost"}


def _first_row() -> dict[str, str | int]:
    with GERMAN.open(newline="") as stream:
        first = next(csv.DictReader(stream))
    first.pop("credit")
    return {name: int(value) if value.isdigit() else value for name, value in first.items()}


def test_two_classes_go_from_init_to_a_request_for_retraining_as_init_wrote_them(tmp_path: Path) -> None:
    project = tmp_path / "credit"
    made = begin(project, "--from", GERMAN, "--target", "credit", "--json")
    assert made.json["delivery"]["rows_passed"] == 1000
    written = {path: path.read_bytes() for path in (project / "models").rglob("*.yaml")}

    with up(project, MODEL, tmp_path / "up.log") as walk:
        walk.next_step("1000 rows are ready to learn from", f"trimtab train {MODEL}")
        _train(walk)
        _serve(walk)
        _ask_and_watch(walk)
        _ask_for_a_retraining(walk)

    assert {path: path.read_bytes() for path in (project / "models").rglob("*.yaml")} == written


def _train(walk: Walk) -> None:
    said = walk.says("train", MODEL)
    assert f"Version 1 of {MODEL}" in said
    assert f"trimtab versions approve {MODEL}@1" in said
    (job,) = walk.tell("jobs", "list")["jobs"]
    candidates = job["result"]["candidates"]
    assert {one["algorithm"] for one in candidates} == _TRIED
    assert all(one["trials"] == 8 and one["error"] is None for one in candidates), candidates
    gate = yaml.safe_load((walk.project / "models" / MODEL / "training_config.yaml").read_bytes())["gates"]
    assert job["result"]["metrics"]["roc_auc"] > gate["roc_auc"]["min"]
    walk.next_step("version 1", "waits for approval", f"trimtab versions approve {MODEL}@1")


def _serve(walk: Walk) -> None:
    assert "is approved" in walk.says("versions", "approve", f"{MODEL}@1", "--reason", "try it")
    walk.next_step("approved and does not serve yet", f"trimtab deploy {MODEL}@1")
    said = walk.says("deploy", f"{MODEL}@1")
    assert f"{MODEL}@1 serves" in said
    assert "it is served; promoted" in said
    (version,) = walk.tell("versions", "list", MODEL)["versions"]
    assert (version["number"], version["state"]) == (1, "approved")
    (model,) = walk.tell("status")["models"]
    assert model["serves"] == {"v1": "100 %"}


def _ask_and_watch(walk: Walk) -> None:
    walk.next_step("nobody has asked it anything yet", f"trimtab predict {MODEL}")
    assert "nobody has asked it anything yet" in walk.says("status")
    row = json.dumps(_first_row())
    answer = walk.tell("predict", MODEL, row)
    said = walk.says("predict", MODEL, row)
    (prediction,) = answer["predictions"]
    assert answer["model_version"] == 1
    told = f"{prediction['prediction']} (probability {prediction['probability']:.3f}), {MODEL}@1 trimtab lineage "
    assert re.fullmatch(re.escape(told) + "[0-9a-f-]{36}", said)
    walk.next_step("no true outcome told", f"trimtab replay {MODEL} FILE --truth credit")
    judged = walk.tell("monitor", MODEL)["checks"]
    assert {check["monitor"] for check in judged} == _WATCHED
    assert "breach" not in {check["verdict"] for check in judged}
    assert "in the window, 30 needed" in walk.says("monitor", MODEL)


def _ask_for_a_retraining(walk: Walk) -> None:
    asked = walk.tell("retrain", "request", MODEL, "--reason", "to see it once")
    assert asked["state"] == "waiting_approval"
    assert asked["asked_because"] == "to see it once"
    walk.next_step("It waits", f"trimtab approvals approve {asked['action_id']}")
    said = walk.says("approvals", "list")
    assert "asked for because: to see it once" in said
    assert "Rejected" in walk.says("approvals", "reject", asked["action_id"], "--reason", "nothing is new")
    assert walk.tell("approvals", "list")["actions"] == []
