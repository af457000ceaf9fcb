"""Trainings as jobs: asked for, prepared (snapshot), run, and their result taken over.

A job's row says how far it is: ``requested`` → ``submitted`` → ``running`` → ``succeeded``, ``failed`` or
``cancelled``; ``waiting`` while something outside is away that it needs, and ``running`` again after that. Its process
never writes our database; what it left is read here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy import insert, select, update

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.errors import (
    BackendError,
    ConfigError,
    ConflictError,
    DataContractError,
    IllegalTransitionError,
    NotFoundError,
    TrimtabError,
)
from trimtab.db.engine import Connection, machine_us
from trimtab.db.tables import job
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.platform import Platform
from trimtab.loop.training_orders import order_for, snapshot_for
from trimtab.loop.waiting import Waiting, waits_longer, waits_of
from trimtab.training.hindrance import Hindrance

__all__ = ["Job", "advance_jobs", "cancel_training", "find_job", "prepare", "request_training"]

_log = structlog.get_logger(__name__)

_MAX_ATTEMPTS = 3
_OPEN = ("submitted", "waiting", "running")


@dataclass(frozen=True, slots=True)
class Job:
    """A training as it is stored."""

    id: str
    model: str
    state: str
    attempt: int
    out_dir: Path
    error: str | None
    spec: JsonObject
    created_us: int
    finished_us: int | None
    version: int

    @property
    def cancelled_by(self) -> str | None:
        """Who asked it to stop, if somebody did."""
        return self.spec.get("cancelled_by")

    @property
    def waits(self) -> Waiting | None:
        """What it waits for now, if it does."""
        return waits_of(self.spec) if self.state == "waiting" else None


def request_training(
    connection: Connection,
    platform: Platform,
    model: str,
    *,
    key: str,
    actor: str,
    until_us: int | None,
    action_id: str | None = None,
) -> str:
    """Store that ``model`` is to be trained, and return the job's id; the same ``key`` is one job, however often asked.

    ``until_us`` cuts the data: nothing that happened later is learnt from. ``action_id`` names the action that asked.
    """
    known = connection.execute(select(job.c.id).where(job.c.idempotency_key == key)).scalar_one_or_none()
    if known is not None:
        return str(known)
    job_id = platform.new_id()
    at_us = platform.now_us()
    connection.execute(
        insert(job).values(
            id=job_id,
            kind="training",
            model=model,
            idempotency_key=key,
            state="requested",
            out_dir=str(platform.project.jobs / job_id),
            created_us=at_us,
            spec={"until_us": until_us, "action_id": action_id, "asked_by": actor},
        )
    )
    platform.publish(connection, "training.requested", f"model:{model}", {"job_id": job_id, "model": model})
    audit.append(
        connection,
        at_us=at_us,
        actor=actor,
        action="training.requested",
        subject=f"model:{model}",
        detail={"job_id": job_id, "action_id": action_id},
    )
    return job_id


def find_job(connection: Connection, job_id: str) -> Job:
    """Return the job.

    Raises:
        NotFoundError: there is none of that id.
    """
    row = connection.execute(select(job).where(job.c.id == job_id)).first()
    if row is None:
        raise NotFoundError(f"job {job_id}: not known; see 'trimtab jobs list'")
    return _job(row)


def prepare(platform: Platform, job_id: str) -> Callable[[Connection], None] | None:
    """Make the snapshot that a requested job learns from; return what to write. A job that moved on needs nothing."""
    found = platform.database.read(lambda connection: find_job(connection, job_id))
    if found.state != "requested":
        return None
    try:
        files = platform.files(found.model)
        until_us, retrains = found.spec["until_us"], found.spec["action_id"] is not None
        snapshot = snapshot_for(platform, files, until_us=until_us, retrains=retrains)
    except (ConfigError, DataContractError, NotFoundError) as error:
        reason = str(error)
        return lambda connection: _finish(connection, platform, found, "failed", {"error": reason})
    order = order_for(platform, files, snapshot, job_id=found.id, out_dir=found.out_dir)
    request = msgspec.to_builtins(order)

    def commit(connection: Connection) -> None:
        _save(connection, found, state="submitted", spec={**found.spec, "request": request})
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor="conductor",
            action="snapshot.made",
            subject=f"snapshot:{found.model}/{snapshot.id}",
            after={"dataset_hash": snapshot.dataset_hash, "rows": snapshot.rows, "recent_rows": snapshot.recent_rows},
            detail={"job_id": found.id},
        )
        reached("training.prepared")

    return commit


def advance_jobs(platform: Platform) -> bool:
    """Start what is submitted, take over what has ended, take up again what is gone; return whether anything moved."""
    with platform.database.reading() as connection:
        rows = connection.execute(select(job).where(job.c.state.in_(_OPEN)).order_by(job.c.created_us)).all()
    return any([_advance_guarded(platform, _job(row)) for row in rows])


def cancel_training(connection: Connection, platform: Platform, found: Job, *, by: str) -> Job:
    """Store, in the caller's transaction, that ``found`` is to stop; one that has no process yet has ended with that.

    The request is kept: a process that dies of it, or was killed meanwhile, is not taken up again. The caller signals
    the process once the transaction is committed.

    Raises:
        IllegalTransitionError: the job has ended.
        ConflictError: it moved on since it was read; read it again.
    """
    if found.finished_us is not None:
        raise IllegalTransitionError(f"job {found.id}: is over already ({found.state}); nothing is left to cancel")
    asked = dataclasses.replace(found, spec={**found.spec, "cancelled_by": by})
    if found.state == "running":
        _save(connection, found, spec=asked.spec)
    else:
        _finish(connection, platform, asked, "cancelled", {"error": f"cancelled by {by} before it started"})
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=by,
        action="training.cancel_asked",
        subject=f"model:{found.model}",
        detail={"job_id": found.id},
    )
    return find_job(connection, found.id)


def _advance_guarded(platform: Platform, found: Job) -> bool:
    """Advance one job; what hinders it does not hinder the others."""
    try:
        return _advance(platform, found)
    except TrimtabError as error:
        _log.warning("job.held", job=found.id, error=str(error))
        return False


def _advance(platform: Platform, found: Job) -> bool:
    state = platform.jobs.state(found.out_dir)
    if state is JobProcessState.FINISHED:
        result = platform.jobs.result(found.out_dir) or {}
        with platform.database.transaction() as connection:
            _finish(connection, platform, found, _outcome(found, result), result)
        reached("training.finished")
        return True
    if found.waits is not None and not found.waits.is_due(machine_us()):
        return False
    if found.state in {"submitted", "waiting"}:
        _start(platform, found)
        return True
    hindrance = platform.jobs.hindrance(found.out_dir)
    if state is JobProcessState.HINDERED and hindrance is not None:
        _wait(platform, found, hindrance)
        return True
    if state in {JobProcessState.GONE, JobProcessState.STOPPED}:
        _take_up_again(platform, found, died=state is JobProcessState.GONE)
        return True
    if found.cancelled_by is not None:
        # Asked for, but perhaps not told: the control plane may have died in between.
        platform.jobs.cancel(found.out_dir)
    return False


def _outcome(found: Job, result: JsonObject) -> str:
    if result.get("status") in {"succeeded", "rejected_by_gate"}:
        return "succeeded"
    return "failed" if found.cancelled_by is None else "cancelled"


def _start(platform: Platform, found: Job) -> None:
    try:
        platform.jobs.start(found.out_dir, msgspec.json.encode(found.spec["request"]))
    except BackendError as error:
        _wait(platform, found, Hindrance(waits_for="a process of its own", error=str(error)))
        return
    reached("training.started")
    try:
        with platform.database.transaction() as connection:
            _save(connection, found, state="running")
        reached("training.running")
    except ConflictError:
        # It was cancelled while it was being started.
        platform.jobs.cancel(found.out_dir)
        raise


def _wait(platform: Platform, found: Job, hindrance: Hindrance) -> None:
    """Let a job that ``hindrance`` keeps from going on try again later; an outage uses up no attempt."""
    waits = waits_longer(waits_of(found.spec), hindrance, machine_us())
    with platform.database.transaction() as connection:
        if found.cancelled_by is not None:
            _finish(connection, platform, found, "cancelled", {"error": f"cancelled by {found.cancelled_by}"})
            return
        if waits.is_hopeless:
            _finish(connection, platform, found, "failed", {"error": waits.given_up})
            return
        _save(connection, found, state="waiting", spec={**found.spec, "waits": waits.to_json()})
        if waits.times == 1:
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor="conductor",
                action="training.waits",
                subject=f"model:{found.model}",
                reason=hindrance.error,
                detail={"job_id": found.id, "waits_for": hindrance.waits_for},
            )
    _log.warning("job.waits", job=found.id, waits_for=waits.waits_for, error=waits.error)


def _take_up_again(platform: Platform, found: Job, *, died: bool) -> None:
    attempt = found.attempt + 1 if died else found.attempt
    with platform.database.transaction() as connection:
        if found.cancelled_by is not None:
            _finish(connection, platform, found, "cancelled", {"error": f"cancelled by {found.cancelled_by}"})
            return
        if attempt > _MAX_ATTEMPTS:
            error = f"its process died {found.attempt} times without a result; see {found.out_dir / 'log.txt'}"
            _finish(connection, platform, found, "failed", {"error": error})
            return
        _save(connection, found, state="submitted", attempt=attempt)
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor="conductor",
            action="training.restarted",
            subject=f"model:{found.model}",
            reason="its process was gone without a result" if died else "it was stopped with the platform",
            detail={"job_id": found.id, "attempt": attempt},
        )


def _finish(connection: Connection, platform: Platform, found: Job, state: str, result: JsonObject) -> None:
    at_us = platform.now_us()
    error = result.get("error")
    _save(connection, found, state=state, error=error, finished_us=at_us, spec={**found.spec, "result": result})
    platform.publish(connection, "job.finished", f"model:{found.model}", {"job_id": found.id, "state": state})
    audit.append(
        connection,
        at_us=at_us,
        actor="conductor",
        action=f"training.{state}",
        subject=f"model:{found.model}",
        reason=str(error or ""),
        after={"metrics": result.get("metrics"), "algorithm": result.get("algorithm"), "status": result.get("status")},
        detail={"job_id": found.id},
    )


def _save(connection: Connection, found: Job, **values: Any) -> None:
    changed = connection.execute(
        update(job)
        .where(job.c.id == found.id, job.c.version == found.version)
        .values(version=found.version + 1, **values)
    )
    if changed.rowcount != 1:
        raise ConflictError(f"job {found.id}: changed since it was read; read it again")


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        model=row.model,
        state=row.state,
        attempt=row.attempt,
        out_dir=Path(row.out_dir),
        error=row.error,
        spec=row.spec,
        created_us=row.created_us,
        finished_us=row.finished_us,
        version=row.version,
    )
