"""What a model's versions are to those who look at the registry: aliases and stages, by what serves and has served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trimtab.db.engine import Connection
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout import endpoint_store, store

__all__ = ["Stage", "Stages", "stages_of"]

Stage = Literal["Staging", "Production", "Archived"] | None


@dataclass(frozen=True, slots=True)
class Stages:
    """``aliases``: ``champion`` and ``challenger`` → version. ``been``: versions that had a share of the callers."""

    aliases: Mapping[str, int] = field(default_factory=dict)
    been: frozenset[int] = frozenset()

    def of(self, version: ModelVersion) -> Stage:
        """Return the stage of ``version``: Archived is what was in production and is not now, or was rejected."""
        if self.aliases.get("champion") == version.number:
            return "Production"
        if self.aliases.get("challenger") == version.number:
            return "Staging"
        return "Archived" if version.number in self.been or version.state is VersionState.REJECTED else None


def stages_of(connection: Connection, endpoint: str) -> Stages:
    """Return the stages of the versions on ``endpoint``, by what was seen to be served.

    ``challenger`` is what a rollout under way tries, from staging on. ``champion`` is what answers most callers; while
    a rollout is under way it is the stable version: the candidate follows once it is promoted, and served so.
    """
    served = endpoint_store.generation_at(connection, endpoint)
    running = store.active_rollout(connection, endpoint)
    live = {} if served is None else {each.model_version: each.weight_pct for each in served.spec.live}
    aliases: dict[str, int] = {}
    if running is not None:
        aliases["challenger"] = running.spec.candidate.number
        live.pop(running.spec.candidate.number, None)
    if live:
        aliases["champion"] = max(live, key=lambda number: live[number])
    return Stages(aliases, frozenset(endpoint_store.versions_in_production(connection, endpoint)))
