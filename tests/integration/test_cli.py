from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.processes import (
    TRIMTAB,
    ControlPlane,
    control_plane,
    environment,
    eventually,
    process,
    trimtab,
)
from tests.integration.small_project import FILES, MODEL, make_project, write_rows

from trimtab.cli.in_process import InProcessClient
from trimtab.cli.main import main
from trimtab.config.project import ProjectFolder

SOME_ID = "0197c0de-0000-7000-8000-000000000000"
READS: dict[tuple[str, ...], tuple[str, dict[str, object]]] = {
    ("deliveries",): ("data.deliveries", {}),
    ("deliveries", "--model", MODEL): ("data.deliveries", {"model": MODEL}),
    ("feeds", "list", MODEL): ("feeds.list", {"model": MODEL}),
    ("jobs", "list"): ("training.jobs", {}),
    ("versions", "list", MODEL): ("versions.list", {"model": MODEL}),
    ("versions", "show", f"{MODEL}@1"): ("versions.show", {"model": MODEL, "number": 1}),
    ("events", "list"): ("events.dead", {}),
    ("rollouts", "list"): ("rollouts.list", {}),
    ("incidents", "list"): ("incidents.list", {}),
    ("approvals", "list"): ("approvals.list", {"state": "waiting_approval"}),
    ("approvals", "list", "--all"): ("approvals.list", {}),
    ("retrain", "explain", MODEL): ("retraining.conditions", {"model": MODEL}),
    ("triggers", "explain", MODEL): ("retraining.conditions", {"model": MODEL}),
    ("triggers", "list"): ("retraining.events", {}),
    ("checks", MODEL): ("monitoring.checks", {"model": MODEL}),
    ("policy", "show"): ("policy.show", {}),
    ("autonomy", "status"): ("autonomy.status", {}),
    ("audit", "show"): ("audit.show", {"limit": 50}),
    ("audit", "show", "--model", MODEL): ("audit.show", {"model": MODEL, "limit": 50}),
    ("audit", "show", "--version", f"{MODEL}@1"): ("audit.show", {"version": f"{MODEL}/1", "limit": 50}),
    ("audit", "verify"): ("audit.verify", {}),
    ("audit", "key"): ("audit.keys", {}),
    ("reports", "list"): ("reports.list", {}),
    ("keys", "list"): ("keys.list", {}),
}


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose first version was trained and approved without a control plane."""
    project = make_project(tmp_path_factory.mktemp("worked"))
    rows = write_rows(project / "rows[1].csv")
    rows.write_text(rows.read_text() + "c900,300,1.0,basic,no\n")
    delivered = trimtab("ingest", MODEL, rows, "--json", project=project)
    assert delivered.code == 0, delivered.err
    assert delivered.json["rows_passed"] == 160
    assert delivered.json["rows_quarantined"] == 1
    trained = trimtab("train", MODEL, "--json", project=project)
    assert trained.code == 0, trained.err
    assert trained.json["state"] == "succeeded"
    assert trained.json["version"] == 1
    approved = trimtab("versions", "approve", f"{MODEL}@1", "--reason", "[/] looks good", "--json", project=project)
    assert approved.code == 0, approved.err
    assert approved.json["state"] == "approved"
    return project


@pytest.fixture(scope="module")
def here(worked: Path) -> dict[tuple[str, ...], Any]:
    """What the same operations answer in this process, before a control plane is there."""
    client = InProcessClient(ProjectFolder.open(worked))
    return {command: client.ask(name, **fields) for command, (name, fields) in READS.items()}


@pytest.fixture(scope="module")
def up(worked: Path, here: dict[tuple[str, ...], Any]) -> Iterator[ControlPlane]:
    with control_plane(worked) as plane:
        yield plane


# --- without a control plane ------------------------------------------------------------------------------------------


def test_without_a_control_plane_the_audit_log_tells_who_did_what_and_is_whole(worked: Path) -> None:
    verified = trimtab("audit", "verify", "--json", project=worked)
    assert verified.code == 0
    assert verified.json["ok"] is True
    shown = trimtab("audit", "show", project=worked)
    assert shown.code == 0
    assert "[/] looks good" in " ".join(shown.out.split())


def test_a_person_reads_sentences_on_a_narrow_terminal_too(worked: Path) -> None:
    told = trimtab("status", project=worked, env={"COLUMNS": "60"})
    assert told.code == 0
    assert f"trimtab deploy {MODEL}@1" in " ".join(told.out.split())
    # A command stays on one line, to be pasted.
    assert max(len(line) for line in told.out.splitlines() if "trimtab " not in line) <= 60


# --- over HTTP --------------------------------------------------------------------------------------------------------


def run_here(monkeypatch: pytest.MonkeyPatch, *command: str) -> int:
    """Run a command without a process of its own; what it says goes where this test's output does."""
    monkeypatch.setattr(sys, "argv", ["trimtab", *command])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_a_control_plane_answers_as_this_process_does(
    up: ControlPlane,
    here: dict[tuple[str, ...], Any],
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here(monkeypatch, *command, "--json", "--project", str(up.project)) == 0
    told = capsys.readouterr()
    assert told.err == ""
    answer, expected = json.loads(told.out), json.loads(json.dumps(here[command], default=str))
    # A command that shows every page has no next one to tell of.
    assert answer.pop("next", None) == expected.pop("next", None)
    if command == ("keys", "list"):
        # The control plane's fixture makes the key of this machine's user.
        assert [one["name"] for one in answer["keys"]] == ["local-admin"]
    elif command == ("audit", "verify"):
        # The control plane writes checkpoints of its own.
        assert {**answer, "checkpoints": expected["checkpoints"]} == expected
    elif command[:2] == ("versions", "show"):
        # The control plane tells MLflow what it was not told yet, and never takes it back.
        assert answer["told_to_mlflow"] in {True, expected["told_to_mlflow"]}
        assert {**answer, "told_to_mlflow": expected["told_to_mlflow"]} == expected
    else:
        assert answer == expected


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_every_list_can_be_read_by_a_person(
    up: ControlPlane,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here(monkeypatch, *command, "--project", str(up.project)) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.strip()


def test_a_trusted_key_is_asked_for_over_http_as_in_this_process(up: ControlPlane, tmp_path: Path) -> None:
    key = tmp_path / "audit.pem"
    key.write_text(trimtab("audit", "key", project=up.project).out)
    told = trimtab("audit", "verify", "--trusted-key", key, "--since", "last", "--json", project=up.project)
    assert (told.code, told.json["ok"], len(told.json["trusted"])) == (0, True, 1)
    key.write_text("no key")
    assert (
        "trusted_keys.0: holds no Ed25519 public key"
        in trimtab("audit", "verify", "--trusted-key", key, project=up.project).err
    )
    exported = trimtab("audit", "export", tmp_path / "export", "--json", project=up.project).json
    assert exported["checkpoints"] >= 1
    assert (tmp_path / "export" / "entries.jsonl").read_bytes().count(b"\n") == exported["entries"] > 0


def test_an_id_stands_whole_in_a_narrow_list(up: ControlPlane, here: dict[tuple[str, ...], Any]) -> None:
    told = trimtab("jobs", "list", project=up.project, env={"COLUMNS": "60"})
    assert here[("jobs", "list")]["jobs"][0]["job_id"] in told.out


def test_status_and_a_job_are_told_over_http_too(up: ControlPlane, here: dict[tuple[str, ...], Any]) -> None:
    status = trimtab("status", "--json", project=up.project).json
    assert status["models"][0]["name"] == MODEL
    assert {"process": "control-plane", "pid": up.pid, "alive": True} in status["processes"]
    job = here[("jobs", "list")]["jobs"][0]["job_id"]
    assert trimtab("jobs", "show", job, "--json", project=up.project).json["version"] == 1
    assert "succeeded" in trimtab("jobs", "show", job, project=up.project).out


def test_a_control_plane_elsewhere_needs_no_project_here(up: ControlPlane, tmp_path: Path) -> None:
    env = {"TRIMTAB_API_URL": up.url, "TRIMTAB_API_KEY": up.key}
    assert trimtab("versions", "list", MODEL, "--json", env=env, cwd=tmp_path).json["model"] == MODEL
    rows = write_rows(tmp_path / "more.csv", count=20, first=5_000)
    taken = trimtab("ingest", MODEL, rows, "--json", env=env, cwd=tmp_path)
    assert taken.code == 0, taken.err
    assert (taken.json["name"], taken.json["rows_passed"]) == ("more.csv", 20)
    assert list(tmp_path.iterdir()) == [rows]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["versions", "list", "nobody"], 3, ["nobody", "churn"]),
        (["versions", "approve", "churn@9"], 3, ["churn", "9"]),
        (["versions", "approve", "churn@1"], 5, ["churn"]),
        (["versions", "approve", "churn"], 2, ["MODEL@NUMBER"]),
        (["train", "nobody"], 3, ["nobody"]),
        (["train", "churn", "--until", "yesterday"], 2, ["until", "yesterday"]),
        (["monitor", "churn", "--at", "9999999"], 2, ["at"]),
        (["monitor", "churn", "--at", "0007-01-01"], 2, ["at", "1900"]),
        (["jobs", "show", SOME_ID], 3, [SOME_ID]),
        (["jobs", "show", "../../etc/passwd"], 3, ["nothing is there"]),
        (["jobs", "cancel", SOME_ID], 3, [SOME_ID]),
        (["incidents", "show", SOME_ID], 3, [SOME_ID]),
        (["incidents", "close", SOME_ID, "--reason", "x"], 3, [SOME_ID]),
        (["approvals", "approve", SOME_ID], 3, [SOME_ID]),
        (["approvals", "show", SOME_ID], 3, [SOME_ID]),
        (["approvals", "comment", SOME_ID, "why?"], 3, [SOME_ID]),
        (["approvals", "cancel", SOME_ID, "--reason", "why"], 3, [SOME_ID]),
        (["keys", "owner", "nobody", "ann"], 3, ["nobody"]),
        (["keys", "owner", "local-admin", "policy"], 5, ["policy"]),
        (["keys", "create", "dana", "--role", "viewer", "--expires", "-1d"], 2, ["expires"]),
        (["rollouts", "pause", SOME_ID, "--reason", "x"], 3, [SOME_ID]),
        (["history", "nobody"], 3, ["nobody"]),
        (["history", "churn", "--at", "9999999"], 2, ["at"]),
        (["rollback", "nobody"], 3, ["nobody", "churn"]),
        (["rollback", "churn"], 3, ["churn", "served no earlier version", "trimtab deploy"]),
        (["rollback", "churn", "--to", "1"], 3, ["churn@1", "never had all traffic", "trimtab deploy"]),
        (["rollback", "churn", "--to", "9"], 3, ["churn", "9"]),
        (["feeds", "release", "churn", "nobody", "--reason", "x"], 3, ["nobody", "shop"]),
        (["checks", "churn", "--verdict", "perhaps"], 2, ["verdict", "breach"]),
        (["keys", "create", "dana king", "--role", "viewer"], 2, ["name"]),
        (["keys", "create", "dana", "--role", "king"], 2, ["--role", "viewer"]),
        (["keys", "create", "local-admin", "--role", "viewer"], 5, ["local-admin"]),
        (["keys", "revoke", "nobody"], 3, ["nobody"]),
        (["predict", "churn", "{}"], 6, ["inference server", "trimtab up"]),
        (["predict", "churn", "{"], 2, ["JSON"]),
        (["events", "retry", "--reason", "x"], 2, ["--all"]),
        (["events", "retry", SOME_ID, "--all", "--reason", "x"], 2, ["--all"]),
        (["events", "retry", SOME_ID, "--reason", "x"], 3, [SOME_ID]),
        (["compare", "churn"], 2, ["churn", "1 versions"]),
        (["replay", "churn", "rows.csv", "--time", "when"], 6, ["inference server", "trimtab up"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_not_there_is_told_in_a_sentence(
    up: ControlPlane, command: list[str], code: int, words: list[str]
) -> None:
    ended = trimtab(*command, project=up.project)
    assert ended.code == code, ended.err
    for word in words:
        assert word in ended.sentence
    assert ended.out == ""


def test_a_key_of_a_lower_role_is_refused(up: ControlPlane) -> None:
    key = trimtab("keys", "create", "looker", "--role", "viewer", "--json", project=up.project).json["key"]
    env = {"TRIMTAB_API_KEY": key}
    assert trimtab("status", "--json", project=up.project, env=env).code == 0
    refused = trimtab("train", MODEL, project=up.project, env=env)
    assert refused.code == 4
    assert "operator" in refused.sentence
    unknown = trimtab("status", project=up.project, env={"TRIMTAB_API_KEY": "tt_wrong"})
    assert unknown.code == 4
    assert "tt_wrong" not in unknown.err


def test_a_second_control_plane_is_refused_before_it_touches_anything(up: ControlPlane) -> None:
    credentials = (up.project / ".trimtab" / "credentials.json").read_bytes()
    ended = trimtab("up", project=up.project)
    assert ended.code == 5
    assert "up already" in ended.sentence
    assert (up.project / ".trimtab" / "credentials.json").read_bytes() == credentials


@pytest.mark.parametrize("options", [["--json"], []], ids=["json", "table"])
def test_a_reader_that_goes_away_is_no_error(up: ControlPlane, options: list[str]) -> None:
    command = [*TRIMTAB, "audit", "show", "--project", str(up.project), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        assert writer.wait(30) == 1
        assert writer.stderr.read() == ""


def test_watching_into_a_file_shows_each_state_once_and_ends_cleanly_on_ctrl_c(
    up: ControlPlane, tmp_path: Path
) -> None:
    arguments = ("-m", "trimtab.cli", "status", "--watch", "--project", up.project)
    log = tmp_path / "log"
    with process(*arguments, log=log) as watcher:
        eventually(lambda: watcher.poll() is not None or "→" in log.read_text(), within_s=30, wanted="a first look")
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(30) == 130
    told = log.read_text()
    assert "Traceback" not in told
    assert told.endswith("stopped\n")
    assert told.count("processes: ") == 1
    assert "\x1b" not in told


def test_machines_watch_one_object_a_line(up: ControlPlane, tmp_path: Path) -> None:
    arguments = ("-m", "trimtab.cli", "status", "--watch", "--json", "--project", up.project)
    log = tmp_path / "log"
    with process(*arguments, log=log) as watcher:
        eventually(lambda: watcher.poll() is not None or "\n" in log.read_text(), within_s=30, wanted="a first look")
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(30) == 130
    first, *_ = log.read_text().splitlines()
    assert json.loads(first)["project"] == "small"


@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}], ids=["colours", "no-colour"])
def test_a_terminal_shows_colours_unless_it_is_asked_not_to(up: ControlPlane, settings: dict[str, str]) -> None:
    command = [*TRIMTAB, "status", "--project", str(up.project)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, env=environment(TERM="xterm", **settings)
    ) as shown:
        os.close(theirs)
        told = _all_of(ours)
        assert shown.wait(30) == 0
    assert f"trimtab deploy {MODEL}@1" in told
    assert (re.search(r"\x1b\[[0-9;]*3[0-7]m", told) is None) == bool(settings)


def _all_of(terminal: int) -> str:
    """Return what was written to a terminal until its last writer was gone."""
    told = b""
    with contextlib.suppress(OSError):  # what Linux says when nobody can write any more
        while part := os.read(terminal, 4096):
            told += part
    os.close(terminal)
    return told.decode()


# --- what is down -----------------------------------------------------------------------------------------------------


def test_something_else_at_the_address_is_told_in_a_sentence(up: ControlPlane, tmp_path: Path) -> None:
    elsewhere = trimtab("predict", "churn", "{}", env={"TRIMTAB_SERVING_URL": up.url}, cwd=tmp_path)
    assert elsewhere.code == 6
    assert "TRIMTAB_SERVING_URL" in elsewhere.sentence


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_cancels_a_training_and_leaves_nothing_behind(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    slow = (
        FILES["models/churn/training_config.yaml"]
        .replace("trials: 1", "trials: 500")
        .replace("logistic_regression", "random_forest")
    )
    (project / "models/churn/training_config.yaml").write_text(slow)
    assert trimtab("ingest", MODEL, write_rows(tmp_path / "rows.csv"), project=project).code == 0
    log = tmp_path / "log"
    with process("-m", "trimtab.cli", "train", MODEL, "--project", project, log=log) as training:
        jobs = project / ".trimtab" / "jobs"
        eventually(lambda: list(jobs.glob("*/progress.jsonl")), within_s=60, wanted="a training that has begun")
        folder = next(jobs.iterdir())
        training.send_signal(signal.SIGINT)
        assert training.wait(60) == 130
    assert "Traceback" not in log.read_text()
    assert f"job {folder.name}: cancelled; see 'trimtab jobs show {folder.name}'" in log.read_text()
    assert log.read_text().endswith("stopped\n")
    left = [one.info for one in psutil.process_iter(["pid", "cmdline"]) if str(folder) in str(one.info["cmdline"])]
    assert left == []
    shown = trimtab("jobs", "show", folder.name, "--json", project=project).json
    assert shown["state"] == "cancelled"
    assert trimtab("versions", "list", MODEL, "--json", project=project).json["versions"] == []


def test_a_stop_that_comes_while_the_platform_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    lock = project / ".trimtab" / "up.lock"
    with process("-m", "trimtab.cli", "up", "--project", project, log=tmp_path / "log") as starting:
        eventually(lambda: starting.poll() is not None or lock.exists(), within_s=60, wanted="a platform that starts")
        starting.send_signal(signal.SIGTERM)
        assert starting.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
    left = [one.info for one in psutil.process_iter(["pid", "cmdline"]) if str(project) in str(one.info["cmdline"])]
    assert left == []
