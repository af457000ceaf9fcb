"""MLflow's store is whole or not there, whoever was killed while it was made."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.postgres import PostgresServer

from trimtab.config.database import with_driver
from trimtab.registry.mlflow_store import open_client

# One process imports MLflow; each task is a child of its own.
_CHILDREN = """
import itertools, os, signal, sys
from alembic.runtime.migration import HeadMaintainer
from mlflow import MlflowClient
from trimtab.registry.mlflow_store import open_client

def killed_at_a_migration(open):
    steps, done = itertools.count(1), HeadMaintainer.update_to_step
    def step(self, of):
        if next(steps) == 35:
            os.kill(os.getpid(), signal.SIGKILL)
        return done(self, of)
    HeadMaintainer.update_to_step = step
    return open

def theirs(uri):
    MlflowClient(uri).search_experiments()

tasks = {"ours": lambda: open_client, "ours, killed": lambda: killed_at_a_migration(open_client),
         "theirs, killed": lambda: killed_at_a_migration(theirs)}
children = []
for task, uri in zip(sys.argv[1::2], sys.argv[2::2]):
    child = os.fork()
    if child == 0:
        tasks[task]()(uri)
        os._exit(0)
    children.append(child)
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def _run(*tasks: tuple[str, str]) -> list[int]:
    """Do what ``tasks`` (what, where) say, at once, each in a process; return how those ended."""
    command = [sys.executable, "-c", _CHILDREN, *[part for task in tasks for part in task]]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return [int(code) for code in done.stdout.split()]


def _answers(client: MlflowClient) -> bool:
    return [experiment.name for experiment in client.search_experiments()] == ["Default"]


def test_a_store_that_a_killed_process_was_making_is_made_by_the_next(tmp_path: Path) -> None:
    ours, theirs, used = (tmp_path / name / "mlflow.db" for name in ("ours", "theirs", "used"))
    for path in (ours, theirs, used):
        path.parent.mkdir()
    addresses = [f"sqlite:///{path}" for path in (ours, theirs, used)]
    killed = _run(*zip(("ours, killed", "theirs, killed", "theirs, killed"), addresses, strict=True))
    assert killed == [-signal.SIGKILL] * 3

    assert not ours.exists(), "it is made beside its place"
    assert _answers(open_client(addresses[0]))
    assert {each.name for each in ours.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}

    assert theirs.exists()
    assert _answers(open_client(addresses[1])), "a half-made one without a run is made anew"

    with sqlite3.connect(used) as connection:
        connection.execute("INSERT INTO runs (run_uuid) VALUES ('theirs')")
    connection.close()
    with pytest.raises(Exception, match="already exists"):
        open_client(addresses[2]).search_experiments()
    with sqlite3.connect(used) as connection:
        assert connection.execute("SELECT run_uuid FROM runs").fetchall() == [("theirs",)], "one with runs is kept"
    connection.close()


def test_processes_that_start_at_once_make_one_store(tmp_path: Path, postgres: PostgresServer) -> None:
    embedded, server = f"sqlite:///{tmp_path / 'mlflow.db'}", with_driver(postgres.url(postgres.create()))
    assert _run(("ours", embedded), ("ours", embedded), ("ours", server), ("ours", server)) == [0] * 4
    assert _answers(open_client(embedded))
    assert _answers(open_client(server))


def test_on_postgresql_what_a_killed_process_began_is_gone_on_with(postgres: PostgresServer) -> None:
    uri = with_driver(postgres.url(postgres.create()))
    assert _run(("ours, killed", uri)) == [-signal.SIGKILL]
    assert _answers(open_client(uri))
