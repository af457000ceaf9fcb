"""What endpoints are desired to be, and were: one current spec each, and a history row for each generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import endpoint as endpoint_table
from trimtab.db.tables import endpoint_history
from trimtab.serving.spec import EndpointSpec

__all__ = ["Generation", "desire", "desired", "endpoint_generations", "list_desired", "model_of", "next_generation"]


@dataclass(frozen=True, slots=True)
class Generation:
    """A spec that an endpoint had from ``at_us`` on, who set it, and why."""

    spec: EndpointSpec
    at_us: int
    actor: str
    reason: str


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
    connection: Connection, spec: EndpointSpec, *, model: str, actor: str, reason: str, at_us: int
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
            _replace(connection, spec, content, at_us)
        connection.execute(
            insert(endpoint_history).values(
                endpoint=spec.endpoint,
                generation=spec.generation,
                at_us=at_us,
                actor=actor,
                reason=reason,
                spec=content,
            )
        )
    except IntegrityError as error:
        raise ConflictError(_outdated(spec, expected + 1)) from error
    return spec


def desired(connection: Connection, endpoint: str) -> EndpointSpec | None:
    """Return what ``endpoint`` shall be, None when nothing was ever desired."""
    content = connection.execute(
        select(endpoint_table.c.spec).where(endpoint_table.c.name == endpoint)
    ).scalar_one_or_none()
    return None if content is None else _to_spec(content)


def list_desired(connection: Connection, *, model: str | None = None) -> list[EndpointSpec]:
    """Return the desired specs of all endpoints, or of those of ``model``, by name."""
    query = select(endpoint_table.c.spec).order_by(endpoint_table.c.name)
    if model is not None:
        query = query.where(endpoint_table.c.model == model)
    return [_to_spec(content) for content in connection.execute(query).scalars()]


def endpoint_generations(connection: Connection, endpoint: str, *, limit: int = 100) -> list[Generation]:
    """Return the newest ``limit`` generations of ``endpoint``, newest first."""
    rows = connection.execute(
        select(endpoint_history)
        .where(endpoint_history.c.endpoint == endpoint)
        .order_by(endpoint_history.c.generation.desc())
        .limit(limit)
    )
    return [Generation(_to_spec(row.spec), row.at_us, row.actor, row.reason) for row in rows]


def _replace(connection: Connection, spec: EndpointSpec, content: Any, at_us: int) -> None:
    changed = connection.execute(
        update(endpoint_table)
        .where(endpoint_table.c.name == spec.endpoint, endpoint_table.c.generation == spec.generation - 1)
        .values(generation=spec.generation, updated_us=at_us, spec=content, version=endpoint_table.c.version + 1)
    )
    if changed.rowcount != 1:
        raise ConflictError(_outdated(spec, spec.generation + 1))


def _to_spec(content: Any) -> EndpointSpec:
    return msgspec.convert(content, type=EndpointSpec, strict=False)


def _outdated(spec: EndpointSpec, expected: int) -> str:
    return (
        f"endpoint {spec.endpoint!r}: generation {spec.generation} is not the next one, {expected}; "
        "read what is desired now and decide again"
    )
