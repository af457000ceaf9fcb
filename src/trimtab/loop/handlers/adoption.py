"""Takes over what a training left: the bundle into our store, the version into the registry, and on to its release."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from sqlalchemy import update

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ArtifactUntrustedError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.db.tables import job
from trimtab.loop.conductor import Commit
from trimtab.loop.handlers.job_failures import note_ended_job
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import CaseFiles, case_files
from trimtab.loop.retrainings import conclude_training
from trimtab.loop.trainings import Job, find_job, prepare
from trimtab.registry import store as registry
from trimtab.registry.adoption import adopt_bundle
from trimtab.registry.versions import ModelVersion

__all__ = ["adopt", "prepare_training"]


def prepare_training(platform: Platform, event: Event) -> Commit | None:
    """Make the snapshot for a training that was asked for."""
    return prepare(platform, str(event.payload["job_id"]))


def adopt(platform: Platform, event: Event) -> Commit | None:
    """Register what a finished job left, if it passed the gates, and continue the retraining that asked for it."""
    found = platform.database.read(lambda connection: find_job(connection, str(event.payload["job_id"])))
    result: JsonObject = found.spec.get("result", {})
    if found.state != "succeeded" or result.get("status") != "succeeded":
        return lambda connection: conclude_training(connection, platform, found, None)
    try:
        bundle = adopt_bundle(Path(result["bundle_dir"]), platform.project.bundles, found.model, result["digest"])
        reached("adoption.bundle_copied")
    except (ArtifactUntrustedError, NotFoundError) as error:
        reason, files = str(error), case_files(platform, found.model)
        return lambda connection: _refuse(connection, platform, found, reason, files)

    def commit(connection: Connection) -> None:
        version = _register(connection, platform, found, result, bundle)
        conclude_training(connection, platform, found, version)

    return commit


def _refuse(connection: Connection, platform: Platform, found: Job, reason: str, files: CaseFiles) -> None:
    """End a training whose bundle is not what its result says: nothing of it is registered."""
    error = f"bundle not adopted: {reason}"
    connection.execute(update(job).where(job.c.id == found.id).values(state="failed", error=error))
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="training.refused",
        subject=f"model:{found.model}",
        reason=error,
        detail={"job_id": found.id},
    )
    failed = dataclasses.replace(found, state="failed", error=error)
    # A moment later than its good end, which was told already: else this would be no news.
    later = dataclasses.replace(failed, finished_us=(found.finished_us or 0) + 1)
    note_ended_job(connection, platform, later, files)
    conclude_training(connection, platform, failed, None)


def _register(connection: Connection, platform: Platform, found: Job, result: JsonObject, bundle: Path) -> ModelVersion:
    request = found.spec["request"]
    at_us = platform.now_us()
    version = registry.register(
        connection,
        model=found.model,
        digest=result["digest"],
        bundle_path=str(bundle),
        algorithm=result["algorithm"],
        snapshot_id=request["snapshot_id"],
        job_id=found.id,
        created_us=at_us,
        metrics={
            name: value for name, value in result["metrics"].items() if value is not None and math.isfinite(value)
        },
        run_id=result.get("run_id"),
        spec={
            "dataset_hash": request["dataset_hash"],
            "config_hash": request["config_hash"],
            "git_commit": request["git_commit"],
            "comparison": result.get("comparison"),
        },
    )
    connection.execute(
        update(job).where(job.c.id == found.id).values(spec={**found.spec, "version_number": version.number})
    )
    payload = {"model": found.model, "number": version.number}
    platform.publish(connection, "version.registered", f"model:{found.model}", payload)
    audit.append(
        connection,
        at_us=at_us,
        actor="conductor",
        action="version.registered",
        subject=version.subject,
        after={"digest": version.digest, "metrics": dict(version.metrics), "algorithm": version.algorithm},
        detail={"job_id": found.id, "dataset_hash": request["dataset_hash"], "run_id": result.get("run_id")},
    )
    reached("registration.written")
    return version
