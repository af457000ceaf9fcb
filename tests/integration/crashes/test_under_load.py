"""The whole platform under its supervisor, its processes killed in the middle of their work, under traffic.

One story in three acts, each a fixture: kills during ingest; during a rollout that a client looks at; and, in rounds,
at random moments while many clients ask. Here leases run out by themselves. The tests look at what is left.

The moments are drawn anew each time; the log of a test that fails tells the seed, ``CRASH_SEED`` draws the same again.
"""

from __future__ import annotations

import json
import logging
import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Table, select
from tests.integration.crashes.traffic import Traffic
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

pytestmark = pytest.mark.timeout(1200)

_log = logging.getLogger(__name__)

_CONTROL, _SERVER, _SHIPPER = "control-plane", "inference-server", "shipper"
_RECOVERS_S = 150.0
"""Leases end 20 s after a kill at the latest; the rest is for a machine that has other things to do."""

_SHOWN_S = 300.0
"""A control plane that was killed imports MLflow anew, and makes its store of thirty migrations from the beginning."""

_TAKEN_IN_S = 450.0
"""Tens of thousands of rows are shipped and taken in, by a control plane that has just been killed."""

_FILES, _ROWS, _BROKEN = 6, 100, 3

_CLIENTS = 16
_ROUNDS: tuple[tuple[str, ...], ...] = ((_SERVER, _SHIPPER), (_SERVER, _CONTROL), (_CONTROL, _SHIPPER, _SERVER))
"""Who is killed in each round, in an order that is drawn."""

_CANARY = """
strategy:
  type: canary
  steps:
    - {weight_pct: 20, duration: 3s, min_requests: 20}
    - {weight_pct: 50, duration: 1s, min_requests: 40}
  limits: {max_error_rate: 0.2, max_error_ratio: 20, max_latency_increase: null}  # known after some 30 requests
"""


def _until(what: Callable[[], Any], why: str, within_s: float = _RECOVERS_S, *, pause_s: float = 0.05) -> Any:
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
        time.sleep(pause_s)
    raise AssertionError(f"not within {within_s:.0f} s: {why}; last seen: {last!r}")


class Running:
    """A project's processes under their supervisor, which restarts what is killed."""

    def __init__(self, root: Path) -> None:
        self.project: ProjectFolder = make_project(root, deployment_config=_CANARY)
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
        _until(lambda: self.supervisor.pids[name] != before, f"{name} was not restarted")
        assert self.supervisor.failure is None

    def is_behind(self) -> bool:
        """Stop the control plane where it is; it goes on if it has nothing left to do."""
        os.kill(self.supervisor.pids[_CONTROL], signal.SIGSTOP)
        behind = any(row["state"] == "received" for row in self.rows(delivery))
        if not behind:
            os.kill(self.supervisor.pids[_CONTROL], signal.SIGCONT)
        return behind

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
def delivered(running: Running) -> int:
    """The control plane is killed while it ingests; how many files were delivered."""
    running.ask("data.ingest", model=MODEL, path=str(_file(running.project.root, 0)))
    _until(lambda: [row for row in running.rows(delivery) if row["state"] == "processed"], "nothing was ingested")
    files = 1
    while files < _FILES or not running.is_behind():
        assert files < 10 * _FILES, "every kill came too late to prove anything"
        running.ask("data.ingest", model=MODEL, path=str(_file(running.project.root, files)))
        files += 1
    running.kill(_CONTROL)
    _until(lambda: running.ask("status.show"), "the control plane did not come back")
    _until(lambda: {row["state"] for row in running.rows(delivery)} == {"processed"}, "deliveries were left behind")
    return files


@dataclass(frozen=True)
class Served:
    """What the second act left."""

    traffic: Traffic
    rollout: dict[str, Any]
    weight_at_kill: str


@pytest.fixture(scope="module")
def second_act(running: Running, delivered: int) -> Served:
    """Under traffic: the control plane is killed between two steps of a canary."""
    assert delivered
    running.ask("rollouts.start", model=MODEL, number=1)
    _until(lambda: _rollout(running, 1)["phase"] == "promoted", "version 1 does not serve")
    _until(lambda: server_url(running.project.serving), "no server")
    with Traffic(running.project, "live") as traffic:
        _until(lambda: traffic.count > 50, "nothing is answered")
        running.ask("rollouts.start", model=MODEL, number=2)
        _until(lambda: _rollout(running, 2)["phase"] == "canary", "the canary does not start")
        running.kill(_CONTROL)
        weight = str(_rollout(running, 2)["spec"]["state"]["weight_pct"])
        _until(lambda: running.ask("status.show"), "the control plane did not come back")
        _until(lambda: _rollout(running, 2)["phase"] not in {"staging", "smoke", "canary"}, "the rollout did not end")
    return Served(traffic, _rollout(running, 2), weight)


def _more(traffic: Traffic, rows: int) -> Callable[[], bool]:
    """Return what says whether ``rows`` more than now were answered."""
    wanted = traffic.count + rows
    return lambda: traffic.count > wanted


@pytest.fixture(scope="module")
def crowd(running: Running, second_act: Served) -> Traffic:
    """Many clients, while in each of some rounds processes are killed at moments that are drawn."""
    assert second_act.rollout["finished_us"] is not None
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbits(32))
    _log.warning("CRASH_SEED=%d draws the same moments and requests", seed)
    draw = random.Random(seed)
    with Traffic(running.project, "crowd", clients=_CLIENTS, pause_s=0.2, seed=seed) as traffic:
        _until(lambda: traffic.clients_answered == _CLIENTS, "not every client is answered")
        for victims in _ROUNDS:
            for victim in draw.sample(victims, len(victims)):
                time.sleep(draw.uniform(0.0, 0.8))
                running.kill(victim)
            _until(_more(traffic, 200), "the server did not come back")
            _until(lambda: running.ask("status.show"), "the control plane did not come back")
    return traffic


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


def test_every_delivered_row_is_in_the_lake_once(running: Running, delivered: int) -> None:
    tables = [row for row in running.rows(delivery) if row["kind"] == "table"]
    assert [(row["rows"], row["rows_quarantined"]) for row in tables] == [(_ROWS, _BROKEN)] * delivered
    files = (running.project.lake / "processed" / "tables" / MODEL).glob("*.parquet")
    keys = [key for file in files for key in pq.read_table(file)["row_id"].to_pylist()]
    assert sorted(keys) == sorted(f"f{number}r{row}" for number in range(delivered) for row in range(_BROKEN, _ROWS))


def test_a_rollout_that_lost_its_control_plane_between_two_steps_ends(second_act: Served) -> None:
    assert second_act.weight_at_kill in {"20", "50"}
    assert second_act.rollout["phase"] == "promoted", second_act.rollout["spec"]["last"]
    weights = [entry["state"]["weight_pct"] for entry in second_act.rollout["spec"]["log"]]
    assert [weight for weight in weights if weight != "0"] == ["20", "50", "100"]
    assert sum(second_act.traffic.versions.values()) == second_act.traffic.count
    assert set(second_act.traffic.versions) == {1, 2}


def test_every_answer_that_a_client_received_is_in_the_lake_once(
    running: Running, second_act: Served, crowd: Traffic
) -> None:
    received = {**second_act.traffic.received, **crowd.received}
    assert len(received) == second_act.traffic.count + crowd.count
    assert crowd.unanswered, "no kill met a request"
    seen: dict[Path, list[tuple[str, str]]] = {}

    def recorded() -> list[tuple[str, str]]:
        folder = running.project.lake / "processed" / "records"
        files = {path for path in folder.rglob("*.parquet") if not path.name.startswith(".")}
        for file in files - seen.keys():
            table = pq.read_table(file, columns=["prediction_id", "record_key"])
            seen[file] = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        return [row for file in files for row in seen[file]]

    lost = "rows that a client has an answer to are lost"
    _until(lambda: received.items() <= set(recorded()), lost, _TAKEN_IN_S, pause_s=0.5)
    rows = recorded()
    # Whoever got no answer asked nobody else: recorded or not, there is no second row of its key either.
    assert max(Counter(given for given, _ in rows).values()) == 1
    assert max(Counter(key for _, key in rows).values()) == 1
    recorded_only = {key for given, key in rows if given not in received}
    assert recorded_only <= second_act.traffic.unanswered | crowd.unanswered, "a row that nobody asked for"
    assert not list((running.project.lake / "quarantine" / "records").rglob("*.parquet"))


def test_the_audit_chain_holds_and_nothing_was_given_up(running: Running, crowd: Traffic) -> None:
    assert crowd.count
    _until_none(lambda: [row for row in _undelivered(running) if row[0] != "projection"], "events were not delivered")
    _until_none(lambda: _undelivered(running), "MLflow was not shown all", _SHOWN_S)
    _until(lambda: {row["state"] for row in running.rows(queue_message)} == {"done"}, "messages were left behind")
    assert running.ask("audit.verify")["ok"]
    assert running.ask("status.show")["dead_deliveries"] == 0
