"""``--json`` of every command: one JSON document on standard output and nothing else, errors included."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.processes import Ended, eventually, process, trimtab
from tests.integration.small_project import FILES, MODEL, make_project, write_rows
from tests.unit.cli.test_commands import everything

from trimtab.cli.main import main

Run = Callable[..., Ended]
ROW = '{"age": 30, "spend": 4.5, "plan": "basic"}'
NOBODY = "no-such-one"
SOME_ID = "00000000-0000-7000-8000-000000000000"
STRICT = "strict"
"""A model with a gate that nothing passes."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that is up: one model with two versions, of which the second serves, and one without any."""
    project = make_project(tmp_path_factory.mktemp("live"))
    training = f"models/{MODEL}/training_config.yaml"
    for name, content in FILES.items():
        if name.startswith(f"models/{MODEL}/"):
            path = project / name.replace(MODEL, STRICT, 1)
            path.parent.mkdir(exist_ok=True)
            path.write_text(content.replace(f"name: {MODEL}", f"name: {STRICT}"))
            if name == training:
                path.write_text(f"{content}gates: {{f1: {{min: 1.0}}}}\n")
    log = project / "up.log"
    with process("-m", "trimtab.cli", "up", "--project", project, log=log):
        eventually(lambda: "Ctrl-C" in log.read_text(), within_s=150, wanted="processes that are up")
        yield project


@pytest.fixture
def run(live: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command without a process of its own, and return how it ended."""

    def run(*command: str | Path, project: Path | None = live) -> Ended:
        where = () if project is None else ("--project", str(project))
        monkeypatch.setattr(sys, "argv", ["trimtab", *map(str, command), *where])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Ended(int(left.value.code or 0), told.out, told.err)

    return run


def with_json() -> set[tuple[str, ...]]:
    """Return the commands that have ``--json`` as a switch."""
    found = set()
    for path, command in everything().items():
        switches = [one for one in command.params if "--json" in one.opts and getattr(one, "is_flag", False)]
        if switches:
            found.add(path)
    return found


def test_every_command_that_can_speaks_json_and_nothing_else(run: Run, live: Path, tmp_path: Path) -> None:
    """Twice around the loop, each command of it once at least."""
    spoken: set[tuple[str, ...]] = set()

    def told(*command: str | Path, code: int = 0, project: Path | None = live) -> Any:
        ended = run(*command, "--json", project=project)
        assert ended.code == code, f"{command}: {ended.err}"
        words = tuple(str(one) for one in command)
        spoken.update(path for path in with_json() if words[: len(path)] == path)
        return json.loads(ended.out)

    rows = write_rows(tmp_path / "rows.csv")
    made = told("init", tmp_path / "made", "--from", rows, "--target", "churned", "--no-ingest", project=None)
    assert made["task"] == "binary"
    assert told("schema", "--out", tmp_path / "schemas", project=None)["written"]
    assert told("validate")["ok"] is True
    for number, file in enumerate((rows, write_rows(tmp_path / "more.csv", first=1000)), start=1):
        assert told("ingest", MODEL, file)["rows_passed"] == 160
        job = told("train", MODEL)
        assert job["version"] == number
        assert told("jobs", "show", job["job_id"])["state"] == "succeeded"
    assert told("jobs", "cancel", job["job_id"], code=5)["exit_code"] == 5
    listed = told("versions", "list", MODEL)["versions"]
    assert sorted(one["number"] for one in listed) == [1, 2]
    assert told("versions", "show", f"{MODEL}@1")["rows"] == 160
    assert told("lineage", f"{MODEL}@1")["data"]["rows"] == 160
    assert [one["number"] for one in told("compare", f"{MODEL}@1", f"{MODEL}@2")["versions"]] == [1, 2]
    assert told("versions", "reject", f"{MODEL}@1", "--reason", "the first")["state"] == "rejected"
    assert told("versions", "approve", f"{MODEL}@2")["state"] == "approved"
    assert told("snapshot", MODEL)["rows"] == 320
    rollout = told("deploy", f"{MODEL}@2")
    assert rollout["phase"] == "promoted"
    for operation in ("pause", "resume", "promote", "abort"):
        assert "error" in told("rollouts", operation, rollout["rollout_id"], "--reason", "over", code=5)
    assert "no rollout is under way" in told("rollouts", "abort", MODEL, "--reason", "over", code=3)["error"]
    assert told("rollouts", "watch", rollout["rollout_id"])["phase"] == "promoted"
    assert told("rollback", MODEL, "--reason", "to see", code=3)["exit_code"] == 3
    assert told("predict", MODEL, ROW)["predictions"]
    answered = told("batch", MODEL, "--input", rows, "--output", tmp_path / "answered", "--workers", "1")
    assert (answered["rows"], answered["model_version"]) == (160, "2")
    assert told("replay", MODEL, rows, "--key", "customer")["answered"] == 160
    assert told("monitor", MODEL)["checks"]
    # Its rows say no time: a whole simulation has a test of its own.
    assert told("simulate", MODEL, "--stream", rows, "--time", "customer", code=1)["exit_code"] == 1
    assert told("retrain", "request", MODEL, "--reason", "to see")["kind"] == "retrain"
    [asked] = told("approvals", "list")["actions"]
    assert told("approvals", "comment", asked["action_id"], "not yet")["votes"][0]["comment"] == "not yet"
    assert told("approvals", "show", asked["action_id"])["needed"] == 1
    assert told("approvals", "reject", asked["action_id"], "--reason", "no")["action_id"] == asked["action_id"]
    assert told("approvals", "cancel", asked["action_id"], "--reason", "late", code=5)["exit_code"] == 5
    assert told("approvals", "approve", asked["action_id"], code=5)["exit_code"] == 5
    assert told("keys", "create", "looker", "--role", "viewer", "--owner", "ann", "--expires", "90d")["key"]
    assert told("keys", "owner", "looker", "bob")["owner"] == "bob"
    opened = told("incidents", "open", MODEL, "--title", "answers look odd", "--severity", "low")
    assert told("incidents", "show", opened["incident_id"])["family"] == "model"
    assert told("policy", "show")["rules"]
    assert told("policy", "explain", opened["incident_id"])["title"]
    assert told("autonomy", "pause", "--for", "4h", "--reason", "moving house")["model"] is None
    assert told("autonomy", "status")["pauses"][0]["reason"] == "moving house"
    assert told("autonomy", "resume")["pauses"] == []
    assert isinstance(told("audit", "key"), dict)
    assert isinstance(told("audit", "renew", "--reason", "yearly"), dict)
    assert told("audit", "reindex")["entries"] > 0
    assert isinstance(told("audit", "export", tmp_path / "audit"), dict)
    for name in ("show", "close"):
        reason = ("--reason", "why") if name == "close" else ()
        assert told("incidents", name, SOME_ID, *reason, code=3)["exit_code"] == 3
    assert told("reports", "evidently", MODEL, "--variant", "nobody", code=3)["exit_code"] == 3
    card = told("reports", "make", "model-card", MODEL)
    assert told("reports", "show", card["report_id"])["subject"] == MODEL
    assert told("feeds", "quarantine", MODEL, "shop", "--reason", "odd")["state"] == "quarantined"
    assert told("feeds", "release", MODEL, "shop", "--reason", "mended")["state"] == "open"
    for command in (
        *(
            ["status"],
            ["deliveries"],
            ["jobs", "list"],
            ["checks", MODEL],
            ["history", MODEL],
            ["feeds", "list", MODEL],
        ),
        *(["rollouts", "list"], ["incidents", "list"], ["retrain", "explain", MODEL], ["audit", "show"]),
        *(["triggers", "explain", MODEL], ["triggers", "list"]),
        *(["audit", "verify"], ["reports", "list"], ["keys", "list"], ["keys", "revoke", "looker"], ["events", "list"]),
        *(["sessions", "list"], ["sessions", "end", "--all"]),
        *(["notify", "list"], ["notify", "retry"], ["notify", "test", "log"]),
        ["events", "retry", "--all", "--reason", "mended"],
    ):
        assert isinstance(told(*command), dict), command
    assert told("endpoints", "pause", MODEL, "--reason", "to see")["waits"] is False
    assert told("endpoints", "resume", MODEL, "--reason", "seen")["waits"] is False
    assert told("endpoints", "scale", MODEL, "--reason", "to see", "--workers", "2", code=5)["exit_code"] == 5
    assert told("endpoints", "clear-cache", MODEL, "--reason", "to see", code=5)["exit_code"] == 5
    change = ("config", "change", MODEL, "--file", "monitoring_config.yaml", "--reason", "to see")
    assert told(*change, "--set", "monitors.99.limits.f1=0.1", code=2)["exit_code"] == 2
    assert told("labelling", "open", MODEL, "--reason", "to see")["campaign_id"]
    assert len(told("labelling", "list")["campaigns"]) == 1
    assert told("labelling", "show", SOME_ID, code=3)["exit_code"] == 3
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text(f"id,outcome\n{SOME_ID},yes\n")
    endpoint = MODEL
    assert told("truths", "send", endpoint, outcomes, "--truth", "outcome", "--id", "id")["accepted"] == 1
    assert isinstance(told("truths", "show", endpoint), dict)
    # It runs until it is stopped: tests of its own see what it says once it listens.
    assert with_json() - spoken == {("serve",)}


def test_a_gate_that_refuses_is_a_sentence_and_exit_code_1(run: Run, tmp_path: Path) -> None:
    assert run("ingest", STRICT, write_rows(tmp_path / "rows.csv")).code == 0
    person = run("train", STRICT)
    assert person.code == 1
    assert "Not registered: logistic_regression fails a gate: f1 " in " ".join(person.out.split())
    machine = run("train", STRICT, "--json")
    assert machine.code == 1
    assert machine.json["result"]["status"] == "rejected_by_gate"
    assert run("versions", "list", STRICT, "--json").json["versions"] == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("versions", "list", NOBODY), 3),
        (("train", NOBODY), 3),
        (("ingest", MODEL, "nowhere.csv"), 1),
        (("predict", NOBODY, ROW), 2),
        (("predict", MODEL, "no row"), 2),
        (("versions", "show", MODEL), 2),
        (("checks", MODEL, "--limit", "many"), 2),
        (("status", "--watched"), 2),
        (("replay", NOBODY, "nowhere.csv"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_error_is_json_too(run: Run, command: tuple[str, ...], code: int) -> None:
    ended = run(*command, "--json")
    assert ended.code == code, ended.err
    assert ended.json == {"error": ended.sentence, "exit_code": code}


def test_where_there_is_no_project_even_the_watch_answers_in_one_line_of_json(tmp_path: Path) -> None:
    ended = trimtab("status", "--watch", "--json", project=tmp_path)
    assert ended.code == 2
    assert "trimtab.yaml" in json.loads(ended.out)["error"]
    assert ended.out.count("\n") == 1


def test_the_file_that_the_demo_writes_is_no_switch(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    ended = trimtab("demo", "--folder", tmp_path, "--json", tmp_path / "demo.json")
    assert ended.code == 2
    assert ended.out == ""
    assert "is not empty and no earlier demo" in ended.sentence
