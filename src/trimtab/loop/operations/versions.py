"""Model versions: list, approve, reject."""

from __future__ import annotations

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of, decide_version
from trimtab.loop.requests import ModelRequest, Number, Reason
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion


class DecideVersion(ModelRequest):
    """Which version, and what is decided."""

    number: Number
    approve: bool = Field(description="True approves, false rejects.")
    reason: Reason = ""


@operation("versions.list", "GET", "/api/models/{model}/versions", Role.VIEWER, ModelRequest)
def list_versions(platform: Platform, _actor: Actor, request: ModelRequest) -> JsonObject:
    """List the versions of a model, newest first."""
    files = platform.files(request.model)
    with platform.database.reading() as connection:
        found = registry.listing(connection, model=request.model)
        aliases = aliases_of(connection, files.endpoint)
    return {"model": request.model, "versions": [_described(version, aliases) for version in found]}


@operation("versions.decide", "POST", "/api/models/{model}/versions/{number}/decision", Role.APPROVER, DecideVersion)
def decide(platform: Platform, actor: Actor, request: DecideVersion) -> JsonObject:
    """Approve a version, so that it may be deployed, or reject it."""
    platform.files(request.model)
    with platform.database.transaction() as connection:
        decided = decide_version(
            connection,
            platform,
            request.model,
            request.number,
            approved=request.approve,
            by=actor.name,
            reason=request.reason,
        )
    return _described(decided, {})


def _described(version: ModelVersion, aliases: dict[str, int]) -> JsonObject:
    return {
        "model": version.model,
        "number": version.number,
        "state": version.state.value,
        "aliases": ", ".join(sorted(name for name, number in aliases.items() if number == version.number)),
        "algorithm": version.algorithm,
        "metrics": dict(version.metrics),
        "digest": version.digest,
        "snapshot_id": version.snapshot_id,
        "run_id": version.run_id,
        "created_us": version.created_us,
        "decided_us": version.decided_us,
        "decided_by": version.decided_by,
        "reason": version.reason,
        **{name: version.spec.get(name) for name in ("dataset_hash", "config_hash", "git_commit", "comparison")},
    }


__all__ = ["DecideVersion", "decide", "list_versions"]
