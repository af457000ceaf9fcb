"""Tells others what was made of what: events of OpenLineage, into a file or to an address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import orjson

from trimtab.config.lineage import LineageConfig
from trimtab.config.process import expand_secrets
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, NotFoundError
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.lineage.events import Namespace, release_event, training_event
from trimtab.loop.lineage.tracing import trace_version
from trimtab.loop.platform import Platform
from trimtab.loop.trainings import Job, find_job
from trimtab.notify.redaction import redact
from trimtab.registry import store as registry
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import load_rollout

__all__ = ["tell_lineage"]

_ENDED: Final = {"succeeded": "COMPLETE", "failed": "FAIL", "cancelled": "ABORT"}
_TIME_LIMIT_S: Final = 10.0


def tell_lineage(platform: Platform, event: Event) -> Commit | None:
    """Tell of what the event tells of, where the project wants it told; one that fails is told again later.

    Raises:
        BackendError: the file cannot be written, or the address is not reached or refuses.
    """
    config = platform.project.config.lineage
    if config.file is None and config.url is None:
        return None
    told = _told(platform, event)
    if told is None:
        return None
    line = orjson.dumps(told)
    if config.file is not None:
        _append(platform.project.root / config.file, line)
    else:
        _post(config, line)
    return None


def _told(platform: Platform, event: Event) -> JsonObject | None:
    namespace = Namespace.of(platform.project.config.project, platform.project.config.lineage.namespace)
    if event.kind == "rollout.finished":
        return _of_rollout(platform, namespace, str(event.payload["rollout_id"]))
    if event.kind == "version.registered":
        return _of_version(platform, namespace, str(event.payload["model"]), int(event.payload["number"]))
    job = platform.database.read(lambda connection: find_job(connection, str(event.payload["job_id"])))
    if event.kind == "training.requested":
        return training_event(namespace, event_type="START", at_us=job.created_us, model=job.model, job_id=job.id)
    return _of_ended(namespace, job)


def _of_version(platform: Platform, namespace: Namespace, model: str, number: int) -> JsonObject:
    """Tell of a training that left a version: its run ends with that, since only then it has an output."""
    version = platform.database.read(lambda connection: registry.get(connection, model, number))
    chain = trace_version(platform, model, number)
    at_us = version.created_us
    return training_event(
        namespace, event_type="COMPLETE", at_us=at_us, model=model, job_id=version.job_id, chain=chain
    )


def _of_ended(namespace: Namespace, job: Job) -> JsonObject | None:
    """Tell of a training that left no version; of one that leaves one, its registration tells."""
    if job.state == "succeeded" and (job.spec.get("result") or {}).get("status") == "succeeded":
        return None
    return training_event(
        namespace,
        event_type=_ENDED[job.state],
        at_us=job.finished_us or job.created_us,
        model=job.model,
        job_id=job.id,
        error=job.error,
    )


def _of_rollout(platform: Platform, namespace: Namespace, rollout_id: str) -> JsonObject | None:
    with platform.database.reading() as connection:
        rollout = load_rollout(connection, rollout_id)
    try:
        chain = trace_version(platform, rollout.spec.model, rollout.spec.candidate.number)
    except NotFoundError:
        return None
    return release_event(
        namespace,
        event_type="COMPLETE" if rollout.state.phase is Phase.PROMOTED else "ABORT",
        at_us=rollout.finished_us or platform.now_us(),
        model=rollout.spec.model,
        rollout_id=rollout.id,
        endpoint=rollout.spec.endpoint,
        chain=chain,
    )


def _append(path: Path, line: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write of a whole line, at the end wherever that is by now: readers and other writers never see half a one.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            before = os.fstat(descriptor).st_size
            if os.write(descriptor, line + b"\n") <= len(line):
                # A full disk took a part of it: half a line would spoil the file for whoever reads it.
                os.ftruncate(descriptor, before)
                raise BackendError(f"lineage file {path}: no room left; make some, it is tried again")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BackendError(f"lineage file {path}: {error.strerror or error}; it is tried again") from error


def _post(config: LineageConfig, line: bytes) -> None:
    # Start-up cost: only a project that tells an address needs an HTTP client here.
    import httpx

    headers = {"Content-Type": "application/json"}
    url, token = config.url or "", ""
    if config.token is not None:
        # A secret that was mounted as a file ends with a line break, which no header may hold.
        token = expand_secrets(config.token).strip()
        headers["Authorization"] = f"Bearer {token}"
    try:
        with httpx.stream("POST", url, content=line, headers=headers, timeout=_TIME_LIMIT_S) as answer:
            status, is_success = answer.status_code, answer.is_success
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        said = redact(redact(f"{type(error).__name__}: {error}", url), f"token://{token}")
        raise BackendError(f"lineage: {said}; it is tried again") from None
    if not is_success:
        raise BackendError(f"lineage: answered {status}, expected 2xx; it is tried again")
