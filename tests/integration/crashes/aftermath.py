"""What is left when processes have died: looked at in database, lake, MLflow and audit log."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.integration.crashes.flows import MODEL
from tests.integration.crashes.march import ACTS
from tests.integration.crashes.remedies import FILE
from tests.integration.crashes.stage import BROKEN, ROWS, Stage

from trimtab.audit.signing import files_of
from trimtab.audit.verification import verify_log
from trimtab.db.tables import (
    action_grant,
    action_request,
    alert,
    audit_entry,
    check_result,
    delivery,
    event,
    event_delivery,
    incident,
    job,
    model_version,
    queue_message,
    rollout,
    snapshot,
    verification,
    vote,
    webhook_receipt,
)
from trimtab.registry.projection import MlflowProjection
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.rollout.endpoint_store import list_desired

__all__ = [
    "answers_are_in_the_lake_once",
    "chain_holds",
    "decisions_are_executed_once",
    "mlflow_agrees",
    "nothing_is_stuck",
    "one_version",
    "rows_are_in_one_zone_once",
    "the_limit_is_as_it_was",
    "told_once",
]

_ALL = tuple(ACTS)


def chain_holds(stage: Stage) -> None:
    """See that the audit chain verifies, against all its checkpoints too."""
    files = files_of((path.name, path.read_bytes()) for path in stage.platform.lake.checkpoints())
    with stage.platform.database.reading() as connection:
        found = verify_log(connection, files)
    assert found.problems == ()
    assert found.witnesses == found.signed == len(files)


def rows_are_in_one_zone_once(stage: Stage) -> None:
    """See that each delivered row lies in the zone where it belongs, once."""
    passed = [row["row_id"] for row in stage.lake_rows("processed/tables", "row_id")]
    broken = [row["row_id"] for row in stage.lake_rows("quarantine/tables", "row_id")]
    files = range(stage.files)
    assert sorted(passed) == sorted(f"f{file}r{row}" for file in files for row in range(BROKEN, ROWS))
    assert sorted(broken) == sorted(f"f{file}r{row}" for file in files for row in range(BROKEN))
    deliveries = [row for row in stage.rows(delivery) if row["kind"] == "table"]
    assert [(row["rows"], row["rows_quarantined"]) for row in deliveries] == [(ROWS, BROKEN)] * stage.files
    assert len([row for row in stage.rows(alert) if row["kind"] == "rows_quarantined"]) == stage.files


def answers_are_in_the_lake_once(stage: Stage) -> None:
    """See that each answer that was recorded is in the lake once, and none that nobody asked for."""
    rows = stage.lake_rows("processed/records", "prediction_id", "record_key")
    ids = Counter(row["prediction_id"] for row in rows)
    keys = {row["record_key"] for row in rows}
    assert max(ids.values()) == 1
    assert stage.answered.keys() <= ids.keys(), "a client has an answer of which there is no record"
    assert stage.shipped <= keys
    assert keys - stage.shipped - set(stage.answered.values()) <= stage.unanswered, "a record that nobody asked for"
    assert not stage.lake_rows("quarantine/records", "record_key")


def one_version(stage: Stage, *, attempts: int) -> None:
    """See that one training, of so many attempts, made version 2 of one snapshot."""
    [trained] = [row for row in stage.rows(job) if row["id"] != "j1" and row["spec"]["action_id"] is None]
    assert (trained["state"], trained["attempt"]) == ("succeeded", attempts)
    assert [row["number"] for row in stage.rows(model_version) if row["job_id"] == trained["id"]] == [2]
    used = [row["spec"]["request"]["snapshot_id"] for row in stage.rows(job) if row["id"] != "j1"]
    assert set(used) == {row["id"] for row in stage.rows(snapshot) if row["id"] != "s1"}
    assert stage.lake_rows(f"snapshots/{MODEL}", "row_id")


def mlflow_agrees(stage: Stage, acts: Sequence[str] = _ALL) -> None:
    """See that MLflow has each version once, and the alias on the one that serves."""
    # MLflow keeps its connections for as long as a process lives: they would still show what a restored project had.
    with tempfile.TemporaryDirectory() as folder, sqlite3.connect(Path(folder) / "mlflow.db") as copy:
        with sqlite3.connect(stage.project.mlflow_uri.removeprefix("sqlite:///")) as store:
            store.backup(copy)
        _shows_what_serves(MlflowProjection(f"sqlite:///{folder}/mlflow.db"), acts)


def _shows_what_serves(projection: MlflowProjection, acts: Sequence[str]) -> None:
    client = projection._client
    entries = client.search_model_versions(f"name = '{MODEL}'")
    numbers = {entry.version: entry.tags["trimtab.version"] for entry in entries}
    assert sorted(numbers.values()) == [str(number) for number in range(1, 2 + ("train" in acts) + ("retrain" in acts))]
    aliases = client.get_registered_model(MODEL).aliases
    assert {name: int(numbers[version]) for name, version in aliases.items()} == {"champion": _released(acts)[-1]}


def _released(acts: Sequence[str]) -> list[int]:
    """Return which versions were rolled out, one after the other."""
    each = (("release", 2), ("go_back", 1), ("retrain", 3))
    return [1, *(number for act, number in each if act in acts)]


def decisions_are_executed_once(stage: Stage, acts: Sequence[str] = _ALL) -> None:
    """See that what was decided in these acts was done, once."""
    decided = [(row["number"], row["decided_by"]) for row in stage.rows(model_version) if row["decided_by"]]
    each = (("release", (2, "vera")), ("retrain", (3, "vera")))
    assert sorted(decided) == [(1, "dana"), *(decision for act, decision in each if act in acts)]
    by = {"deploy": "release", "roll_back": "go_back", "retrain": "retrain", "change_config": "remedy"}
    rows = [row for row in stage.rows(action_request) if row["kind"] in by]
    actions = [(row["kind"], row["state"], row["decided_by"]) for row in rows]
    expected = [*(kind for kind, act in by.items() if act in acts), *["change_config"] * ("undo" in acts)]
    assert sorted(actions) == sorted((kind, "succeeded", "vera") for kind in expected)
    granted = [row["action_id"] for row in stage.rows(action_grant)]
    assert len(granted) == len(set(granted))
    assert {row["id"] for row in rows} <= {*granted}
    assert [(row["owner"], row["via"]) for row in stage.rows(vote) if row["via"] == "link"] == (
        [("vera", "link")] if "remedy" in acts else []
    )
    asked = [row for row in stage.rows(job) if row["id"] != "j1" and row["spec"]["action_id"] is not None]
    assert [(row["state"], row["attempt"]) for row in asked] == [("succeeded", 1)] * ("retrain" in acts)
    in_order = sorted(stage.rows(rollout), key=lambda row: row["started_us"])
    rollouts = [(row["candidate"], row["phase"]) for row in in_order]
    assert rollouts == [(number, "promoted") for number in _released(acts)]
    with stage.platform.database.reading() as connection:
        for spec in list_desired(connection):
            assert stage.platform.deployer.observe(spec.endpoint) is not None
    runs = {row["run_id"] for row in stage.rows(check_result) if row["kind"] != FROM_OUTSIDE}
    assert len(runs) == sum(act in acts for act in ("checks", "remedy", "undo"))
    assert [row["verdict"] for row in stage.rows(verification)] == {2: ["breach"], 1: [None], 0: []}[
        sum(act in acts for act in ("remedy", "undo"))
    ]


def the_limit_is_as_it_was(stage: Stage, acts: Sequence[str] = _ALL) -> None:
    """See that the change was made, and taken back once it was of no use, to the byte; and the case is one."""
    files = {path.name: path for path in stage.project.kept_config.glob("*") if path.suffix == ""}
    present = (stage.project.model_folder(MODEL) / FILE).read_bytes()
    changed = b"accuracy: 0.55" in present
    assert changed == ("remedy" in acts and "undo" not in acts)
    assert len(files) == 2 * ("remedy" in acts)
    assert len(stage.rows(webhook_receipt)) == ("remedy" in acts)
    families = sorted(row["family"] for row in stage.rows(incident) if row["family"] != "model")
    assert families == (["pipeline", "service"] if "remedy" in acts else [])


def nothing_is_stuck(stage: Stage) -> None:
    """See that nothing is left to do."""
    assert {row["state"] for row in stage.rows(event_delivery)} == {"done"}
    assert {row["state"] for row in stage.rows(queue_message)} == {"done"}
    assert {row["state"] for row in stage.rows(delivery)} == {"processed"}
    assert all(row["finished_us"] is not None for row in stage.rows(rollout))
    assert not list(stage.project.intake.glob("*.arrow"))


def told_once(stage: Stage) -> None:
    """See that the audit log tells each thing once, and each event was stored once."""
    chain_holds(stage)
    told = Counter(
        (row["action"], f"{row['subject']} {row['spec'].get('detail', {}).get('job_id', '')}".strip())
        for row in stage.rows(audit_entry)
    )
    once = ("delivery.accepted", "training.requested", "training.succeeded", "version.", "action.", "snapshot.made")
    assert {key: count for key, count in told.items() if key[0].startswith(once) and count > 1} == {}
    accepted = {key[1].rpartition("/")[2] for key in told if key[0] == "delivery.accepted"}
    assert accepted == {row["id"] for row in stage.rows(delivery) if row["kind"] == "table"}
    events = Counter((row["kind"], str(row["payload"])) for row in stage.rows(event) if row["kind"] != "rollout.moved")
    assert max(events.values()) == 1
