"""What an endpoint served, and when: which version with which share, made of which data, agreed to by whom."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import select

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import VariantRole
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry
from trimtab.db.tables import snapshot as snapshot_table
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.endpoint_store import Generation
from trimtab.serving.spec import VariantSpec

__all__ = ["ServedVersion", "Standing", "served_at", "served_generation", "standing_of", "told"]

_DECISIONS: Final = [f"version.{state.value}" for state in (VersionState.APPROVED, VersionState.REJECTED)]


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """One version behind an endpoint. What is not known of it any more is None."""

    variant: str
    version: int
    role: VariantRole
    weight_pct: Decimal
    digest: str
    dataset: str | None = None
    state: str | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One generation of an endpoint: what it was, from when to when, and who made it so.

    ``since_us``: None if it never was seen to be served. ``is_seen``: False where nobody looked, and ``since_us`` is
    when it was asked for. ``until_us``: None while nothing has followed. ``started_by`` and ``started_because`` are of
    the rollout that it was a step of.
    """

    generation: Generation
    versions: tuple[ServedVersion, ...]
    until_us: int | None = None
    started_by: str | None = None
    started_because: str | None = None

    @property
    def since_us(self) -> int | None:
        """Since when it was served."""
        return self.generation.since_us

    @property
    def is_seen(self) -> bool:
        """Whether it was seen to be served."""
        return self.generation.served_us is not None


def served_at(connection: Connection, endpoint: str, at_us: int) -> Standing:
    """Return what ``endpoint`` served at that moment.

    Whether a server was up to serve it is not in the history: the records of the answers say that.

    Raises:
        NotFoundError: there is no such endpoint, or it served nothing yet.
    """
    model = endpoint_store.model_of(connection, endpoint)
    if model is None:
        raise NotFoundError(f"endpoint {endpoint!r}: never served anything; see 'trimtab status'")
    found = endpoint_store.generation_at(connection, endpoint, at_us)
    if found is None:
        raise NotFoundError(
            f"endpoint {endpoint!r}: served nothing yet at that moment; see 'trimtab history {endpoint}' for what came"
        )
    return standing_of(connection, model, found)


def served_generation(connection: Connection, endpoint: str, generation: int) -> Standing:
    """Return what one generation of ``endpoint`` was.

    Raises:
        NotFoundError: there never was such a generation here.
    """
    model = endpoint_store.model_of(connection, endpoint)
    found = None if model is None else endpoint_store.generation_of(connection, endpoint, generation)
    if model is None or found is None:
        raise NotFoundError(f"endpoint {endpoint!r}: generation {generation} is not in its history here")
    return standing_of(connection, model, found)


def standing_of(connection: Connection, model: str, generation: Generation) -> Standing:
    """Return what ``generation`` was, with what the registry, the lake's snapshots and the audit log say of it."""
    spec = generation.spec
    behind = endpoint_store.generation_behind(connection, spec.endpoint, spec.generation)
    by, because = _started(connection, generation)
    return Standing(
        generation=generation,
        versions=tuple(_version(connection, model, variant, generation.at_us) for variant in spec.variants),
        until_us=None if behind is None else behind.since_us,
        started_by=by,
        started_because=because,
    )


def told(standing: Standing) -> JsonObject:
    """Return a standing as JSON values."""
    generation = standing.generation
    return {
        "generation": generation.spec.generation,
        "at_us": generation.at_us,
        "since_us": standing.since_us,
        "until_us": standing.until_us,
        "is_seen": standing.is_seen,
        "actor": generation.actor,
        "reason": generation.reason,
        "rollout_id": generation.rollout_id,
        "started_by": standing.started_by,
        "started_because": standing.started_because,
        "versions": [
            {
                "variant": one.variant,
                "version": one.version,
                "role": one.role.value,
                "weight_pct": f"{one.weight_pct.normalize():f}",
                "digest": one.digest,
                "dataset": one.dataset,
                "state": one.state,
                "decided_by": one.decided_by,
            }
            for one in standing.versions
        ],
    }


def _version(connection: Connection, model: str, variant: VariantSpec, at_us: int) -> ServedVersion:
    try:
        version = registry.get(connection, model, variant.model_version)
    except NotFoundError:
        version = None
    state, decided_by = (None, None) if version is None else _decision(connection, version, at_us)
    return ServedVersion(
        variant=variant.name,
        version=variant.model_version,
        role=variant.role,
        weight_pct=variant.weight_pct,
        digest=variant.bundle_digest,
        dataset=None if version is None else _dataset(connection, version.snapshot_id),
        state=state,
        decided_by=decided_by,
    )


def _decision(connection: Connection, version: ModelVersion, at_us: int) -> tuple[str, str | None]:
    """Return the version's state at a moment, and who had decided it: not what was decided since."""
    if version.decided_us is None or version.decided_us <= at_us:
        return version.state.value, version.decided_by
    query = select(audit_entry.c.actor, audit_entry.c.action).where(
        audit_entry.c.subject == version.subject,
        audit_entry.c.action.in_(
            [f"version.{state.value}" for state in (VersionState.APPROVED, VersionState.REJECTED)]
        ),
        audit_entry.c.at_us <= at_us,
    )
    found = connection.execute(query.order_by(audit_entry.c.sequence.desc()).limit(1)).first()
    if found is None:
        return VersionState.PENDING.value, None
    return str(found.action).partition(".")[2], found.actor


def _dataset(connection: Connection, snapshot_id: str) -> str | None:
    query = select(snapshot_table.c.dataset_hash).where(snapshot_table.c.id == snapshot_id)
    return connection.execute(query).scalar()


def _started(connection: Connection, generation: Generation) -> tuple[str | None, str | None]:
    """Return who started the rollout that this was a step of, and why."""
    if generation.rollout_id is None:
        return None, None
    rollout = store.load_rollout(connection, generation.rollout_id)
    query = select(audit_entry.c.actor, audit_entry.c.spec).where(
        audit_entry.c.subject == f"rollout:{rollout.spec.endpoint}/{rollout.id}",
        audit_entry.c.action == "rollout.started",
    )
    found = connection.execute(query.limit(1)).first()
    return (None, None) if found is None else (found.actor, found.spec.get("reason") or None)
