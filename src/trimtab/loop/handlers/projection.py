"""Shows our versions in MLflow: aliases and stages follow the truth of what serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState

if TYPE_CHECKING:
    from trimtab.registry.projection import StageShown

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
        aliases = aliases_of(connection, endpoint)
    projection = platform.projection()
    for version in reversed(versions):
        projection.project(version, aliases=aliases, stage_shown=_stage(version, aliases))

    def commit(connection: Connection) -> None:
        for version in versions:
            registry.mark_projected(connection, version)

    return commit


def _stage(version: ModelVersion, aliases: dict[str, int]) -> StageShown:
    if aliases.get("champion") == version.number:
        return "Production"
    if aliases.get("challenger") == version.number:
        return "Staging"
    superseded = version.number < aliases.get("champion", 0)
    return "Archived" if superseded or version.state is VersionState.REJECTED else None
