"""What endpoints are desired to be, and were: one current spec each, and a history row for each generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import endpoint as endpoint_table
from trimtab.db.tables import endpoint_history
from trimtab.serving.spec import EndpointSpec

__all__ = [
    "Generation",
    "desire",
    "desired",
    "endpoint_generations",
    "generation_at",
    "generation_behind",
    "generation_of",
    "list_desired",
    "mark_served",
    "model_of",
    "next_generation",
    "overtake",
    "rollout_of",
    "salt_of",
    "unseen",
    "versions_in_production",
]


_LAST_GENERATION = 2**53

# `Generation.since_us`, as the database computes it.
_since_us = func.coalesce(
    endpoint_history.c.served_us, case((endpoint_history.c.rollout_id.is_(None), endpoint_history.c.at_us))
)


@dataclass(frozen=True, slots=True)
class Generation:
    """A spec that was desired of an endpoint at ``at_us``, who set it, and why.

    ``served_us``: when it was first seen to be served; None while it was not. ``rollout_id``: the rollout that it is a
    step of; None where it is older than the columns that say both.
    """

    spec: EndpointSpec
    at_us: int
    actor: str
    reason: str
    served_us: int | None = None
    rollout_id: str | None = None

    @property
    def since_us(self) -> int | None:
        """Since when it was served; None if never. Of those that nobody looked at, when it was desired."""
        return self.at_us if self.served_us is None and not self.is_watched else self.served_us

    @property
    def is_watched(self) -> bool:
        """Whether somebody looked when it was served."""
        return self.rollout_id is not None


def model_of(connection: Connection, endpoint: str) -> str | None:
    """Return the model whose versions ``endpoint`` serves, None when it never served any."""
    return connection.execute(select(endpoint_table.c.model).where(endpoint_table.c.name == endpoint)).scalar()


def next_generation(connection: Connection, endpoint: str) -> int:
    """Return the generation that the next spec of ``endpoint`` has to have; 1 for the first."""
    row = connection.execute(
        select(endpoint_table.c.generation).where(endpoint_table.c.name == endpoint)
    ).scalar_one_or_none()
    return 1 if row is None else int(row) + 1


def desire(
    connection: Connection,
    spec: EndpointSpec,
    *,
    model: str,
    actor: str,
    reason: str,
    at_us: int,
    rollout_id: str | None = None,
) -> EndpointSpec:
    """Make ``spec`` the desired one and return it; where nothing but the generation differs, return the present one.

    Raises:
        ConflictError: ``spec.generation`` is not the next one: somebody else was faster.
    """
    present = desired(connection, spec.endpoint)
    if present is not None and msgspec.structs.replace(spec, generation=present.generation) == present:
        return present
    expected = 1 if present is None else present.generation + 1
    if spec.generation != expected:
        raise ConflictError(_outdated(spec, expected))
    content = msgspec.to_builtins(spec)
    try:
        if present is None:
            connection.execute(
                insert(endpoint_table).values(
                    name=spec.endpoint, model=model, generation=1, updated_us=at_us, spec=content, version=1
                )
            )
        else:
            _replace(connection, spec, content, at_us, before=present.generation)
        connection.execute(
            insert(endpoint_history).values(
                endpoint=spec.endpoint,
                generation=spec.generation,
                at_us=at_us,
                actor=actor,
                reason=reason,
                rollout_id=rollout_id,
                spec=content,
            )
        )
    except IntegrityError as error:
        raise ConflictError(_outdated(spec, expected + 1)) from error
    return spec


def overtake(
    connection: Connection, present: EndpointSpec, generation: int, *, actor: str, reason: str, at_us: int
) -> EndpointSpec:
    """Make what is desired now the ``generation`` that is named, beyond the next one; return it.

    It stays a step of the rollout that it was a step of.

    Raises:
        ConflictError: ``present`` is not what is desired any more, or no generation can be above what there is.
    """
    if generation > _LAST_GENERATION:
        raise ConflictError(
            f"endpoint {present.endpoint!r}: no generation is left above {generation - 1}; remove its spec from the "
            "platform, and start the server anew"
        )
    spec = msgspec.structs.replace(present, generation=generation)
    content = msgspec.to_builtins(spec)
    _replace(connection, spec, content, at_us, before=present.generation)
    connection.execute(
        insert(endpoint_history).values(
            endpoint=spec.endpoint,
            generation=generation,
            at_us=at_us,
            actor=actor,
            reason=reason,
            rollout_id=rollout_of(connection, present),
            spec=content,
        )
    )
    return spec


def rollout_of(connection: Connection, spec: EndpointSpec) -> str | None:
    """Return the rollout that a generation is a step of, None where that is not known."""
    of = (endpoint_history.c.endpoint == spec.endpoint) & (endpoint_history.c.generation == spec.generation)
    return connection.execute(select(endpoint_history.c.rollout_id).where(of)).scalar()


def desired(connection: Connection, endpoint: str) -> EndpointSpec | None:
    """Return what ``endpoint`` shall be, None when nothing was ever desired."""
    content = connection.execute(
        select(endpoint_table.c.spec).where(endpoint_table.c.name == endpoint)
    ).scalar_one_or_none()
    return None if content is None else _to_spec(content)


def salt_of(connection: Connection, endpoint: str) -> str | None:
    """Return the salt that ``endpoint`` keeps; None where it may have a new one: no caller would move for that."""
    present = desired(connection, endpoint)
    if present is None or (not present.salt and sum(one.weight_pct > 0 for one in present.live) < 2):
        return None
    return present.salt


def list_desired(connection: Connection, *, model: str | None = None) -> list[EndpointSpec]:
    """Return the desired specs of all endpoints, or of those of ``model``, by name."""
    query = select(endpoint_table.c.spec).order_by(endpoint_table.c.name)
    if model is not None:
        query = query.where(endpoint_table.c.model == model)
    return [_to_spec(content) for content in connection.execute(query).scalars()]


def endpoint_generations(
    connection: Connection, endpoint: str, *, after: Place | None = None, limit: int = 100
) -> list[Generation]:
    """Return the newest ``limit`` generations of ``endpoint``, newest first; those behind ``after``."""
    query = select(endpoint_history).where(endpoint_history.c.endpoint == endpoint)
    ordered = newest(query, endpoint_history.c.generation, endpoint_history.c.endpoint, after=after, limit=limit)
    return [_generation(row) for row in connection.execute(ordered)]


def generation_at(connection: Connection, endpoint: str, at_us: int | None = None) -> Generation | None:
    """Return the newest generation that was served at ``at_us`` (None: of all) or before, None when none was."""
    served = _since_us.is_not(None) if at_us is None else _since_us <= at_us
    query = select(endpoint_history).where(endpoint_history.c.endpoint == endpoint, served)
    row = connection.execute(query.order_by(endpoint_history.c.generation.desc()).limit(1)).first()
    return None if row is None else _generation(row)


def generation_of(connection: Connection, endpoint: str, generation: int) -> Generation | None:
    """Return one generation of ``endpoint``, None when there never was one of that number."""
    query = select(endpoint_history).where(
        endpoint_history.c.endpoint == endpoint, endpoint_history.c.generation == generation
    )
    row = connection.execute(query).first()
    return None if row is None else _generation(row)


def generation_behind(connection: Connection, endpoint: str, generation: int) -> Generation | None:
    """Return the next generation that was served after ``generation``, None while there is none."""
    query = select(endpoint_history).where(
        endpoint_history.c.endpoint == endpoint, endpoint_history.c.generation > generation, _since_us.is_not(None)
    )
    row = connection.execute(query.order_by(endpoint_history.c.generation).limit(1)).first()
    return None if row is None else _generation(row)


def unseen(connection: Connection) -> list[tuple[str, int]]:
    """Return endpoints, and the generation that is desired of them, where that was not seen to be served yet."""
    query = (
        select(endpoint_table.c.name, endpoint_table.c.generation)
        .join(
            endpoint_history,
            (endpoint_history.c.endpoint == endpoint_table.c.name)
            & (endpoint_history.c.generation == endpoint_table.c.generation),
        )
        .where(endpoint_history.c.rollout_id.is_not(None), endpoint_history.c.served_us.is_(None))
    )
    return [(row.name, int(row.generation)) for row in connection.execute(query)]


def mark_served(connection: Connection, endpoint: str, generation: int, *, at_us: int) -> bool:
    """Store that ``generation`` was seen to be served; return whether this was the first time."""
    changed = connection.execute(
        update(endpoint_history)
        .where(
            endpoint_history.c.endpoint == endpoint,
            endpoint_history.c.generation == generation,
            endpoint_history.c.served_us.is_(None),
        )
        .values(served_us=at_us)
    )
    return changed.rowcount == 1


def versions_in_production(connection: Connection, endpoint: str) -> set[int]:
    """Return every version that had a share of the callers at some time."""
    query = select(endpoint_history.c.spec).where(endpoint_history.c.endpoint == endpoint, _since_us.is_not(None))
    specs = (_to_spec(content) for content in connection.execute(query).scalars())
    return {variant.model_version for spec in specs for variant in spec.live if variant.weight_pct > 0}


def _replace(connection: Connection, spec: EndpointSpec, content: Any, at_us: int, *, before: int) -> None:
    changed = connection.execute(
        update(endpoint_table)
        .where(endpoint_table.c.name == spec.endpoint, endpoint_table.c.generation == before)
        .values(generation=spec.generation, updated_us=at_us, spec=content, version=endpoint_table.c.version + 1)
    )
    if changed.rowcount != 1:
        raise ConflictError(_outdated(spec, spec.generation + 1))


def _generation(row: Row[Any]) -> Generation:
    return Generation(_to_spec(row.spec), row.at_us, row.actor, row.reason, row.served_us, row.rollout_id)


def _to_spec(content: Any) -> EndpointSpec:
    return msgspec.convert(content, type=EndpointSpec, strict=False)


def _outdated(spec: EndpointSpec, expected: int) -> str:
    return (
        f"endpoint {spec.endpoint!r}: generation {spec.generation} is not the next one, {expected}; "
        "read what is desired now and decide again"
    )
