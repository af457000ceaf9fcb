"""A model version: one immutable bundle in a named line of versions, and whether it may be released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import IllegalTransitionError

__all__ = ["TRANSITIONS", "ModelVersion", "VersionState", "check_transition"]


class VersionState(StrEnum):
    """Whether a version may be released."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


TRANSITIONS: Mapping[VersionState, frozenset[VersionState]] = MappingProxyType(
    {
        VersionState.PENDING: frozenset({VersionState.APPROVED, VersionState.REJECTED}),
        VersionState.APPROVED: frozenset({VersionState.REJECTED}),
        VersionState.REJECTED: frozenset(),
    }
)
"""Every legal move, and no other."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """Version ``number`` of ``model``: its bundle never changes, its ``state`` does.

    ``created_us`` and ``decided_us`` are domain time, microseconds UTC. ``version`` counts changes of this entry, for
    optimistic locking; ``projected_version`` is the one that the tracking server was last told.
    """

    id: str
    model: str
    number: int
    digest: str
    bundle_path: str
    state: VersionState
    algorithm: str
    snapshot_id: str
    job_id: str
    run_id: str | None
    created_us: int
    decided_us: int | None
    decided_by: str | None
    metrics: Mapping[str, float]
    spec: JsonObject
    version: int
    projected_version: int = 0

    @property
    def subject(self) -> str:
        """How events, audit entries and messages name it: ``version:<model>/<number>``."""
        return f"version:{self.model}/{self.number}"

    @property
    def reason(self) -> str:
        """Why it was approved or rejected; empty while nobody decided."""
        return str(self.spec.get("reason", ""))


def check_transition(version: ModelVersion, to: VersionState) -> None:
    """Assert that ``version`` may become ``to``.

    Raises:
        IllegalTransitionError: `TRANSITIONS` has no such move.
    """
    possible = TRANSITIONS[version.state]
    if to not in possible:
        legal = ", ".join(sorted(possible)) or "nothing"
        by = f" (by {version.decided_by})" if version.decided_by else ""
        raise IllegalTransitionError(
            f"version {version.number} of {version.model!r}: is {version.state}{by}, cannot become {to}; "
            f"it can become: {legal}"
        )
