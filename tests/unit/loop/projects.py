"""A small real project and its platform in this process: a manual clock, jobs and a server that answer at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from sqlalchemy import insert, select
from tests.sqlite import write_newest

from trimtab.bootstrap import build_platform
from trimtab.config.project import ProjectFolder
from trimtab.core.clock import ManualClock
from trimtab.core.enums import ColumnKind, Severity, Verdict
from trimtab.db.tables import action_request, event_delivery, job, model_version, snapshot
from trimtab.loop.conductor import deliver_once
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.platform import Platform
from trimtab.loop.subscriptions import HANDLERS
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.store import save_checks
from trimtab.profiles.reference import build_reference, write_reference
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantStatus
from trimtab.testing.bundles import tiny_bundle
from trimtab.training.hindrance import Hindrance, read_hindrance
from trimtab.training.request import Comparison, TrainingResult

MODEL = "tiny"
START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000

POLICY = """
autonomy: true
limits: {cooldown: 10m}
rules:
  - name: A feed that changed its units is quarantined
    when: {origin: incident, diagnosis: unit_change}
    then: {actions: [quarantine_feed, notify_owner], tier: automatic}
  - name: A trigger does not retrain a model while its data are broken
    when: {origin: trigger, open_diagnosis: unit_change}
    then: {tier: refuse}
  - name: Real drift is answered by retraining
    when: {origin: incident, diagnosis: [covariate_drift, concept_drift]}
    then: {actions: [retrain], tier: approval, covers: [deploy], expires: 1d}
  - name: A trigger or a person may ask for a retraining
    when: {origin: [trigger, person], action: retrain}
    then: {tier: approval, covers: [deploy], expires: 1d}
  - name: Going back is approved by a person
    when: {action: roll_back}
    then: {tier: approval}
  - name: What nobody understands is written down
    when: {origin: incident, diagnosis: unknown}
    then: {actions: [log], tier: automatic}
"""

_FILES = {
    "trimtab.yaml": """
project: tiny
api: {port: 0}
serving: {port: 0, ship_interval: 200ms}
notifications: [{name: on-call, url: "log://"}]
""",
    "policy.yaml": POLICY,
    "models/tiny/model.yaml": """
name: tiny
task: binary
target: disease
positive_class: "yes"
key: row_id
metrics: [accuracy, f1]
feeds: {clinic: {owner: the clinic's data desk}}
""",
    "models/tiny/contract.yaml": """
columns:
  row_id: {type: category}
  age: {type: number, min: 0, max: 120}
  chol: {type: number, min: 80, max: 700, nullable: true}
  sex: {type: category, values: [female, male]}
  disease: {type: category, values: ["yes", "no"]}
unique: [row_id]
""",
    "models/tiny/training_config.yaml": """
split: {type: stratified, test_share: 0.25}
cross_validation: null
trials: 1
workers: 1
candidates: [{type: logistic_regression}]
""",
    "models/tiny/deployment_config.yaml": """
strategy:
  type: canary
  steps:
    - {weight_pct: 20, duration: 1s, min_requests: 20}
    - {weight_pct: 50, duration: 1s, min_requests: 40}
  limits: {max_error_rate: 0.01}
""",
    "models/tiny/monitoring_config.yaml": """
schedule: "0 * * * *"
window: 7d
monitors:
  - {type: data_drift, severity: high}
  - {type: model_quality, severity: high, limits: {accuracy: 0.6}, min_labels: 50}
""",
    "models/tiny/retrain_config.yaml": "when: {drift: {min_share: 0.3}}\ncooldown: 1d\n",
}


def make_project(root: Path, **replaced: str) -> ProjectFolder:
    """Write a project; ``replaced`` gives other contents by the file's stem (``policy="…"``)."""
    for name, content in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(replaced.get(path.stem, content), encoding="utf-8")
    return ProjectFolder.open(root)


class InstantServer:
    """A deployer whose server takes up each spec at once, in memory."""

    def __init__(self) -> None:
        self.applied: list[EndpointSpec] = []
        self.serves: dict[str, EndpointStatus] = {}
        self.refuses: str | None = None

    def apply(self, spec: EndpointSpec) -> int:
        present = self.serves.get(spec.endpoint)
        if present is not None and present.desired_generation >= spec.generation:
            return present.desired_generation
        self.applied.append(spec)
        variants = tuple(
            VariantStatus(
                name=one.name,
                model_version=one.model_version,
                bundle_digest=one.bundle_digest,
                ready=True,
                smoke_rows=6,
            )
            for one in spec.variants
        )
        self.serves[spec.endpoint] = EndpointStatus(
            endpoint=spec.endpoint,
            generation=spec.generation,
            desired_generation=spec.generation,
            pid=1,
            variants=variants,
            error=self.refuses,
        )
        return spec.generation

    def observe(self, endpoint: str) -> EndpointStatus | None:
        return self.serves.get(endpoint)


class InstantJobs:
    """Runs a job in the moment it is started: ``run`` makes its result, None leaves it running."""

    def __init__(self, run: Callable[[Path], TrainingResult | None]) -> None:
        self.run = run
        self.started: list[Path] = []
        self.cancelled: list[Path] = []
        self.states: dict[Path, JobProcessState] = {}

    def start(self, out_dir: Path, request: bytes) -> None:
        out_dir.mkdir(parents=True, exist_ok=True)
        self.started.append(out_dir)
        result = self.run(out_dir)
        self.states[out_dir] = JobProcessState.RUNNING if result is None else JobProcessState.FINISHED
        if result is not None:
            (out_dir / "result.json").write_bytes(msgspec.json.encode(result))

    def state(self, out_dir: Path) -> JobProcessState:
        return self.states.get(out_dir, JobProcessState.GONE)

    def result(self, out_dir: Path) -> dict[str, Any] | None:
        path = out_dir / "result.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else None

    def hindrance(self, out_dir: Path) -> Hindrance | None:
        return read_hindrance(out_dir)

    def progress(self, out_dir: Path) -> dict[str, Any] | None:
        return None

    def cancel(self, out_dir: Path) -> None:
        self.cancelled.append(out_dir)

    def stop_all(self) -> None:
        pass


@dataclass(frozen=True)
class World:
    """A platform, and what tests do with it."""

    platform: Platform
    clock: ManualClock
    server: InstantServer
    jobs: InstantJobs

    def deliver(self, *subscribers: str) -> int:
        """Deliver events until nothing is due; return how many deliveries were made."""
        count = 0
        names = subscribers or tuple(name for name in HANDLERS if name != "projection")
        while sum(deliver_once(self.platform, HANDLERS, name) for name in names):
            count += 1
            assert count < 500, "events go round in circles"
        return count

    def unfinished(self) -> list[tuple[str, str, str | None]]:
        """Return the deliveries that are not done: subscriber, state, error. MLflow's projection is left out."""
        query = select(event_delivery).where(event_delivery.c.state != "done")
        rows = self.platform.database.read(lambda c: c.execute(query).all())
        return [(row.subscriber, row.state, row.error) for row in rows if row.subscriber != "projection"]

    def version(self, number: int = 1, *, approved: bool = True) -> ModelVersion:
        """Register a version with a real bundle, another one for each number."""
        bundle, digest = self.bundle(self.platform.project.bundles / MODEL / f"v{number}", number)
        with self.platform.database.transaction() as connection:
            if connection.execute(select(snapshot.c.id)).first() is None:
                connection.execute(
                    insert(snapshot).values(
                        id="s1", model=MODEL, dataset_hash="d" * 32, path="x", rows=1, created_us=0, spec={}
                    )
                )
            connection.execute(
                insert(job).values(
                    id=f"j{number}",
                    kind="training",
                    model=MODEL,
                    idempotency_key=f"j{number}",
                    state="succeeded",
                    out_dir="x",
                    created_us=0,
                )
            )
            made = registry.register(
                connection,
                model=MODEL,
                digest=digest,
                bundle_path=str(bundle),
                algorithm="linear",
                snapshot_id="s1",
                job_id=f"j{number}",
                created_us=self.platform.now_us(),
                metrics={"accuracy": 0.8},
            )
            if approved:
                made = registry.decide(
                    connection, MODEL, made.number, approved=True, by="dana", reason="", at_us=self.platform.now_us()
                )
        return made

    def bundle(self, folder: Path, number: int) -> tuple[Path, str]:
        """Write a real bundle, another one for each number; return its folder and digest."""
        weights = (float(number), 0.5, -0.25)
        return folder, tiny_bundle(folder, model=MODEL, weights=weights, reference=write_tiny_reference).digest

    def checked(self, *checks: Check) -> str:
        """Store a run of checks and tell the loop, as the monitors do; return the run's id."""
        run_id = self.platform.new_id()
        payload: dict[str, Any] = {"run_id": run_id, "model": MODEL, "endpoint": MODEL}
        with self.platform.database.transaction() as connection:
            save_checks(connection, checks, at=self.clock.now(), ids=self.platform.new_id, run_id=run_id)
            self.platform.publish(connection, "checks.completed", f"model:{MODEL}", payload)
        return run_id

    def actions(self) -> list[tuple[str, str]]:
        """Return kind and state of all action requests, oldest first, but for people's own releases."""
        own = action_request.c.owner.is_not(None) & action_request.c.kind.in_(["approve_version", "deploy"])
        query = (
            select(action_request.c.kind, action_request.c.state)
            .where(~own)
            .order_by(action_request.c.created_us, action_request.c.id)
        )
        return [(row.kind, row.state) for row in self.platform.database.read(lambda c: c.execute(query).all())]

    def versions(self) -> list[tuple[int, str]]:
        """Return number and state of all versions."""
        query = select(model_version.c.number, model_version.c.state).order_by(model_version.c.number)
        return [(row.number, row.state) for row in self.platform.database.read(lambda c: c.execute(query).all())]

    def check(
        self,
        verdict: Verdict,
        *,
        kind: str = "data_drift",
        column: str | None = None,
        version: int = 1,
        value: float = 0.6,
        detail: dict[str, Any] | None = None,
    ) -> Check:
        """Return a check of the hour that ends now."""
        now_us = self.platform.now_us()
        return Check(
            monitor=kind,
            kind=kind,
            model=MODEL,
            endpoint=MODEL,
            variant=f"v{version}",
            model_version=version,
            column=column,
            window=Window(now_us - HOUR_US, now_us),
            value=value,
            threshold=0.2,
            effect=value,
            verdict=verdict,
            severity=Severity.HIGH,
            explanation=f"{kind} of {column or 'all'}: {verdict}",
            detail=detail or {},
        )

    def drift(self, verdict: Verdict, *, quality: float, version: int = 1) -> Sequence[Check]:
        """Return checks of inputs that moved, and of a quality that fell, or of both being right."""
        detail = {"metric": "accuracy", "labelled": 120, "baseline": 0.8}
        return (
            self.check(verdict, version=version),
            self.check(verdict, kind="model_quality", version=version, value=quality, detail=detail),
        )


def write_tiny_reference(folder: Path) -> None:
    rows = np.arange(48.0)
    table = pa.table({"age": 40 + rows % 30, "chol": 200 + rows, "sex": ["male", "female"] * 24})
    kinds = {"age": ColumnKind.NUMBER, "chol": ColumnKind.NUMBER, "sex": ColumnKind.CATEGORY}
    write_reference(folder, build_reference(table, kinds, time_us=None, blocks=4))


def make_world(root: Path, **replaced: str) -> World:
    """Return a platform on a fresh project."""
    project = make_project(root, **replaced)
    write_newest(project.database)  # not looked at where the environment names another one
    built = build_platform(project)
    clock, server, jobs = ManualClock(START), InstantServer(), InstantJobs(lambda _out: None)
    platform = replace(built, clock=clock, deployer=server, jobs=jobs, serving_url=lambda: None)
    return World(platform, clock, server, jobs)


def result_of(world: World, out_dir: Path, *, number: int, gain: float) -> TrainingResult:
    """Return what a training leaves that found a candidate better by ``gain``, with its real bundle."""
    bundle, digest = world.bundle(out_dir / "bundle", number)
    return TrainingResult(
        job_id=out_dir.name,
        status="succeeded",
        bundle_dir=str(bundle),
        digest=digest,
        algorithm="linear",
        metrics={"accuracy": 0.85},
        comparison=comparison(gain),
        rows=100,
    )


def comparison(gain: float | None, low: float | None = None, high: float | None = None) -> Comparison:
    """Return a comparison with this gain; its interval is a tenth to each side unless given."""
    mean = gain or 0.0
    return Comparison(
        rows=200,
        metric="accuracy",
        candidate={"accuracy": 0.6 + mean},
        current={"accuracy": 0.6},
        gain=gain,
        loss_candidate=0.4 - mean,
        loss_current=0.4,
        loss_gain=mean,
        loss_gain_low=mean - 0.1 if low is None else low,
        loss_gain_high=mean + 0.1 if high is None else high,
        current_digest="0" * 64,
    )


__all__ = [
    "HOUR_US",
    "MODEL",
    "POLICY",
    "START",
    "InstantJobs",
    "InstantServer",
    "World",
    "comparison",
    "make_project",
    "make_world",
    "result_of",
    "write_tiny_reference",
]
