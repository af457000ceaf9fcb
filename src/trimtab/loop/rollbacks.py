"""Going back at once to a version that served before."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from trimtab.audit import log as audit
from trimtab.bundle.writer import read_manifest
from trimtab.core.errors import ApprovalRequiredError, ConflictError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of, start_rollout
from trimtab.loop.rollouts import operate_rollout
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout import store
from trimtab.rollout.machine import Operation
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategies import RecreateConfig
from trimtab.rollout.way_back import promoted_versions, way_back

__all__ = ["start_rollback"]


def start_rollback(
    connection: Connection,
    platform: Platform,
    files: ModelFiles,
    *,
    by: str,
    reason: str,
    to: int | None = None,
    action_id: str | None = None,
) -> str | None:
    """Go back in the caller's transaction: to version ``to``, or else to what served before.

    A rollout under way is aborted, so that its stable version has all traffic at once. Any other version takes all
    traffic as soon as it has loaded on staging and answered its golden rows, without a canary: only versions that were
    promoted on this endpoint before may do so. Without ``to``, those that were rejected since, or whose bundle is not
    whole any more, are passed over. A rollback that is under way already is left to go on.

    Returns what was done, or None when a rollout was started, whose end is the action's end.

    Raises:
        NotFoundError: nothing served before, ``to`` never did, or its bundle is not whole.
        ApprovalRequiredError: ``to`` was rejected.
        ConflictError: ``to`` serves already, or is what the rollout under way is of.
    """
    promoted = promoted_versions(connection, files.endpoint)
    running = store.active_rollout(connection, files.endpoint)
    if to is not None:
        _require_usable(connection, files, to, promoted, running)
    # One that brings a version back which was left for a worse one before goes forth: only who names it wants that.
    backwards = promoted if to is not None else way_back(promoted)
    if running is not None and _goes_back(running, backwards) and to in {None, running.spec.candidate.number}:
        return f"version {running.spec.candidate.number} is on its way back already, by rollout {running.id}"
    done = None
    if running is not None:
        operate_rollout(connection, platform, running, Operation.ABORT, by=by, reason=reason)
        done = f"the rollout of version {running.spec.candidate.number} was aborted"
    present = aliases_of(connection, files.endpoint).get("champion")
    wanted = to
    if wanted is None:
        wanted = present if running is not None else _nearest(connection, files, promoted)
    _note(connection, platform, files, by=by, reason=reason, present=present, to=wanted, aborted=running)
    if wanted is None or wanted == present:
        return done
    at_once = files.deployment.model_copy(update={"strategy": RecreateConfig(type="recreate")})
    uncautious = dataclasses.replace(files, deployment=at_once)
    start_rollout(connection, platform, uncautious, wanted, by=by, reason=reason, action_id=action_id)
    return None


def _require_usable(
    connection: Connection, files: ModelFiles, to: int, promoted: list[int], running: Rollout | None
) -> None:
    version = registry.get(connection, files.model.name, to)
    name = f"version {files.model.name}@{to}"
    possible = [str(number) for number in way_back(promoted) if number != to]
    others = f"name another with --to: {', '.join(possible) or 'none served before'}"
    if running is not None and running.spec.candidate.number == to and not _goes_back(running, promoted):
        raise ConflictError(
            f"{name}: is what rollout {running.id} is trying on {files.endpoint!r}; nothing to go back to; promote it "
            f"by 'trimtab rollouts promote {running.id} --reason WHY', or leave out --to to take it back"
        )
    if running is None and aliases_of(connection, files.endpoint).get("champion") == to:
        raise ConflictError(f"{name}: serves {files.endpoint!r} already; nothing to go back to; {others}")
    if version.state is VersionState.REJECTED:
        raise ApprovalRequiredError(
            f"{name}: was rejected by {version.decided_by}; a rejected version is not served again; {others}"
        )
    if to not in promoted:
        raise NotFoundError(
            f"{name}: never had all traffic of {files.endpoint!r}, expected a version that had; {others}, or bring it "
            f"out by 'trimtab deploy {files.model.name}@{to}'"
        )
    broken = _fault_of(version)
    if broken is not None:
        raise NotFoundError(f"{name}: its bundle cannot be served ({broken}); restore it, or {others}")


def _nearest(connection: Connection, files: ModelFiles, promoted: list[int]) -> int:
    """Return the version that served before this one and may serve again.

    Raises:
        NotFoundError: there is none.
    """
    passed_over = []
    for number in way_back(promoted):
        version = registry.get(connection, files.model.name, number)
        fault = "was rejected" if version.state is VersionState.REJECTED else _fault_of(version)
        if fault is None:
            return number
        passed_over.append(f"version {number}: {fault}")
    told = f" that could serve again ({'; '.join(passed_over)})" if passed_over else ""
    raise NotFoundError(
        f"endpoint {files.endpoint!r}: served no other version before{told}; nothing to go back to; "
        f"bring another one out by 'trimtab deploy {files.model.name}@NUMBER'"
    )


def _goes_back(running: Rollout, promoted: list[int]) -> bool:
    return running.spec.candidate.number in promoted and isinstance(running.spec.strategy, RecreateConfig)


def _fault_of(version: ModelVersion) -> str | None:
    try:
        read_manifest(Path(version.bundle_path), expected_digest=version.digest)
    except (TrimtabError, OSError) as error:
        return str(error)
    return None


def _note(
    connection: Connection,
    platform: Platform,
    files: ModelFiles,
    *,
    by: str,
    reason: str,
    present: int | None,
    to: int | None,
    aborted: Rollout | None,
) -> None:
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=by,
        action="rollback.started",
        subject=f"endpoint:{files.endpoint}",
        reason=reason,
        before={"version": present},
        after={"version": to},
        detail={"model": files.model.name, "aborted": None if aborted is None else aborted.id},
    )
