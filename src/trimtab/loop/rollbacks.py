"""Going back at once to a version that served before."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from trimtab.audit import log as audit
from trimtab.bundle.writer import read_manifest
from trimtab.core.errors import ApprovalRequiredError, ConfigError, ConflictError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of, begin_rollout, reference_to, serving_version, spec_of
from trimtab.loop.rollouts import operate_rollout
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout import store
from trimtab.rollout.machine import Operation
from trimtab.rollout.state import RolloutSpec
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategies import RecreateConfig
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back

__all__ = ["RollbackAnswer", "endpoint_of", "start_rollback"]


@dataclass(frozen=True, slots=True)
class RollbackAnswer:
    """What became of a rollback: what was ``done``, or None where a rollout was started, whose end is its end."""

    endpoint: str
    done: str | None


@dataclass(frozen=True, slots=True)
class _Deployed:
    """How a model is deployed: by its files, or, where these cannot be read now, by its last rollout."""

    model: str
    endpoint: str
    by: ModelFiles | RolloutSpec

    @staticmethod
    def of(connection: Connection, platform: Platform, model: str) -> _Deployed:
        """Raises: ConfigError: the files cannot be read, and there is no rollout to go by."""
        try:
            files = platform.files(model)
        except ConfigError:
            # Whoever broke a file an hour ago must not keep a bad version in front of the callers.
            last = next(iter(store.list_rollouts(connection, model=model, limit=1)), None)
            if last is None:
                raise
            return _Deployed(model, last.spec.endpoint, last.spec)
        return _Deployed(model, files.endpoint, files)

    def spec_of(self, connection: Connection, version: ModelVersion) -> RolloutSpec:
        """Return how ``version`` takes all traffic at once."""
        if isinstance(self.by, RolloutSpec):
            stable = serving_version(connection, self.model, self.endpoint)
            spec = dataclasses.replace(
                self.by, candidate=reference_to(version), stable=None if stable is None else reference_to(stable)
            )
        else:
            spec = spec_of(connection, self.by, version)
        return dataclasses.replace(spec, strategy=RecreateConfig(type="recreate"))


def endpoint_of(connection: Connection, platform: Platform, model: str) -> str:
    """Return the endpoint of ``model``: by its files, or, where these cannot be read now, by its last rollout.

    Raises:
        ConfigError: the files cannot be read, and there is no rollout to go by.
    """
    return _Deployed.of(connection, platform, model).endpoint


def start_rollback(
    connection: Connection,
    platform: Platform,
    model: str,
    *,
    by: str,
    reason: str,
    to: int | None = None,
    action_id: str | None = None,
) -> RollbackAnswer:
    """Go back in the caller's transaction: to version ``to``, or else to what served before.

    A rollout under way is aborted, so that its stable version has all traffic at once. Any other version takes all
    traffic as soon as it has loaded on staging and answered its golden rows, without a canary: only versions that were
    promoted on this endpoint before may do so. Without ``to``, those that were rejected since, or whose bundle is not
    whole any more, are passed over. A rollback that is under way already is left to go on. Where the model's files
    cannot be read now, everything else is as in its last rollout.

    Raises:
        NotFoundError: nothing served before, ``to`` never did, or its bundle is not whole.
        ApprovalRequiredError: ``to`` was rejected.
        ConflictError: what is to serve does so already, or ``to`` is what the rollout under way is of.
        ConfigError: the model's files cannot be read, and it was never rolled out.
    """
    deployed = _Deployed.of(connection, platform, model)
    promoted = promoted_versions(connection, deployed.endpoint)
    running = store.active_rollout(connection, deployed.endpoint)
    if to is not None:
        _require_usable(connection, deployed, to, promoted, running)
    # One that brings a version back which was left for a worse one before goes forth: only who names it wants that.
    below = way_back(promoted, reinstatements(connection, deployed.endpoint))
    backwards = promoted if to is not None else below
    if running is not None and _goes_back(running, backwards) and to in {None, running.spec.candidate.number}:
        already = f"version {running.spec.candidate.number} is on its way back already, by rollout {running.id}"
        return RollbackAnswer(deployed.endpoint, already)
    done = None
    if running is not None:
        operate_rollout(connection, platform, running, Operation.ABORT, by=by, reason=reason)
        done = f"the rollout of version {running.spec.candidate.number} was aborted"
    present = aliases_of(connection, deployed.endpoint).get("champion")
    wanted = to
    if wanted is None:
        wanted = present if running is not None else _nearest(connection, deployed, promoted, below)
    if wanted in {None, present} and done is None:
        raise ConflictError(
            f"endpoint {deployed.endpoint!r}: serves version {present} already, and no rollout is under way; nothing "
            "to go back to; name another version with --to"
        )
    _note(connection, platform, deployed, by=by, reason=reason, present=present, to=wanted, aborted=running)
    if wanted is None or wanted == present:
        return RollbackAnswer(deployed.endpoint, done)
    spec = deployed.spec_of(connection, registry.get(connection, model, wanted))
    begin_rollout(connection, platform, spec, by=by, reason=reason, action_id=action_id)
    return RollbackAnswer(deployed.endpoint, None)


def _require_usable(
    connection: Connection, deployed: _Deployed, to: int, promoted: list[int], running: Rollout | None
) -> None:
    version = registry.get(connection, deployed.model, to)
    name = f"version {deployed.model}@{to}"
    present = aliases_of(connection, deployed.endpoint).get("champion")
    possible = _others(promoted, to, present)
    others = f"name another with --to: {possible}" if possible else "no other served before"
    if running is not None and running.spec.candidate.number == to and not _goes_back(running, promoted):
        raise ConflictError(
            f"{name}: is what rollout {running.id} is trying on {deployed.endpoint!r}; nothing to go back to; "
            f"promote it by 'trimtab rollouts promote {running.id} --reason WHY', or leave out --to to take it back"
        )
    if running is None and present == to:
        raise ConflictError(f"{name}: serves {deployed.endpoint!r} already; nothing to go back to; {others}")
    if version.state is VersionState.REJECTED:
        raise ApprovalRequiredError(
            f"{name}: was rejected by {version.decided_by}; a rejected version is not served again; {others}"
        )
    if to not in promoted:
        raise NotFoundError(
            f"{name}: never had all traffic of {deployed.endpoint!r}, expected a version that had; {others}, or bring "
            f"it out by 'trimtab deploy {deployed.model}@{to}'"
        )
    broken = _fault_of(version)
    if broken is not None:
        raise NotFoundError(f"{name}: its bundle cannot be served ({broken}); restore it, or {others}")


def _others(promoted: list[int], *but: int | None) -> str:
    return ", ".join(str(number) for number in sorted(set(promoted), reverse=True) if number not in but)


def _nearest(connection: Connection, deployed: _Deployed, promoted: list[int], below: list[int]) -> int:
    """Return the version that served before this one and may serve again.

    Raises:
        NotFoundError: there is none.
    """
    passed_over = []
    for number in below:
        version = registry.get(connection, deployed.model, number)
        fault = "was rejected" if version.state is VersionState.REJECTED else _fault_of(version)
        if fault is None:
            return number
        passed_over.append(f"version {number}: {fault}")
    told = f" that could serve again ({'; '.join(passed_over)})" if passed_over else ""
    forth = _others(promoted, aliases_of(connection, deployed.endpoint).get("champion"), *below)
    move = f"forth again: --to {forth}; " if forth else ""
    raise NotFoundError(
        f"endpoint {deployed.endpoint!r}: served no earlier version{told}; nothing to go back to; {move}"
        f"bring another one out by 'trimtab deploy {deployed.model}@NUMBER'"
    )


def _goes_back(running: Rollout, promoted: list[int]) -> bool:
    if running.unread is not None:
        return False
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
    deployed: _Deployed,
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
        subject=f"endpoint:{deployed.endpoint}",
        reason=reason,
        before={"version": present},
        after={"version": to},
        detail={"model": deployed.model, "aborted": None if aborted is None else aborted.id},
    )
