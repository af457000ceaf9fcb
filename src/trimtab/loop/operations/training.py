"""Trainings: start, follow, cancel."""

from __future__ import annotations

from pydantic import Field
from sqlalchemy import select

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Role
from trimtab.db.paging import Place, newest
from trimtab.db.tables import job
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, ModelRequest, Moment, OfModel
from trimtab.loop.trainings import Job, cancel_training, find_job, request_training


class Train(ModelRequest):
    """What to learn from: everything up to now, or up to a moment."""

    until: Moment | None = Field(default=None, description="Rows that happened later are left out.")


class OneJob(Strict):
    """Which job."""

    job_id: Id


@operation("training.start", "POST", "/api/models/{model}/train", Role.OPERATOR, Train)
def train(platform: Platform, actor: Actor, request: Train) -> JsonObject:
    """Train a candidate for a model; it is registered, and waits for approval, if it passes the gates."""
    platform.files(request.model)
    with platform.database.transaction() as connection:
        job_id = request_training(
            connection,
            platform,
            request.model,
            key=f"by-hand:{actor.claim_id or platform.new_id()}",
            actor=actor.name,
            until_us=None if request.until is None else to_micros(request.until),
        )
    reached("training.requested")
    return {"job_id": job_id, "model": request.model}


@operation("training.job", "GET", "/api/jobs/{job_id}", Role.VIEWER, OneJob)
def show_job(platform: Platform, _actor: Actor, request: OneJob) -> JsonObject:
    """Say how far a job is, and what came of it."""
    found = platform.database.read(lambda connection: find_job(connection, request.job_id))
    return _described(platform, found)


@operation("training.jobs", "GET", "/api/jobs", Role.VIEWER, OfModel)
def list_jobs(platform: Platform, _actor: Actor, request: OfModel) -> JsonObject:
    """List the newest jobs, newest first."""
    query = select(job.c.id, job.c.created_us)
    if request.model is not None:
        query = query.where(job.c.model == request.model)
    ordered = newest(query, job.c.created_us, job.c.id, after=request.place, limit=request.one_more)
    with platform.database.reading() as connection:
        rows = connection.execute(ordered).all()
        shown, further = request.page(rows, lambda row: Place(row.created_us, row.id))
        found = [find_job(connection, row.id) for row in shown]
    return {"jobs": [_described(platform, one) for one in found], "next": further}


@operation("training.cancel", "POST", "/api/jobs/{job_id}/cancel", Role.OPERATOR, OneJob)
def cancel_job(platform: Platform, actor: Actor, request: OneJob) -> JsonObject:
    """Ask a job to stop; one that has not started yet is cancelled at once."""
    with platform.database.transaction() as connection:
        found = cancel_training(connection, platform, find_job(connection, request.job_id), by=actor.name)
    platform.jobs.cancel(found.out_dir)
    return {"job_id": found.id, "asked": True, "state": found.state}


def _described(platform: Platform, found: Job) -> JsonObject:
    return {
        "job_id": found.id,
        "model": found.model,
        "state": found.state,
        "attempt": found.attempt,
        "error": found.error,
        "created_us": found.created_us,
        "finished_us": found.finished_us,
        "waits": None if found.waits is None else found.waits.told,
        "progress": platform.jobs.progress(found.out_dir),
        "result": found.spec.get("result"),
        "dataset_hash": found.spec.get("request", {}).get("dataset_hash"),
        "version": found.spec.get("version_number"),
    }
