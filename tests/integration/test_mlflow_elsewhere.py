"""MLflow on PostgreSQL, and behind a tracking server over HTTP: a training writes there, and versions are shown."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from sqlalchemy import select, update
from tests.integration.processes import environment, eventually, process
from tests.postgres import PASSWORD, PostgresServer
from tests.unit.loop.projects import MODEL, World, make_world
from tests.unit.training.test_job import HEART_CONTRACT, HEART_MODEL, finish, heart_rows, request_for

from trimtab.config.database import MLFLOW_REFERENCE, mlflow_url
from trimtab.db.tables import event_delivery, job, model_version
from trimtab.loop.conductor import deliver_once
from trimtab.loop.jobs import SubprocessJobs
from trimtab.loop.subscriptions import HANDLERS
from trimtab.loop.trainings import Job, advance_jobs, find_job, request_training
from trimtab.registry.mlflow_store import open_client
from trimtab.training.request import TrainingResult

pytestmark = pytest.mark.timeout(900)
"""Four processes that import MLflow, one after the other: minutes where others are at work, too."""

_JOBS = SubprocessJobs()
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
            eventually(self._answers, within_s=240, wanted="MLflow's tracking server")
            yield self.url

    def _answers(self) -> bool:
        # Plain sockets: a client that is made for each question takes from the server the time that it needs to start.
        asked = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            asked.request("GET", "/health")
            return asked.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asked.close()


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
    _JOBS.stop_all()
    for each in made:
        each.platform.database.close()


def test_on_postgresql(
    world: Callable[[], World], tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_MLFLOW_URL", postgres.url(postgres.create()))
    said = _trains_and_projects(world(), tmp_path)
    assert PASSWORD not in said


def test_over_http_and_whatever_a_server_that_is_away_should_know_is_told_once_it_is_there(
    world: Callable[[], World], tmp_path: Path, tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_MLFLOW_URL", tracking_server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    project = world()
    job_id = _submitted(project, tmp_path / "outage")
    told = _waiting_job(project, job_id)
    assert told.waits is not None
    assert told.waits.told.startswith("for MLflow since ")
    assert tracking_server.url in told.waits.error
    _publish(project, 1, None)
    assert deliver_once(project.platform, HANDLERS, "projection"), "it is tried while the server is away"
    assert _projection(project) == "pending"

    with tracking_server.up():
        result = _ended_job(project, job_id).spec["result"]
        assert (result["status"], result.get("error")) == ("succeeded", None)
        client = open_client(tracking_server.url)
        run = client.get_run(result["run_id"])
        assert (run.info.status, run.data.tags["job_id"]) == ("FINISHED", job_id)
        assert run.data.tags["bundle_digest"] == result["digest"]
        _has_its_bundle(client, result["run_id"], tmp_path / "fetched")

        _of_run(project, 1, result["run_id"])

        def is_told() -> bool:
            deliver_once(project.platform, HANDLERS, "projection")
            return _projection(project) == "done"

        eventually(is_told, within_s=150, wanted="a projection once MLflow is there")
        [entry] = client.search_model_versions(f"name = '{MODEL}'")
        assert (entry.tags["trimtab.version"], entry.tags["trimtab.state"]) == ("1", "approved")


def _submitted(world: World, folder: Path) -> str:
    """Ask for a training, its snapshot made, and return the job's id."""
    request = _request(folder)
    with world.platform.database.transaction() as connection:
        job_id = request_training(connection, world.platform, MODEL, key="outage", actor="dana", until_us=None)
        found = find_job(connection, job_id)
        request |= {"job_id": job_id, "out_dir": str(found.out_dir), "cache_dir": str(folder / "cache")}
        spec = {**found.spec, "request": request}
        connection.execute(update(job).where(job.c.id == job_id).values(state="submitted", spec=spec))
    return job_id


def _waiting_job(world: World, job_id: str) -> Job:
    return _advanced(world, job_id, lambda found: found.state == "waiting", "a training that waits")


def _ended_job(world: World, job_id: str) -> Job:
    return _advanced(world, job_id, lambda found: found.finished_us is not None, "a training that goes on by itself")


def _advanced(world: World, job_id: str, wanted: Callable[[Job], bool], told: str) -> Job:
    """Let the loop turn until the job is as ``wanted``; its processes are real."""
    platform = replace(world.platform, jobs=_JOBS)

    def look() -> Job | None:
        advance_jobs(platform)
        found = platform.database.read(lambda connection: find_job(connection, job_id))
        return found if wanted(found) else None

    found = eventually(look, within_s=240, wanted=told)
    assert isinstance(found, Job)
    return found


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
    request = _request(folder)
    path = folder / "request.json"
    path.write_text(json.dumps(request))
    env = environment(TRIMTAB_MLFLOW_URL=os.environ["TRIMTAB_MLFLOW_URL"])
    command = [sys.executable, "-m", "trimtab.training.job", str(path)]
    code, said, result = finish(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env), request)
    assert (code, result.status) == (0, "succeeded"), (said, result)
    return result, said + path.read_text() + (Path(request["out_dir"]) / "result.json").read_text()


def _request(folder: Path) -> dict[str, Any]:
    training = {"candidates": [{"type": "logistic_regression"}], "trials": 1, "workers": 1, "explain_rows": 0}
    request = request_for(folder, heart_rows(), HEART_MODEL, HEART_CONTRACT, training)
    return request | {"mlflow_uri": MLFLOW_REFERENCE}


def _has_its_bundle(client: MlflowClient, run_id: str, folder: Path) -> None:
    folder.mkdir()
    fetched = Path(client.download_artifacts(run_id, "bundle", str(folder)))
    assert (fetched / "bundle.json").stat().st_size > 0


def _publish(world: World, number: int, run_id: str | None) -> None:
    """Register a version of the run, and tell the projection."""
    world.version(number)
    _of_run(world, number, run_id)
    with world.platform.database.transaction() as connection:
        payload = {"model": MODEL, "number": number}
        world.platform.publish(connection, "version.registered", f"model:{MODEL}", payload)


def _of_run(world: World, number: int, run_id: str | None) -> None:
    """Have a version come from a run: a tracking server takes no bundle but a run's, never a folder of ours."""
    with world.platform.database.transaction() as connection:
        connection.execute(update(model_version).where(model_version.c.number == number).values(run_id=run_id))


def _projection(world: World) -> str:
    query = select(event_delivery.c.state).where(event_delivery.c.subscriber == "projection")
    states = set(world.platform.database.read(lambda c: c.execute(query).scalars().all()))
    return "done" if states == {"done"} else "pending"
