"""Follows a version, or one prediction, back to the data, the code and the people behind it.

What is not known, or no longer there, is named under ``missing``: a chain of evidence with a silent gap is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.writer import read_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ArtifactUntrustedError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.tables import delivery, rollout, snapshot
from trimtab.lake.found_prediction import FoundPrediction, find_prediction
from trimtab.loop.history import served_generation, told
from trimtab.loop.one_at_a_time import OneAtATime
from trimtab.loop.platform import Platform
from trimtab.loop.trainings import Job, find_job
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.action_store import grant_of, list_actions, load_action
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import load_incident
from trimtab.remediation.vote_store import votes_of

__all__ = ["trace_prediction", "trace_version"]

_MOST_SOURCES = 500
_LOOKS = OneAtATime("a look for an answer")


def trace_prediction(platform: Platform, prediction_id: str) -> JsonObject:
    """Return where one answer comes from, as JSON values.

    Raises:
        DataContractError: that is no id of a prediction.
        NotFoundError: no segment holds it.
        BackendError: somebody else's answer is being looked for.
    """
    with _LOOKS.turn():
        found = find_prediction(platform.database, platform.lake, prediction_id)
    generation = found.row.get("generation")
    missing: list[str] = []
    with platform.database.reading() as connection:
        try:
            chain = _of_version(connection, platform, found.model, found.model_version)
        except NotFoundError as error:
            chain = _nothing(found, str(error))
        served = None
        if generation is not None:
            try:
                served = told(served_generation(connection, found.endpoint, int(generation)))
            except NotFoundError as error:
                missing.append(str(error))
    known = chain["version"]
    if known is not None and known["digest"] != found.bundle_digest:
        missing.append(
            f"version {found.model}@{found.model_version}: has bundle {known['digest'][:12]} here, but "
            f"{found.bundle_digest[:12]} answered; another project's server may have"
        )
    answer = {
        "prediction_id": found.row.pop("prediction_id"),
        "endpoint": found.endpoint,
        "segment_id": found.segment_id,
        "bundle_digest": found.bundle_digest,
        "received_us": found.received_us,
        "row": found.row,
        "features": found.features,
    }
    return {**chain, "prediction": answer, "served": served, "missing": [*missing, *chain["missing"]]}


def trace_version(platform: Platform, model: str, number: int) -> JsonObject:
    """Return where a version comes from, as JSON values.

    Raises:
        NotFoundError: there is no such version.
    """
    with platform.database.reading() as connection:
        chain = _of_version(connection, platform, model, number)
    return {**chain, "prediction": None, "served": None}


def _nothing(found: FoundPrediction, why: str) -> JsonObject:
    empty: JsonObject = {"version": None, "agreement": None, "training": None, "data": None}
    return {**empty, "model": found.model, "sources": [], "features": [], "missing": [why]}


def _of_version(connection: Connection, platform: Platform, model: str, number: int) -> JsonObject:
    version = registry.get(connection, model, number)
    missing: list[str] = []
    manifest = _manifest(version, missing)
    try:
        job = find_job(connection, version.job_id)
    except NotFoundError as error:
        missing.append(str(error))
        job = None
    data, sources = _data(connection, platform, version, missing)
    return {
        "model": model,
        "version": _version(version, manifest),
        "agreement": _agreement(connection, version, missing),
        "training": _training(connection, version, job, missing),
        "data": data,
        "sources": sources,
        "features": _features(manifest),
        "weighed_by": None if manifest is None else manifest.weights[1],
        "missing": missing,
    }


def _manifest(version: ModelVersion, missing: list[str]) -> Manifest | None:
    try:
        return read_manifest(Path(version.bundle_path), expected_digest=version.digest)
    except (NotFoundError, ArtifactUntrustedError, OSError) as error:
        missing.append(f"bundle {version.digest[:12]}: {error}")
        return None


def _version(version: ModelVersion, manifest: Manifest | None) -> JsonObject:
    return {
        "number": version.number,
        "digest": version.digest,
        "bundle_verified": manifest is not None,
        "algorithm": version.algorithm,
        "state": version.state.value,
        "metrics": dict(version.metrics),
        "created_us": version.created_us,
    }


def _agreement(connection: Connection, version: ModelVersion, missing: list[str]) -> JsonObject | None:
    """Return who agreed to the version and to its releases, and by which requests; None while nobody has decided."""
    if version.decided_us is None:
        return None
    released = select(rollout.c.action_id).where(
        rollout.c.model == version.model, rollout.c.candidate == version.number, rollout.c.action_id.is_not(None)
    )
    approvals = list_actions(connection, model=version.model, kind=ActionKind.APPROVE_VERSION)
    ids = [one.id for one in approvals if one.params.get("number") == version.number]
    ids += [str(one) for one in connection.execute(released.order_by(rollout.c.started_us)).scalars()]
    actions = [_action(connection, action_id, missing) for action_id in dict.fromkeys(ids)]
    return {
        "decided_by": version.decided_by,
        "decided_us": version.decided_us,
        "reason": version.reason,
        "actions": [action for action in actions if action is not None],
    }


def _action(connection: Connection, action_id: str, missing: list[str]) -> JsonObject | None:
    try:
        action = load_action(connection, action_id)
    except NotFoundError as error:
        missing.append(str(error))
        return None
    grant = grant_of(connection, action_id)
    return {
        "action_id": action.id,
        "kind": action.kind.value,
        "purpose": action.purpose,
        "requested_by": action.requested_by,
        "rule": action.policy.get("rule"),
        "granted_by": None if grant is None else grant.granted_by,
        "covers": [] if grant is None else [kind.value for kind in grant.covers],
        "votes": [
            {"owner": vote.owner, "word": vote.word.value, "comment": vote.comment, "at_us": vote.at_us}
            for vote in votes_of(connection, action_id)
        ],
        "incident": None if action.incident_id is None else _incident(connection, action.incident_id, missing),
    }


def _incident(connection: Connection, incident_id: str, missing: list[str]) -> JsonObject | None:
    try:
        incident = load_incident(connection, incident_id)
    except NotFoundError as error:
        missing.append(str(error))
        return None
    diagnosis = None if incident.diagnosis is None else incident.diagnosis.kind.value
    return {"incident_id": incident.id, "title": incident.title, "diagnosis": diagnosis, "at_us": incident.opened_us}


def _training(connection: Connection, version: ModelVersion, job: Job | None, missing: list[str]) -> JsonObject:
    of_it = f"of version {version.model}@{version.number}"
    unnoted = [name for name in ("config_hash", "git_commit") if not version.spec.get(name)]
    missing.extend(f"{name} {of_it}: was not noted when it was trained" for name in unnoted)
    if version.run_id is None:
        missing.append(f"MLflow run {of_it}: there is none")
    spec = {} if job is None else job.spec
    action_id = spec.get("action_id")
    return {
        "job_id": version.job_id,
        "asked_by": spec.get("asked_by"),
        "asked_for": None if action_id is None else _action(connection, str(action_id), missing),
        "created_us": None if job is None else job.created_us,
        "finished_us": None if job is None else job.finished_us,
        "config_hash": version.spec.get("config_hash"),
        "git_commit": version.spec.get("git_commit"),
        "run_id": version.run_id,
    }


def _data(
    connection: Connection, platform: Platform, version: ModelVersion, missing: list[str]
) -> tuple[JsonObject | None, list[JsonObject]]:
    row = connection.execute(select(snapshot).where(snapshot.c.id == version.snapshot_id)).first()
    if row is None:
        missing.append(f"snapshot {version.snapshot_id}: is not known any more")
        return None, []
    if platform.lake.storage.find(row.path) is None:
        missing.append(f"rows of snapshot {row.dataset_hash}: are not in the lake any more ({row.path})")
    data = {
        "snapshot_id": row.id,
        "dataset_hash": row.dataset_hash,
        "rows": row.rows,
        "delivered_rows": row.spec.get("delivered_rows"),
        "production_rows": row.spec.get("production_rows"),
        "held_out_rows": row.spec.get("recent_rows"),
        "span_start_us": row.span_start_us,
        "span_end_us": row.span_end_us,
        "contract_digest": row.spec.get("contract", {}).get("digest"),
        "created_us": row.created_us,
    }
    return data, [*_delivered(connection, platform, row, missing), *_produced(row)]


def _delivered(connection: Connection, platform: Platform, row: Row[Any], missing: list[str]) -> Iterable[JsonObject]:
    digests = row.spec.get("deliveries", [])
    kept = digests[:_MOST_SOURCES]
    if len(digests) > len(kept):
        missing.append(f"{len(digests) - len(kept)} more files of snapshot {row.dataset_hash}: not listed here")
    query = select(delivery).where(delivery.c.model == row.model, delivery.c.kind == "table")
    by_digest = {Path(one.raw_path).name.partition(".")[0]: one for one in connection.execute(query)}
    for digest in kept:
        found = by_digest.get(digest)
        if found is None:
            missing.append(f"file {digest[:12]} of snapshot {row.dataset_hash}: its delivery is not known any more")
            continue
        yield {
            "kind": "delivery",
            "digest": digest,
            "name": (found.spec or {}).get("name"),
            "feed": found.source,
            "rows": found.rows,
            "rows_passed": found.rows_passed,
            "received_us": found.received_us,
        }


def _produced(row: Row[Any]) -> Iterable[JsonObject]:
    if row.spec.get("production_rows"):
        yield {
            "kind": "production",
            "endpoint": row.spec.get("endpoint"),
            "rows": row.spec["production_rows"],
            "until_us": row.spec.get("until_us"),
        }


def _features(manifest: Manifest | None) -> list[JsonObject]:
    """Return what the model takes, and how much each counts; a feature is named by the column that it is made of."""
    if manifest is None:
        return []
    return [
        {
            "name": feature.name,
            "kind": feature.kind.value,
            "unit": feature.unit,
            "column": feature.name,
            "weight": manifest.weights[0].get(feature.name),
        }
        for feature in manifest.features
    ]
