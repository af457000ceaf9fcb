"""A job that fails opens a case of the pipeline; the next of its kind that ends well closes it."""

from __future__ import annotations

from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cases import take_into_case
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import CaseFiles, case_files
from trimtab.loop.trainings import Job, find_job
from trimtab.remediation.external import ended_job
from trimtab.remediation.kinds import Family

__all__ = ["note_ended_job", "tell_of_ended_job"]


def tell_of_ended_job(platform: Platform, event: Event) -> Commit | None:
    """Take how a job ended into the model's case of its pipeline; one that somebody cancelled says nothing."""
    found = platform.database.read(lambda connection: find_job(connection, str(event.payload["job_id"])))
    if str(event.payload["state"]) not in {"succeeded", "failed"}:
        return None
    files = case_files(platform, found.model)
    return lambda connection: note_ended_job(connection, platform, found, files)


def note_ended_job(connection: Connection, platform: Platform, found: Job, files: CaseFiles) -> None:
    """Fold how ``found`` ended into the case of its model's pipeline, in the caller's transaction."""
    # Whoever asked for it by hand waits for it, and sees it fail; what the loop had planned is missing, unseen.
    severity = Severity.MEDIUM if found.spec.get("action_id") is None else Severity.HIGH
    check = ended_job(
        "training",
        model=found.model,
        endpoint=files.endpoint,
        at_us=platform.now_us() if found.finished_us is None else found.finished_us,
        error=(found.error or "it left no reason") if found.state == "failed" else None,
        job_id=found.id,
        severity=severity,
    )
    take_into_case(
        connection,
        platform,
        [check],
        model=found.model,
        endpoint=files.endpoint,
        family=Family.PIPELINE,
        reporters=files.reporters,
        detail={"job_id": found.id},
    )
