"""The whole platform under its supervisor, its processes killed in the middle of their work, under traffic.

One story in two acts, each a fixture: kills during ingest, and during a rollout that clients look at. Here leases run
out by themselves. The tests look at what is left.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Table, select
from tests.unit.loop.projects import MODEL, START, InstantJobs, InstantServer, World, make_project

from trimtab.bootstrap import build_platform, prepare_project
from trimtab.cli.client import running_control_plane
from trimtab.cli.http_client import HttpClient
from trimtab.config.project import ProjectFolder
from trimtab.core.clock import ManualClock
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.tables import delivery, event, event_delivery, queue_message, rollout
from trimtab.loop.supervisor import Supervisor, platform_processes
from trimtab.serving.address import server_url

_CONTROL = "control-plane"
_RECOVERS_S = 40.0
"""Leases end 20 s after a kill at the latest; the rest is for a machine that has other things to do."""

_SHOWN_S = 150.0
"""A control plane that was killed imports MLflow anew, and makes its store of thirty migrations from the beginning."""

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
        platform = build_platform(self.project)
        world = World(platform, ManualClock(START), InstantServer(), InstantJobs(lambda _: None))
        world.version(1)
        world.version(2)
        platform.database.close()
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
        self.database.close()

    def kill(self, name: str) -> None:
        """Kill a process, and wait until the supervisor has started it again."""
        before = self.supervisor.pids[name]
        os.kill(before, signal.SIGKILL)
        _until(lambda: self.supervisor.pids[name] != before, f"{name} was not restarted", 10)
        assert self.supervisor.failure is None

    def ask(self, name: str, **fields: object) -> dict[str, Any]:
        """Ask the control plane; BackendError while it is down."""
        url = running_control_plane(self.project)
        if url is None:
            raise BackendError("control plane: is down; wait for its restart")
        key = json.loads((self.project.state / "credentials.json").read_bytes())["key"]
        client = HttpClient(url, key)
        try:
            return dict(client.ask(name, **fields))
        finally:
            client._http.close()

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        return self.database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])


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


@pytest.fixture(scope="module")
def behind_at_kill(running: Running) -> int:
    """The control plane is killed while it ingests; how many files it had still to do."""
    running.ask("data.ingest", model=MODEL, path=str(_file(running.project.root, 0)))
    _until(lambda: [row for row in running.rows(delivery) if row["state"] == "processed"], "nothing was ingested")
    for number in range(1, _FILES):
        running.ask("data.ingest", model=MODEL, path=str(_file(running.project.root, number)))
    running.kill(_CONTROL)
    behind = Counter(row["state"] for row in running.rows(delivery))["received"]
    _until(lambda: running.ask("status.show"), "the control plane did not come back")
    _until(lambda: {row["state"] for row in running.rows(delivery)} == {"processed"}, "deliveries were left behind")
    return behind


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


@dataclass(frozen=True)
class Served:
    """What the second act left."""

    traffic: Traffic
    rollout: dict[str, Any]
    weight_at_kill: str


@pytest.fixture(scope="module")
def second_act(running: Running, behind_at_kill: int) -> Served:
    """Under traffic: the control plane is killed between two steps of a canary, then server and shipper."""
    assert behind_at_kill, "the kill came too late to prove anything"
    running.ask("rollouts.start", model=MODEL, number=1)
    _until(lambda: _rollout(running, 1)["phase"] == "promoted", "version 1 does not serve")
    _until(lambda: server_url(running.project.serving), "no server")
    with Traffic(running.project) as traffic:
        _until(lambda: len(traffic.answered) > 50, "nothing is answered")
        running.ask("rollouts.start", model=MODEL, number=2)
        _until(lambda: _rollout(running, 2)["phase"] == "canary", "the canary does not start")
        running.kill(_CONTROL)
        weight = str(_rollout(running, 2)["spec"]["state"]["weight_pct"])
        _until(lambda: running.ask("status.show"), "the control plane did not come back")
        running.kill("shipper")
        running.kill("inference-server")
        answered = len(traffic.answered)
        _until(lambda: len(traffic.answered) > answered + 50, "the server did not come back")
        _until(lambda: _rollout(running, 2)["phase"] not in {"staging", "smoke", "canary"}, "the rollout did not end")
    return Served(traffic, _rollout(running, 2), weight)


def _until_none(what: Callable[[], list[Any]], why: str, within_s: float = _RECOVERS_S) -> None:
    """Wait until ``what`` finds nothing more; what it finds at the end is told."""
    left: list[Any] = []

    def nothing() -> bool:
        left[:] = what()
        return not left

    try:
        _until(nothing, why, within_s)
    except AssertionError as error:
        raise AssertionError(f"{error}; left: {left}") from None


def _undelivered(running: Running) -> list[tuple[str, str, str, int, str | None]]:
    """Return of each delivery that is not done: subscriber, kind of event, state, attempts, error."""
    columns = (event_delivery.c.subscriber, event.c.kind, event_delivery.c.state)
    query = (
        select(*columns, event_delivery.c.attempts, event_delivery.c.error)
        .join(event, event.c.id == event_delivery.c.event_id)
        .where(event_delivery.c.state != "done")
    )
    return running.database.read(lambda c: [tuple(row) for row in c.execute(query)])


def _rollout(running: Running, candidate: int) -> dict[str, Any]:
    return next(row for row in running.rows(rollout) if row["candidate"] == candidate)


def test_every_delivered_row_is_in_the_lake_once(running: Running, behind_at_kill: int) -> None:
    assert behind_at_kill, "the kill came too late to prove anything"
    tables = [row for row in running.rows(delivery) if row["kind"] == "table"]
    assert [(row["rows"], row["rows_quarantined"]) for row in tables] == [(_ROWS, _BROKEN)] * _FILES
    files = (running.project.lake / "processed" / "tables" / MODEL).glob("*.parquet")
    keys = [key for file in files for key in pq.read_table(file)["row_id"].to_pylist()]
    assert sorted(keys) == sorted(f"f{number}r{row}" for number in range(_FILES) for row in range(_BROKEN, _ROWS))


def test_a_rollout_that_lost_its_control_plane_between_two_steps_ends(second_act: Served) -> None:
    assert second_act.weight_at_kill in {"20", "50"}
    assert second_act.rollout["phase"] == "promoted", second_act.rollout["spec"]["last"]
    weights = [entry["state"]["weight_pct"] for entry in second_act.rollout["spec"]["log"]]
    assert [weight for weight in weights if weight != "0"] == ["20", "50", "100"]
    assert sum(second_act.traffic.versions.values()) == len(second_act.traffic.answered)
    assert set(second_act.traffic.versions) == {1, 2}


def test_every_answered_row_is_in_the_lake_once(running: Running, second_act: Served) -> None:
    traffic = second_act.traffic

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


def test_the_audit_chain_holds_and_nothing_was_given_up(running: Running, second_act: Served) -> None:
    assert second_act.rollout["finished_us"] is not None
    _until_none(lambda: [row for row in _undelivered(running) if row[0] != "projection"], "events were not delivered")
    _until_none(lambda: _undelivered(running), "MLflow was not shown all", _SHOWN_S)
    _until(lambda: {row["state"] for row in running.rows(queue_message)} == {"done"}, "messages were left behind")
    assert running.ask("audit.verify")["ok"]
    assert running.ask("status.show")["dead_deliveries"] == 0
