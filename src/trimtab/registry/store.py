"""What is stored of model versions, and loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConflictError, DataContractError, NotFoundError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import model_version
from trimtab.registry.versions import ModelVersion, VersionState, check_transition

__all__ = ["decide", "get", "latest", "listing", "mark_projected", "register"]


def register(
    connection: Connection,
    *,
    model: str,
    digest: str,
    bundle_path: str,
    algorithm: str,
    snapshot_id: str,
    job_id: str,
    created_us: int,
    metrics: Mapping[str, float],
    run_id: str | None = None,
    spec: JsonObject | None = None,
) -> ModelVersion:
    """Enter a bundle as the model's next version, pending approval, and return it.

    A job registers once: repeated, it returns what it registered first, unchanged. ``spec`` is free for lineage
    (``dataset_hash``, ``config_hash``, ``git_commit``); `trimtab.registry.projection` shows its texts as tags.

    Raises:
        DataContractError: a metric is NaN or infinite.
        ConflictError: the same job registered another bundle; or another writer took the number: repeat the call.
    """
    known = connection.execute(select(model_version).where(model_version.c.job_id == job_id)).first()
    if known is not None:
        return _same_bundle(_version(known), model, digest)
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise DataContractError(
                f"version of {model!r} from job {job_id}: metric {name!r} is {value}, expected a finite number; "
                "leave out metrics that cannot be computed"
            )
    highest = connection.execute(
        select(func.max(model_version.c.number)).where(model_version.c.model == model)
    ).scalar_one_or_none()
    number = (highest or 0) + 1
    try:
        connection.execute(
            insert(model_version).values(
                id=new_id(),
                model=model,
                number=number,
                digest=digest,
                bundle_path=bundle_path,
                state=VersionState.PENDING.value,
                algorithm=algorithm,
                snapshot_id=snapshot_id,
                job_id=job_id,
                run_id=run_id,
                created_us=created_us,
                spec={**(spec or {}), "metrics": dict(metrics)},
            )
        )
    except IntegrityError as error:
        raise ConflictError(
            f"version {number} of {model!r} from job {job_id}: {error.orig}; expected a free number, a known job and "
            "snapshot; roll back and repeat the transaction"
        ) from error
    return get(connection, model, number)


def decide(
    connection: Connection, model: str, number: int, *, approved: bool, by: str, reason: str, at_us: int
) -> ModelVersion:
    """Approve or reject a version, and return it as it stands then. Repeating one's own decision changes nothing.

    Raises:
        NotFoundError: there is no such version.
        IllegalTransitionError: it was decided already.
        ConflictError: it changed meanwhile.
    """
    to = VersionState.APPROVED if approved else VersionState.REJECTED
    return _move(connection, get(connection, model, number), to, by=by, reason=reason, at_us=at_us)


def get(connection: Connection, model: str, number: int) -> ModelVersion:
    """Return version ``number`` of ``model``.

    Raises:
        NotFoundError: there is no such version.
    """
    row = connection.execute(
        select(model_version).where(model_version.c.model == model, model_version.c.number == number)
    ).first()
    if row is not None:
        return _version(row)
    newest = latest(connection, model)
    has = "it has none" if newest is None else f"its newest is {newest.number}"
    raise NotFoundError(f"version {number} of {model!r}: not registered; {has}; see `trimtab versions list {model}`")


def listing(
    connection: Connection,
    *,
    model: str | None = None,
    state: VersionState | None = None,
    below: int | None = None,
    limit: int = 200,
) -> list[ModelVersion]:
    """Return the newest ``limit`` versions, newest first; of ``model``, in ``state``, ``below`` where given."""
    query = select(model_version).order_by(model_version.c.created_us.desc(), model_version.c.number.desc())
    if model is not None:
        query = query.where(model_version.c.model == model).order_by(None).order_by(model_version.c.number.desc())
    if state is not None:
        query = query.where(model_version.c.state == state.value)
    if below is not None:
        query = query.where(model_version.c.number < below)
    return [_version(row) for row in connection.execute(query.limit(limit)).all()]


def latest(connection: Connection, model: str, *, state: VersionState | None = None) -> ModelVersion | None:
    """Return the newest version of ``model`` (in ``state``, where given), None when there is none."""
    found = listing(connection, model=model, state=state, limit=1)
    return found[0] if found else None


def mark_projected(connection: Connection, told: ModelVersion) -> None:
    """Record that the tracking server knows ``told``; a change made meanwhile stays to be told."""
    connection.execute(
        update(model_version)
        .where(model_version.c.id == told.id, model_version.c.projected_version < told.version)
        .values(projected_version=told.version)
    )


def _move(
    connection: Connection, found: ModelVersion, to: VersionState, *, by: str, reason: str, at_us: int
) -> ModelVersion:
    if found.state is to and found.decided_by == by:
        return found
    check_transition(found, to)
    changed = connection.execute(
        update(model_version)
        .where(model_version.c.id == found.id, model_version.c.version == found.version)
        .values(
            state=to.value,
            decided_us=at_us,
            decided_by=by,
            spec={**found.spec, "metrics": dict(found.metrics), "reason": reason},
            version=found.version + 1,
        )
    )
    if changed.rowcount != 1:
        raise ConflictError(
            f"version {found.number} of {found.model!r}: changed since it was read; look at it again, then repeat"
        )
    return get(connection, found.model, found.number)


def _same_bundle(known: ModelVersion, model: str, digest: str) -> ModelVersion:
    if (known.model, known.digest) != (model, digest):
        raise ConflictError(
            f"job {known.job_id}: registered {known.model!r} version {known.number} with digest {known.digest[:12]}…, "
            f"now says {model!r} with {digest[:12]}…; a job registers one bundle, start another job"
        )
    return known


def _version(row: Row[Any]) -> ModelVersion:
    spec = dict(row.spec)
    return ModelVersion(
        id=row.id,
        model=row.model,
        number=row.number,
        digest=row.digest,
        bundle_path=row.bundle_path,
        state=VersionState(row.state),
        algorithm=row.algorithm,
        snapshot_id=row.snapshot_id,
        job_id=row.job_id,
        run_id=row.run_id,
        created_us=row.created_us,
        decided_us=row.decided_us,
        decided_by=row.decided_by,
        metrics=dict(spec.pop("metrics", {})),
        spec=spec,
        version=row.version,
        projected_version=row.projected_version,
    )
