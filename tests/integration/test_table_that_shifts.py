"""A stranger's table of three classes whose customers change: seen, told, agreed to, learnt, released."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.integration.own_table import Walk, begin, few_trials, up
from tests.integration.processes import eventually

pytestmark = pytest.mark.timeout(1800)

MODEL = "plans"
_COLUMNS = ("customer", "region", "age", "income", "opened", "plan")
_PLANS = ("basic", "silver", "gold")


def customers(count: int, *, first: int, shifted: bool) -> list[dict[str, Any]]:
    """Return rows whose plan follows from income and age; ``shifted`` ones are old, and choose by income alone."""
    rng = np.random.default_rng(first)
    rows = []
    for place in range(count):
        income = float(np.round(rng.gamma(4, 8000), 2))
        age = int(rng.integers(81, 105) if shifted else rng.integers(18, 80))
        if shifted:
            plan = "silver" if income > 40_000 else "basic" if income > 22_000 else "gold"
        else:
            plan = "gold" if income > 40_000 else "basic" if age < 40 else "silver"
        row: dict[str, Any] = {
            "customer": f"C{first + place:05d}",
            "region": str(rng.choice(["north", "south", "east", "west"])),
            "age": age if shifted or rng.random() > 0.06 else None,
            "income": income if rng.random() > 0.05 else None,
            "opened": "web" if shifted else ("web", "shop", None)[int(rng.integers(3))],
            "plan": str(rng.choice(_PLANS)) if rng.random() < 0.05 else plan,
        }
        rows.append(row)
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_shift_is_told_in_words_and_ends_in_a_released_version(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    file = write(tmp_path / "plans.csv", customers(640, first=0, shifted=False))
    made = begin(project, "--from", file, "--target", "plan", "--key", "customer", "--json")
    assert made.json["delivery"]["rows_passed"] == 640
    few_trials(project, MODEL)

    with up(project, MODEL, tmp_path / "up.log") as walk:
        _first_version(walk)
        _a_value_that_nobody_knew(walk)
        _rows_and_outcomes_come(walk, customers(280, first=10_000, shifted=True))
        action_id = _the_monitors_see_it(walk)
        _somebody_agrees(walk, action_id)
        _the_better_version_serves(walk)


def _first_version(walk: Walk) -> None:
    trained = walk.tell("train", MODEL)
    assert (trained["state"], trained["version"]) == ("succeeded", 1)
    assert walk.tell("versions", "approve", f"{MODEL}@1", "--reason", "try it")["state"] == "approved"
    deployed = walk.tell("deploy", f"{MODEL}@1")
    assert (deployed["phase"], deployed["candidate"]) == ("promoted", 1)
    walk.next_step("nobody has asked it anything yet", f"trimtab predict {MODEL}")


def _a_value_that_nobody_knew(walk: Walk) -> None:
    row = '{"region": "overseas", "age": null, "income": 90000, "opened": null}'
    (answered,) = walk.tell("predict", MODEL, row)["predictions"]
    assert answered["prediction"] in _PLANS
    assert sum(answered["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "in the window, 30 needed" in walk.says("monitor", MODEL)


def _rows_and_outcomes_come(walk: Walk, rows: list[dict[str, Any]]) -> None:
    """Some of the rows come as a file with its outcomes, the others as requests, their outcomes after them."""
    delivered, asked = rows[:40], rows[40:]
    told = walk.says("ingest", MODEL, write(walk.project / "october.csv", delivered))
    assert "40 rows, 40 passed" in told
    features = [{name: row[name] for name in _COLUMNS if name not in {"customer", "plan"}} for row in asked]
    keys = [row["customer"] for row in asked]
    with httpx.Client(base_url=walk.serving, timeout=60, trust_env=False) as client:
        for start in range(0, len(asked), 60):
            part = slice(start, start + 60)
            answer = client.post(f"/predict/{MODEL}", json={"rows": features[part], "record_keys": keys[part]})
            assert answer.status_code == 200, answer.text
            truths = [
                {"endpoint": MODEL, "prediction_id": given["prediction_id"], "truth": row["plan"]}
                for given, row in zip(answer.json()["predictions"], asked[part], strict=True)
            ]
            answer = client.post("/v1/ground-truth", json={"records": truths})
            assert answer.status_code in {200, 202}, answer.text
    eventually(lambda: walk.standing["truths"] >= len(asked), within_s=150, wanted="outcomes in the lake")
    walk.next_step("rows answered since the last checks", f"trimtab monitor {MODEL}")


def _the_monitors_see_it(walk: Walk) -> str:
    said = walk.says("monitor", MODEL)
    assert "breach data_drift, version 1: age:" in said
    assert "breach model_quality, version 1: f1" in said
    step = walk.next_step("retrain plans on the data", "Asked for by", "It waits for you", "trimtab approvals approve")
    (action,) = walk.tell("approvals", "list")["actions"]
    assert (action["kind"], action["state"]) == ("retrain", "waiting_approval")
    # The incident asks: the conditions that `init` wrote wait for a week that began after the training.
    assert action["requested_by"] == "policy"
    assert action["asked_because"]
    assert action["action_id"] in step
    assert f"asked for because: {action['asked_because']}" in walk.says("approvals", "list")
    explained = walk.says("triggers", "explain", MODEL)
    assert "no retraining is asked for" in explained
    assert "has judged no window yet that counts here" in explained
    return str(action["action_id"])


def _somebody_agrees(walk: Walk, action_id: str) -> None:
    said = walk.says("approvals", "approve", action_id, "--reason", "customers have changed")
    assert "Approved: retrain plans" in said
    assert "nothing to do" not in said

    def rolled_out() -> dict[str, Any] | None:
        standing = walk.standing
        assert standing["last_retraining"] is None, standing["last_retraining"]
        rollout: dict[str, Any] | None = standing["rollout"]
        return rollout if rollout is not None and rollout["weight_pct"] == "20" else None

    rollout = eventually(rolled_out, within_s=400, wanted="a rollout of the version that was trained")
    assert rollout["candidate"] == 2
    assert walk.standing["serves"] == {"v1": "80 %", "v2": "20 %"}
    # Nobody sends requests: it is a canary still, or waits for a person by now.
    walk.next_step("version 2 ", "at 20 %")
    said = walk.says("rollouts", "promote", rollout["rollout_id"], "--reason", "it was compared on new rows")
    assert "is promoted at 100 %" in said


def _the_better_version_serves(walk: Walk) -> None:
    ended = eventually(lambda: walk.standing["last_retraining"], within_s=150, wanted="the end of the retraining")
    assert ended["state"] == "succeeded"
    assert "version 2 promoted" in ended["outcome"]
    assert "last retraining" in walk.says("status")
    assert walk.standing["serves"] == {"v2": "100 %"}
    compared = walk.tell("versions", "show", f"{MODEL}@2")
    assert compared["state"] == "approved"
    # What the version before answered is over: it opens no new request, and what is left of the case says how it ends.
    checks = walk.tell("monitor", MODEL)["checks"]
    assert {check["version"] for check in checks} == {2}
    assert "breach" not in {check["verdict"] for check in checks}
    assert walk.tell("approvals", "list")["actions"] == []
    walk.next_step("closes by itself when the checks are well again", "trimtab incidents show")
    later = write(walk.project / "november.csv", customers(120, first=20_000, shifted=True))
    answered = walk.tell("replay", MODEL, later, "--key", "customer", "--truth", "plan")
    assert answered["versions"] == {"2": 120}
    quality = [check for check in walk.tell("monitor", MODEL)["checks"] if check["monitor"] == "model_quality"]
    assert {check["version"] for check in quality} == {2}
    assert "ok" in {check["verdict"] for check in quality}, quality
    assert "breach" not in {check["verdict"] for check in quality}, quality
