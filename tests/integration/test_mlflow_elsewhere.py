"""MLflow on PostgreSQL, and behind a tracking server over HTTP: a training writes there, and versions are shown."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from sqlalchemy import select, update
from tests.integration.processes import environment, eventually, process
from tests.postgres import PASSWORD, PostgresServer
from tests.unit.loop.projects import MODEL, World, make_world
from tests.unit.training.test_job import HEART_CONTRACT, HEART_MODEL, finish, heart_rows, request_for

from trimtab.config.database import MLFLOW_REFERENCE, mlflow_url
from trimtab.db.tables import event_delivery, model_version
from trimtab.loop.conductor import deliver_once
from trimtab.loop.subscriptions import HANDLERS
from trimtab.registry.mlflow_store import open_client
from trimtab.training.request import TrainingResult

_SERVER = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class TrackingServer:
    """``mlflow server``: runs and models in a database, artifacts in a folder that only it knows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    @contextlib.contextmanager
    def up(self) -> Iterator[str]:
        """Run it; stopped at the end."""
        store = f"sqlite:///{self._folder / 'mlflow.db'}"
        where = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        kept = ["--backend-store-uri", store, "--artifacts-destination", str(self._folder / "artifacts")]
        log = self._folder / "mlflow.log"
        with process("-m", "mlflow", "server", *where, *kept, log=log, env=_SERVER):
            eventually(self._answers, within_s=150, wanted="MLflow's tracking server")
            yield self.url

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).status_code == 200
        return False


@pytest.fixture(scope="module")
def tracking_server(tmp_path_factory: pytest.TempPathFactory) -> TrackingServer:
    """A tracking server whose store is made already: that takes it seconds."""
    server = TrackingServer(tmp_path_factory.mktemp("server"))
    open_client(f"sqlite:///{server._folder / 'mlflow.db'}")
    return server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[[], World]]:
    """A project to be made once MLflow's address is set."""
    made: list[World] = []

    def make() -> World:
        made.append(make_world(tmp_path / "project"))
        return made[-1]

    yield make
    for each in made:
        each.platform.database.close()


def test_on_postgresql(
    world: Callable[[], World], tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_MLFLOW_URL", postgres.url(postgres.create()))
    said = _trains_and_projects(world(), tmp_path)
    assert PASSWORD not in said


def test_over_http_and_a_server_that_was_away_is_told_when_it_is_back(
    world: Callable[[], World], tmp_path: Path, tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_MLFLOW_URL", tracking_server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    project = world()
    with tracking_server.up():
        _trains_and_projects(project, tmp_path)

    _publish(project, 2, None)
    assert deliver_once(project.platform, HANDLERS, "projection"), "it is tried while the server is away"
    assert _projection(project) == "pending"
    with tracking_server.up():

        def is_told() -> bool:
            deliver_once(project.platform, HANDLERS, "projection")
            return _projection(project) == "done"

        eventually(is_told, within_s=60, wanted="a projection once MLflow is back")
        entries = open_client(tracking_server.url).search_model_versions(f"name = '{MODEL}'")
        assert sorted(entry.tags["trimtab.version"] for entry in entries) == ["1", "2"]


def _trains_and_projects(world: World, folder: Path) -> str:
    """Let a training log into MLflow and a version be projected; return what the job wrote to its log."""
    url = mlflow_url()
    assert url is not None
    result, said = _trained(folder / "job")
    client = open_client(url)
    run = client.get_run(str(result.run_id))
    assert (run.info.status, run.data.tags["bundle_digest"]) == ("FINISHED", result.digest)
    assert run.data.metrics.keys() >= {"accuracy"}
    _has_its_bundle(client, str(result.run_id), folder / "fetched")

    _publish(world, 1, str(result.run_id))
    assert deliver_once(world.platform, HANDLERS, "projection")
    [entry] = client.search_model_versions(f"name = '{MODEL}'")
    assert (entry.tags["trimtab.version"], entry.tags["trimtab.state"]) == ("1", "approved")
    assert _projection(world) == "done"
    return said


def _trained(folder: Path) -> tuple[TrainingResult, str]:
    training = {"candidates": [{"type": "logistic_regression"}], "trials": 1, "workers": 1, "explain_rows": 0}
    request: dict[str, Any] = request_for(folder, heart_rows(), HEART_MODEL, HEART_CONTRACT, training)
    request["mlflow_uri"] = MLFLOW_REFERENCE
    path = folder / "request.json"
    path.write_text(json.dumps(request))
    env = environment(TRIMTAB_MLFLOW_URL=os.environ["TRIMTAB_MLFLOW_URL"])
    command = [sys.executable, "-m", "trimtab.training.job", str(path)]
    code, said, result = finish(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env), request)
    assert (code, result.status) == (0, "succeeded"), (said, result)
    return result, said + path.read_text() + (Path(request["out_dir"]) / "result.json").read_text()


def _has_its_bundle(client: MlflowClient, run_id: str, folder: Path) -> None:
    folder.mkdir()
    fetched = Path(client.download_artifacts(run_id, "bundle", str(folder)))
    assert (fetched / "bundle.json").stat().st_size > 0


def _publish(world: World, number: int, run_id: str | None) -> None:
    """Register a version of the run (None: that of version 1), and tell the projection."""
    world.version(number)
    first = select(model_version.c.run_id).where(model_version.c.number == 1).scalar_subquery()
    with world.platform.database.transaction() as connection:
        # A tracking server takes no bundle but one of a run's: it does not look into our folders.
        of_run = update(model_version).where(model_version.c.number == number).values(run_id=run_id or first)
        connection.execute(of_run)
        payload = {"model": MODEL, "number": number}
        world.platform.publish(connection, "version.registered", f"model:{MODEL}", payload)


def _projection(world: World) -> str:
    query = select(event_delivery.c.state).where(event_delivery.c.subscriber == "projection")
    states = set(world.platform.database.read(lambda c: c.execute(query).scalars().all()))
    return "done" if states == {"done"} else "pending"
