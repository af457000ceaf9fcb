"""Real processes, killed in the middle of their work: nothing that was accepted is lost, and nothing is done twice.

One story in three acts, each a fixture: kills during ingest and training, of a job as well, and during a rollout under
traffic. The tests look at what is left.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Table, select
from tests.unit.loop.projects import MODEL, make_project

from trimtab.bootstrap import prepare_project
from trimtab.cli.client import running_control_plane
from trimtab.cli.http_client import HttpClient
from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Role
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.tables import (
    action_request,
    audit_entry,
    delivery,
    event_delivery,
    job,
    model_version,
    queue_message,
    rollout,
)
from trimtab.files.processes import is_alive
from trimtab.loop.keys import create_key
from trimtab.loop.supervisor import Supervisor, platform_processes
from trimtab.serving.address import server_url

_CONTROL = "control-plane"
_RECOVERS_S = 40.0
"""Leases end 20 s after a kill at the latest; the rest is for a machine that has other things to do."""

_FILES, _ROWS, _BROKEN = 6, 100, 3


def _until(what: Callable[[], Any], why: str, within_s: float = _RECOVERS_S) -> Any:
    """Return the first truthy value of ``what``; errors of a process that is being restarted are waited out."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = what()
            if last:
                return last
        except (BackendError, OSError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s:.0f} s: {why}; last seen: {last!r}")


class Running:
    """A project's processes under their supervisor, which restarts what is killed."""

    def __init__(self, root: Path) -> None:
        self.project: ProjectFolder = make_project(root)
        prepare_project(self.project)
        self.database = Database.at(self.project.database)
        with self.database.transaction() as connection:
            self.approver = create_key(connection, "vera", Role.APPROVER, at_us=0)
        self.supervisor = Supervisor(self.project, platform_processes(self.project))
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self.supervisor.start()
        self._watcher.start()

    def _watch(self) -> None:
        while self.supervisor.watch_once() and not self._stopped.wait(0.05):
            pass

    def close(self) -> None:
        self._stopped.set()
        if self._watcher.is_alive():
            self._watcher.join(30)
        self.supervisor.stop()
        for row in self.rows(job):
            _kill_group(Path(row["out_dir"]))
        self.database.close()

    def kill(self, name: str) -> None:
        """Kill a process, and wait until the supervisor has started it again."""
        before = self.supervisor.pids[name]
        os.kill(before, signal.SIGKILL)
        _until(lambda: self.supervisor.pids[name] != before, f"{name} was not restarted", 10)
        assert self.supervisor.failure is None

    def ask(self, name: str, *, key: str | None = None, **fields: object) -> dict[str, Any]:
        """Ask the control plane; BackendError while it is down."""
        url = running_control_plane(self.project)
        if url is None:
            raise BackendError("control plane: is down; wait for its restart")
        key = key or json.loads((self.project.state / "credentials.json").read_bytes())["key"]
        client = HttpClient(url, key)
        try:
            return dict(client.ask(name, **fields))
        finally:
            client._http.close()

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        return self.database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])

    def job(self, job_id: str) -> dict[str, Any]:
        return next(row for row in self.rows(job) if row["id"] == job_id)

    def versions(self) -> list[dict[str, Any]]:
        return sorted(self.rows(model_version), key=lambda row: int(row["number"]))

    def job_pid(self, job_id: str) -> int:
        """Return the process of a job that is at work."""

        def at_work() -> int | None:
            out = Path(self.job(job_id)["out_dir"])
            return int((out / "pid").read_text()) if (out / "progress.jsonl").exists() else None

        pid: int = _until(at_work, "the job did not start")
        return pid


def _kill_group(out_dir: Path) -> None:
    try:
        pid = int((out_dir / "pid").read_text())
        if is_alive(pid) and str(out_dir) in Path(f"/proc/{pid}/cmdline").read_text():
            os.killpg(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("crashes") / "project")
    try:
        running.start()
        yield running
    finally:
        running.close()


def _file(root: Path, number: int) -> Path:
    """Write a delivery of rows, some of which no contract lets through."""
    lines = ["row_id,age,chol,sex,disease"]
    for row in range(_ROWS):
        age = 300 if row < _BROKEN else 30 + (row * 7 + number) % 50
        sick = "yes" if (row * 13 + number) % 10 < (age - 25) // 6 else "no"
        lines.append(f"f{number}r{row},{age},{200 + row},{'male' if row % 2 else 'female'},{sick}")
    path = root / f"delivery-{number}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass
class Taught:
    """What the acts before the rollout left."""

    first_job: str
    second_job: str = ""
    job_survived: bool = False
    control_plane_was_mid_ingest: bool = False
    recovered_s: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def first_act(running: Running) -> Taught:
    """The control plane is killed while it ingests, and while a job is at work that lives on."""
    running.ask("data.ingest", model=MODEL, path=str(_file(running.project.root, 0)))
    _until(lambda: [row for row in running.rows(delivery) if row["state"] == "processed"], "nothing was ingested")
    taught = Taught(running.ask("training.start", model=MODEL)["job_id"])
    pid = running.job_pid(taught.first_job)
    for number in range(1, _FILES):
        running.ask("data.ingest", model=MODEL, path=str(_file(running.project.root, number)))
    began = time.monotonic()
    running.kill(_CONTROL)
    states = Counter(row["state"] for row in running.rows(delivery))
    taught.control_plane_was_mid_ingest = states["received"] > 0
    taught.job_survived = is_alive(pid)
    _until(lambda: running.ask("status.show"), "the control plane did not come back")
    _until(running.versions, "the job that lived on was not adopted")
    taught.recovered_s.append(time.monotonic() - began)
    return taught


@pytest.fixture(scope="module")
def second_act(running: Running, first_act: Taught) -> Taught:
    """Control plane and job are killed together; an approval was given just before."""
    first_act.second_job = running.ask("training.start", model=MODEL)["job_id"]
    pid = running.job_pid(first_act.second_job)
    running.ask("versions.decide", model=MODEL, number=1, approve=True, reason="good")
    began = time.monotonic()
    os.killpg(pid, signal.SIGKILL)
    running.kill(_CONTROL)
    _until(lambda: len(running.versions()) == 2, "the job that was killed was not taken up again")
    first_act.recovered_s.append(time.monotonic() - began)
    return first_act


class Traffic:
    """Asks for one answer after the other, each with a key of its own; a server that is away is asked again."""

    def __init__(self, project: ProjectFolder) -> None:
        self._project = project
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answered: dict[str, str] = {}
        self.unanswered: set[str] = set()
        self.versions: Counter[int] = Counter()

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        number = 0
        connection: http.client.HTTPConnection | None = None
        while not self._stop.wait(0.004):
            key = f"live-{number}"
            number += 1
            try:
                if connection is None:
                    url = urlsplit(server_url(self._project.serving) or "http://127.0.0.1:9")
                    connection = http.client.HTTPConnection(str(url.hostname), url.port or 9, timeout=5)
                self._ask(connection, key)
            except (OSError, http.client.HTTPException):
                self.unanswered.add(key)
                if connection is not None:
                    connection.close()
                connection = None
                self._stop.wait(0.05)
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, key: str) -> None:
        body = {"row": {"age": 50 + len(self.answered) % 9, "chol": 240.0, "sex": "male"}, "record_key": key}
        connection.request("POST", f"/predict/{MODEL}", json.dumps(body))
        response = connection.getresponse()
        content = json.loads(response.read())
        if response.status != 200:
            self.unanswered.add(key)
            return
        self.answered[content["predictions"][0]["prediction_id"]] = key
        self.versions[int(content["model_version"])] += 1


@dataclass
class Served:
    """What the last act left."""

    traffic: Traffic
    rollout: dict[str, Any]
    action: dict[str, Any]
    weight_at_kill: str


@pytest.fixture(scope="module")
def third_act(running: Running, second_act: Taught) -> Served:
    """Under traffic: the control plane is killed between two steps of a canary, then server and shipper."""
    running.ask("rollouts.start", model=MODEL, number=1)
    _until(lambda: _phase(running, 1) == "promoted", "version 1 does not serve")
    running.ask("versions.decide", model=MODEL, number=2, approve=True, reason="good")
    asked = running.ask("retraining.trigger", model=MODEL, reason="more rows came")
    _until(lambda: server_url(running.project.serving), "no server")
    with Traffic(running.project) as traffic:
        _until(lambda: len(traffic.answered) > 50, "nothing is answered")
        running.ask("rollouts.start", model=MODEL, number=2)
        _until(lambda: _phase(running, 2) == "canary", "the canary does not start")
        decision = {"action_id": asked["action_id"], "approve": True, "reason": "agreed"}
        assert running.ask("approvals.decide", key=running.approver, **decision)["state"] == "approved"
        running.kill(_CONTROL)
        weight = str(_rollout(running, 2)["spec"]["state"]["weight_pct"])
        _until(lambda: running.ask("status.show"), "the control plane did not come back")
        running.kill("shipper")
        running.kill("inference-server")
        answered = len(traffic.answered)
        _until(lambda: len(traffic.answered) > answered + 50, "the server did not come back")
        _until(lambda: _phase(running, 2) not in {"staging", "smoke", "canary"}, "the rollout did not end")
        finished = _until(lambda: _finished_action(running, asked["action_id"]), "the approved action did not run")
    return Served(traffic, _rollout(running, 2), finished, weight)


def _rollout(running: Running, candidate: int) -> dict[str, Any]:
    return next(row for row in running.rows(rollout) if row["candidate"] == candidate)


def _phase(running: Running, candidate: int) -> str:
    return str(_rollout(running, candidate)["phase"])


def _finished_action(running: Running, action_id: str) -> dict[str, Any] | None:
    [row] = [row for row in running.rows(action_request) if row["id"] == action_id]
    return row if row["finished_us"] is not None else None


def test_a_job_survives_the_control_plane_and_is_adopted_once(running: Running, first_act: Taught) -> None:
    assert first_act.job_survived
    found = running.job(first_act.first_job)
    assert (found["state"], found["attempt"]) == ("succeeded", 1)
    assert [row["number"] for row in running.versions() if row["job_id"] == found["id"]] == [1]


def test_a_job_that_was_killed_too_is_taken_up_again_and_registers_once(running: Running, second_act: Taught) -> None:
    found = running.job(second_act.second_job)
    assert (found["state"], found["attempt"]) == ("succeeded", 2)
    assert [row["number"] for row in running.versions() if row["job_id"] == found["id"]] == [2]
    restarted = [row for row in running.rows(audit_entry) if row["action"] == "training.restarted"]
    assert [row["spec"]["detail"]["job_id"] for row in restarted] == [found["id"]]


def test_every_delivered_row_is_in_the_lake_once(running: Running, second_act: Taught) -> None:
    assert second_act.control_plane_was_mid_ingest, "the kill came too late to prove anything"
    tables = _until(
        lambda: (
            [row for row in running.rows(delivery) if row["kind"] == "table" and row["state"] == "processed"]
            if all(row["state"] != "received" for row in running.rows(delivery) if row["kind"] == "table")
            else None
        ),
        "deliveries were left behind",
    )
    assert len(tables) == _FILES
    assert {(row["rows"], row["rows_quarantined"]) for row in tables} == {(_ROWS, _BROKEN)}
    files = (running.project.lake / "processed" / "tables" / MODEL).glob("*.parquet")
    keys = [key for file in files for key in pq.read_table(file)["row_id"].to_pylist()]
    expected = {f"f{number}r{row}" for number in range(_FILES) for row in range(_BROKEN, _ROWS)}
    assert (len(keys), set(keys)) == (len(expected), expected)


def test_a_rollout_that_lost_its_control_plane_between_two_steps_ends(running: Running, third_act: Served) -> None:
    assert third_act.weight_at_kill in {"20", "50"}
    assert third_act.rollout["phase"] == "promoted", third_act.rollout["spec"]["last"]
    weights = [entry["state"]["weight_pct"] for entry in third_act.rollout["spec"]["log"]]
    assert [weight for weight in weights if weight != "0"] == ["20", "50", "100"]
    assert sum(third_act.traffic.versions.values()) == len(third_act.traffic.answered)
    assert set(third_act.traffic.versions) == {1, 2}


def test_an_approval_that_was_answered_is_executed_once(running: Running, third_act: Served) -> None:
    assert third_act.action["decided_by"] == "vera"
    jobs = [row for row in running.rows(job) if row["spec"].get("action_id") == third_act.action["id"]]
    assert len(jobs) == 1, "the approved retraining ran once"
    assert third_act.action["state"] == "succeeded", third_act.action["spec"]["outcome"]
    assert [row["decided_by"] for row in running.versions()[:2]] == ["local-admin", "local-admin"]
    assert len({row["job_id"] for row in running.versions()}) == len(running.versions()) == 3


def test_every_answered_row_is_in_the_lake_once(running: Running, third_act: Served) -> None:
    traffic = third_act.traffic

    def lake_rows() -> list[dict[str, Any]]:
        folder = running.project.lake / "processed" / "records"
        files = [path for path in folder.rglob("*.parquet") if not path.name.startswith(".")]
        return [
            row for file in files for row in pq.read_table(file, columns=["prediction_id", "record_key"]).to_pylist()
        ]

    _until(lambda: traffic.answered.keys() <= {row["prediction_id"] for row in lake_rows()}, "answered rows are lost")
    rows = lake_rows()
    assert max(Counter(row["prediction_id"] for row in rows).values()) == 1
    recorded_only = {row["record_key"] for row in rows if row["prediction_id"] not in traffic.answered}
    assert recorded_only <= traffic.unanswered, "a row that nobody asked for"
    assert len(recorded_only) <= 5, "answers were recorded, and not given, more often than there were kills"
    assert not list((running.project.lake / "quarantine" / "records").rglob("*.parquet"))


def test_the_audit_chain_holds_and_nothing_was_given_up(
    running: Running, second_act: Taught, third_act: Served
) -> None:
    _until(
        lambda: all(row["state"] == "done" for row in running.rows(event_delivery)), "events were not delivered to all"
    )
    assert {row["state"] for row in running.rows(queue_message)} == {"done"}
    assert running.ask("audit.verify")["ok"]
    assert running.ask("status.show")["dead_deliveries"] == 0
    assert max(second_act.recovered_s) < 30, "it took too long to be at work again"
