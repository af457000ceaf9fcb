"""Six faults over real processes and HTTP: rows sent to the inference server, alerts to the control plane's webhook.

One model a fault, side by side in one project, so that no case is about two of them. The suite in ``bench/faults``
plays many more in one process; here it is the server's own answers, times and counts that are judged.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import insert
from tests.integration.processes import eventually
from tests.unit.loop.projects import HOUR_US, MODEL, make_project, write_tiny_reference

from trimtab.bootstrap import build_platform, prepare_project
from trimtab.bundle.manifest import Manifest
from trimtab.db.tables import job, snapshot
from trimtab.lake.deliveries import record_counts
from trimtab.loop.platform import Platform
from trimtab.loop.releases import start_rollout
from trimtab.loop.starter.operation_files import policy_file
from trimtab.loop.supervisor import Supervisor, platform_processes
from trimtab.registry import store as registry
from trimtab.rollout import store
from trimtab.rollout.phases import Phase
from trimtab.serving.address import server_url
from trimtab.testing.bundles import tiny_bundle
from trimtab.testing.faulty_bundles import SELDOM, failing_bundle, hanging_bundle

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_LONG_S = 60.0
"""Far more than anything takes here: machines that have other things to do take long for everything."""
_SILENT, _UNITS, _SLOW, _FAILING, _BUSY, _UNTRAINED = "silent", "units", "slow", "failing", "busy", "untrained"
_MODELS = (_SILENT, _UNITS, _SLOW, _FAILING, _BUSY, _UNTRAINED)
_ROWS, _SLOW_MS = 60, 150
_ROUNDS = 600_000
"""How often a slow version goes round: for some 450 ms of a processor a row."""
_SHORT_S = 5
"""The window in which requests are counted: counts are of now, so a look at another window has to wait for it."""
_SECRET = "what-alertmanager-knows"

_PROJECT = """
project: faults
api: {port: 0, rate: null}
serving: {port: 0, ship_interval: 200ms}
webhooks:
  - name: am
    auth: {type: bearer, secrets: ["${TRIMTAB_TEST_AM}"]}
"""
_CONTRACT = """
columns:
  row_id: {type: category}
  age: {type: number, min: 0, max: 120}
  chol: {type: number, min: 80, max: 700, nullable: true}
  sex: {type: category, values: [female, male, unknown]}
  disease: {type: category, values: ["yes", "no"]}
unique: [row_id]
"""
_MONITORS: dict[str, list[dict[str, Any]]] = {
    _SILENT: [{"type": "data_quality", "severity": "medium", "min_volume": 20}],
    _UNITS: [{"type": "data_quality", "severity": "medium"}, {"type": "data_drift", "severity": "medium"}],
    _SLOW: [{"type": "latency", "severity": "high", "p95_ms": _SLOW_MS}],
    _FAILING: [{"type": "errors", "severity": "high", "max_failed_share": 0.05}],
}


def _monitoring(model: str) -> str:
    monitors = _MONITORS.get(model, [{"type": "data_quality", "severity": "medium"}])
    # Looked at when asked to, and not between: once a year.
    window, period = (f"{_SHORT_S}s", "1s") if model == _FAILING else ("1h", "1m")
    content = {"schedule": "0 0 1 1 *", "window": window, "profile_period": period, "monitors": monitors}
    return yaml.safe_dump(content)


def _bundle(folder: Path, model: str, number: int) -> Manifest:
    if number == 2 and model == _SLOW:
        return hanging_bundle(folder, rounds=_ROUNDS, model=model, reference=write_tiny_reference)
    if number == 2 and model == _FAILING:
        return failing_bundle(folder, model=model, reference=write_tiny_reference)
    return tiny_bundle(folder, model=model, reference=write_tiny_reference)


@dataclass
class Stage:
    """The platform's processes under their supervisor, and who talks to them."""

    root: Path
    platform: Platform = field(init=False)
    supervisor: Supervisor = field(init=False)
    api: httpx.Client = field(init=False)
    server: httpx.Client = field(init=False)
    clients: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        project = make_project(
            self.root,
            trimtab=_PROJECT,
            policy=policy_file(),
            contract=_CONTRACT,
            deployment_config="strategy: {type: recreate}\n",
        )
        first = project.model_folder(MODEL)
        for model in _MODELS:
            folder = first.with_name(model)
            shutil.copytree(first, folder)
            (folder / "model.yaml").write_text(
                (folder / "model.yaml").read_text().replace(f"name: {MODEL}", f"name: {model}")
            )
            (folder / "monitoring_config.yaml").write_text(_monitoring(model))
            (folder / "retrain_config.yaml").write_text("when: {new_labels: {at_least: 100000}}\n")
        shutil.rmtree(first)
        prepare_project(project)
        self.platform = build_platform(project)
        self.supervisor = Supervisor(project, platform_processes(project))
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def open(self) -> None:
        self.supervisor.start(timeout_s=_LONG_S)
        self._watcher.start()
        key = json.loads((self.platform.project.state / "credentials.json").read_bytes())["key"]
        told = json.loads((self.platform.project.state / "control-plane.json").read_bytes())
        self.api = self._client(f"http://127.0.0.1:{told['port']}", Authorization=f"Bearer {key}")
        self.server = self._client(str(server_url(self.platform.project.serving)))

    def _client(self, url: str, **headers: str) -> httpx.Client:
        return self.clients.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False))

    def _watch(self) -> None:
        while self.supervisor.watch_once() and not self._stopped.wait(0.05):
            pass

    def close(self) -> None:
        self._stopped.set()
        if self._watcher.is_alive():
            self._watcher.join(30)
        self.clients.close()
        self.supervisor.stop()
        self.platform.database.close()

    def release(self, model: str, number: int) -> None:
        """Register a version, approve it, and wait until it has all traffic."""
        platform = self.platform
        folder = platform.project.bundles / model / f"v{number}"
        digest = _bundle(folder, model, number).digest
        about = f"{model}-{number}"
        with platform.database.transaction() as connection:
            connection.execute(
                insert(snapshot).values(
                    id=f"s-{about}", model=model, dataset_hash=about, path="x", rows=1, created_us=0, spec={}
                )
            )
            connection.execute(
                insert(job).values(
                    id=f"j-{about}",
                    kind="training",
                    model=model,
                    idempotency_key=about,
                    state="succeeded",
                    out_dir="x",
                    created_us=0,
                )
            )
            registry.register(
                connection,
                model=model,
                digest=digest,
                bundle_path=str(folder),
                algorithm="linear",
                snapshot_id=f"s-{about}",
                job_id=f"j-{about}",
                created_us=platform.now_us(),
                metrics={"accuracy": 0.8},
            )
            at_us = platform.now_us()
            registry.decide(connection, model, number, approved=True, by="dana", reason="", at_us=at_us)
            rollout_id = start_rollout(connection, platform, platform.files(model), number, by="dana").id

        def is_out() -> bool:
            assert self.supervisor.failure is None, self.supervisor.failure
            found = platform.database.read(lambda connection: store.load_rollout(connection, rollout_id))
            assert found.state.phase not in {Phase.ROLLED_BACK, Phase.FAILED}, found.last
            return found.state.phase is Phase.PROMOTED

        eventually(is_out, within_s=_LONG_S, wanted=f"{model}@{number} to serve")

    def send(self, model: str, rows: Sequence[dict[str, Any]], *, happened: str | None = None) -> list[int]:
        """Send rows, each in a request of its own; return how they were answered, once the lake has the answers."""
        before, when = self._recorded(model), {} if happened is None else {"event_time": happened}
        said = [self.server.post(f"/predict/{model}", json={"row": row, **when}).status_code for row in rows]
        wanted = before + said.count(200)
        eventually(lambda: self._recorded(model) >= wanted, within_s=_LONG_S, wanted=f"{wanted} records of {model}")
        return said

    def _recorded(self, model: str) -> int:
        now_us = self.platform.now_us()
        counts = self.platform.database.read(
            lambda connection: record_counts(connection, model, start_us=now_us - HOUR_US, end_us=now_us + HOUR_US)
        )
        return sum(rows for _, rows, _, _ in counts)

    def look(self, model: str, *, at: str | None = None) -> None:
        """Let the model's monitors look, as of now or an earlier moment."""
        answer = self.api.post(f"/api/models/{model}/monitor", json={} if at is None else {"at": at})
        assert answer.status_code == 200, answer.text

    def cases(self, model: str) -> list[dict[str, Any]]:
        """Return the model's cases."""
        found: list[dict[str, Any]] = self.api.get("/api/incidents", params={"model": model}).json()["incidents"]
        return found

    def called(self, model: str, kind: str) -> dict[str, Any]:
        """Return the model's case once it is called so."""
        seen: list[str] = []

        def is_called() -> dict[str, Any] | None:
            for case in self.cases(model):
                shown: dict[str, Any] = self.api.get(f"/api/incidents/{case['incident_id']}").json()
                seen.append(f"{case['title']}: {[entry['what'] for entry in shown['timeline']]}")
                if (shown["diagnosis"] or {}).get("kind") == kind:
                    return shown
            return None

        try:
            return dict(eventually(is_called, within_s=_LONG_S, wanted=f"a case of {model} that is called {kind}"))
        except AssertionError as error:
            raise AssertionError(f"{error}; it had {seen[-1:]}") from None

    def asked(self, model: str, kind: str) -> dict[str, Any]:
        """Return the request for an action about the model's case, once there is one."""

        def is_asked() -> dict[str, Any] | None:
            found = self.api.get("/api/approvals", params={"model": model, "limit": 100}).json()["actions"]
            return next((one for one in found if one["kind"] == kind), None)

        return dict(eventually(is_asked, within_s=_LONG_S, wanted=f"{kind} that is asked for about {model}"))


def _ago(*, hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def _rows(count: int, *, seldom: int = 0, times: float = 1.0) -> list[dict[str, Any]]:
    """Return rows as the version has learnt them; ``seldom``: each so-many-th bears the seldom value."""
    draw = random.Random(3)
    return [
        {
            "age": round(draw.uniform(40, 69), 1),
            "chol": round(draw.uniform(200, 247) * times, 3),
            "sex": SELDOM if seldom and number % seldom == 0 else draw.choice(["female", "male"]),
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "TRIMTAB_TEST_AM", _SECRET)
        stage = Stage(tmp_path_factory.mktemp("faults") / "project")
        try:
            stage.open()
            for model in _MODELS[:-1]:
                stage.release(model, 1)
            yield stage
        finally:
            stage.close()


def test_rows_that_do_not_come_are_a_data_outage(stage: Stage) -> None:
    stage.send(_SILENT, _rows(_ROWS), happened=_ago(hours=3))
    stage.look(_SILENT, at=_ago(hours=2.5))
    assert stage.cases(_SILENT) == []
    stage.look(_SILENT)
    stage.called(_SILENT, "data_outage")
    assert stage.asked(_SILENT, "quarantine_feed")["state"] == "waiting_approval"


def test_another_unit_is_named_with_its_column(stage: Stage) -> None:
    stage.send(_UNITS, _rows(_ROWS, times=1 / 38.67))
    stage.look(_UNITS)
    case = stage.called(_UNITS, "unit_change")
    assert case["diagnosis"]["columns"] == ["chol"]
    assert stage.asked(_UNITS, "quarantine_feed")["state"] == "waiting_approval"


def test_a_slow_version_is_a_bad_release_and_goes_once_somebody_agrees(stage: Stage) -> None:
    # How the version before did is known of a window that does not overlap the new one's.
    stage.send(_SLOW, _rows(_ROWS), happened=_ago(hours=3))
    stage.look(_SLOW, at=_ago(hours=2.5))
    assert stage.cases(_SLOW) == []
    stage.release(_SLOW, 2)
    stage.send(_SLOW, _rows(_ROWS, seldom=5))
    stage.look(_SLOW)
    stage.called(_SLOW, "bad_release")
    back = stage.asked(_SLOW, "roll_back")
    assert back["state"] == "waiting_approval"
    decided = stage.api.post(f"/api/approvals/{back['action_id']}/decision", json={"approve": True, "reason": "slow"})
    assert decided.status_code == 200, decided.text

    def serves_the_first() -> bool:
        answer = stage.server.post(f"/predict/{_SLOW}", json={"row": _rows(1)[0]})
        return answer.headers["x-trimtab-variant"] == "v1"

    eventually(serves_the_first, within_s=_LONG_S, wanted="version 1 to serve again")


def test_a_version_that_fails_requests_is_a_bad_release(stage: Stage) -> None:
    for _ in range(2):
        # What is counted is the difference of two looks.
        stage.send(_FAILING, _rows(_ROWS))
        stage.look(_FAILING)
    assert stage.cases(_FAILING) == []
    time.sleep(_SHORT_S)
    stage.release(_FAILING, 2)
    stage.look(_FAILING)
    said = stage.send(_FAILING, _rows(_ROWS, seldom=2))
    assert said.count(500) == _ROWS // 2
    stage.look(_FAILING)
    stage.called(_FAILING, "bad_release")
    assert stage.asked(_FAILING, "roll_back")["state"] == "waiting_approval"


def test_an_alert_of_alertmanager_that_answers_are_slow_is_a_matter_of_the_service(stage: Stage) -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "TrimtabSlow", "endpoint": _BUSY, "trimtab_family": "service"},
        "annotations": {"summary": f"{_BUSY} takes 900 ms"},
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "00000000000000aa",
    }
    message = {
        "version": "4",
        "groupKey": "{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "trimtab",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": [alert],
    }
    by_am = {"Authorization": f"Bearer {_SECRET}"}
    taken = stage.api.post("/v1/webhooks/am", json=message, headers=by_am)
    assert taken.status_code == 202, taken.text
    case = stage.called(_BUSY, "latency")
    assert case["incident_id"] == taken.json()["alerts"][0]["incident_id"]


def test_a_training_that_fails_is_a_failure_of_the_pipeline(stage: Stage) -> None:
    started = stage.api.post(f"/api/models/{_UNTRAINED}/train", json={})
    assert started.status_code == 200, started.text
    stage.called(_UNTRAINED, "pipeline_failure")
    assert stage.asked(_UNTRAINED, "escalate")["tier"] == "automatic"
