"""Model versions: list, show, compare, approve, reject."""

from __future__ import annotations

from pathlib import Path

import msgspec
from pydantic import Field

from trimtab.bundle.writer import read_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.db.engine import Connection
from trimtab.db.paging import Place
from trimtab.lake.snapshots import find_snapshot
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.comparing import compared, pair_of
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of, decide_version
from trimtab.loop.requests import ModelRequest, Number, Paged, Reason
from trimtab.loop.stages import stages_of
from trimtab.loop.trainings import find_job
from trimtab.loop.version_agreement import trained_by
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.remediation.kinds import ActionKind


class DecideVersion(ModelRequest):
    """Which version, and what is decided."""

    number: Number
    approve: bool = Field(description="True approves, false rejects.")
    reason: Reason = ""


class ListVersions(ModelRequest, Paged):
    """The versions of a model, by pages."""

    limit: int = Field(default=200, ge=1, le=500, description="How many.")


class OneVersion(ModelRequest):
    """Which version."""

    number: Number


class CompareVersions(ModelRequest):
    """Which two versions; by default what serves and the newest."""

    first: Number | None = Field(default=None, description="The version to compare with; null: the one that serves.")
    second: Number | None = Field(default=None, description="The version that is compared; null: the newest.")


@operation("versions.list", "GET", "/api/models/{model}/versions", Role.VIEWER, ListVersions)
def list_versions(platform: Platform, _actor: Actor, request: ListVersions) -> JsonObject:
    """List the versions of a model, newest first."""
    files = platform.files(request.model)
    with platform.database.reading() as connection:
        below = None if request.place is None else request.place.at
        found = registry.listing(connection, model=request.model, below=below, limit=request.one_more)
        aliases = aliases_of(connection, files.endpoint)
        stages = stages_of(connection, files.endpoint)
    shown, further = request.page(found, lambda version: Place(version.number, ""))
    described = [{**_described(version, aliases), "stage": stages.of(version)} for version in shown]
    return {"model": request.model, "versions": described, "next": further}


@operation("versions.show", "GET", "/api/models/{model}/versions/{number}", Role.VIEWER, OneVersion)
def show_version(platform: Platform, _actor: Actor, request: OneVersion) -> JsonObject:
    """Show one version: metrics, gates, parameters, what it learnt from, and who decided on it."""
    files = platform.files(request.model)
    with platform.database.reading() as connection:
        found = registry.get(connection, request.model, request.number)
        aliases = aliases_of(connection, files.endpoint)
        stage = stages_of(connection, files.endpoint).of(found)
        result = find_job(connection, found.job_id).spec.get("result") or {}
        snapshot = find_snapshot(connection, platform.lake, found.snapshot_id)
    manifest = read_manifest(Path(found.bundle_path), expected_digest=found.digest)
    return {
        **_described(found, aliases),
        "stage": stage,
        "gates": result.get("gates", []),
        "notes": result.get("notes", []),
        "params": dict(manifest.params),
        "importance": dict(sorted(manifest.importance.items(), key=lambda item: -abs(item[1]))),
        "parity": msgspec.to_builtins(manifest.parity),
        "rows": snapshot.rows,
        "span_start_us": snapshot.span_start_us,
        "span_end_us": snapshot.span_end_us,
        "bundle_path": found.bundle_path,
        "example": manifest.example,
    }


@operation("versions.compare", "GET", "/api/models/{model}/comparison", Role.VIEWER, CompareVersions)
def compare_versions(platform: Platform, _actor: Actor, request: CompareVersions) -> JsonObject:
    """Compare two versions: on their own held-out rows, and both on newer labelled rows that neither learnt from."""
    files = platform.files(request.model)
    with platform.database.reading() as connection:
        first, second = pair_of(connection, files, request.first, request.second)
    return compared(platform, files, first, second)


@operation("versions.decide", "POST", "/api/models/{model}/versions/{number}/decision", Role.APPROVER, DecideVersion)
def decide(platform: Platform, actor: Actor, request: DecideVersion) -> JsonObject:
    """Approve a version, so that it may be deployed, or reject it.

    One who may decide is enough to reject it. An approval waits for another person, if there is one and nobody else
    had the version trained.
    """
    platform.files(request.model)
    model, number = request.model, request.number
    told: JsonObject = {}
    with platform.database.transaction() as connection:
        found = registry.get(connection, model, number)
        if request.approve and found.state is VersionState.PENDING:
            told = _approve(connection, platform, actor, found, request.reason)
        else:
            decide_version(
                connection, platform, model, number, approved=request.approve, by=actor.name, reason=request.reason
            )
        decided = registry.get(connection, model, number)
    return {**_described(decided, {}), **told}


def _approve(
    connection: Connection, platform: Platform, actor: Actor, version: ModelVersion, reason: str
) -> JsonObject:
    wish = Wish(
        ActionKind.APPROVE_VERSION,
        version.model,
        purpose=f"let version {version.number} of {version.model} serve",
        params={"number": version.number, "reason": reason},
        about=str(version.number),
        owner=trained_by(connection, version),
    )
    return waiting_told(connection, ask(connection, platform, actor, wish))


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
        "told_to_mlflow": version.projected_version == version.version,
        "created_us": version.created_us,
        "decided_us": version.decided_us,
        "decided_by": version.decided_by,
        "reason": version.reason,
        **{name: version.spec.get(name) for name in ("dataset_hash", "config_hash", "git_commit", "comparison")},
    }
