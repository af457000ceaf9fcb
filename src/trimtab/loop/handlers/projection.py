"""Shows our versions in MLflow: aliases and stages follow the truth of what serves."""

from __future__ import annotations

from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.stages import stages_of
from trimtab.registry import store as registry

__all__ = ["project"]


def project(platform: Platform, event: Event) -> Commit | None:
    """Make MLflow agree with every version of the event's model."""
    model = str(event.payload["model"])
    try:
        endpoint = platform.files(model).endpoint
    except ConfigError:
        endpoint = model
    with platform.database.reading() as connection:
        versions = registry.listing(connection, model=model)
        stages = stages_of(connection, endpoint)
    projection = platform.projection()
    for version in reversed(versions):
        projection.project(version, aliases=stages.aliases, stage_shown=stages.of(version))

    def commit(connection: Connection) -> None:
        for version in versions:
            registry.mark_projected(connection, version)

    return commit
