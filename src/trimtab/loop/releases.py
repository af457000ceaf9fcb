"""From a version to production: decide on it, start a rollout, and keep rollouts moving."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import structlog

from trimtab.audit import log as audit
from trimtab.bundle.writer import read_manifest
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ApprovalRequiredError, ConflictError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.probe import ServingProbe
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.machine import Operation, operate, step
from trimtab.rollout.plan import production_spec, staging_spec
from trimtab.rollout.settings import RecreateConfig
from trimtab.rollout.state import RolloutSpec, Transition, VersionRef
from trimtab.rollout.store import Rollout
from trimtab.serving.spec import EndpointSpec

__all__ = [
    "advance_rollouts",
    "aliases_of",
    "apply_desired",
    "decide_version",
    "operate_rollout",
    "start_rollback",
    "start_rollout",
]

_TELL_US = 3_000_000

_log = structlog.get_logger(__name__)


def decide_version(
    connection: Connection, platform: Platform, model: str, number: int, *, approved: bool, by: str, reason: str
) -> ModelVersion:
    """Approve or reject a version in the caller's transaction, with event and audit entry."""
    at_us = platform.now_us()
    before = registry.get(connection, model, number)
    after = registry.decide(connection, model, number, approved=approved, by=by, reason=reason, at_us=at_us)
    if after.version == before.version:
        return after
    if not approved:
        _withdraw(connection, platform, after, by=by, reason=reason)
    platform.publish(connection, "version.decided", f"model:{model}", {"model": model, "number": number})
    audit.append(
        connection,
        at_us=at_us,
        actor=by,
        action="version.approved" if approved else "version.rejected",
        subject=after.subject,
        reason=reason,
        before={"state": before.state.value},
        after={"state": after.state.value},
    )
    reached("approval.decided")
    return after


def _withdraw(connection: Connection, platform: Platform, version: ModelVersion, *, by: str, reason: str) -> None:
    """See that a version that was turned down takes no traffic.

    Raises:
        ConflictError: it is what production rests on: something else must serve first.
    """
    endpoint = platform.files(version.model).endpoint
    running = store.active_rollout(connection, endpoint)
    if running is not None and running.spec.candidate.number == version.number:
        operate_rollout(connection, platform, running, Operation.ABORT, by=by, reason=f"version rejected: {reason}")
    elif aliases_of(connection, endpoint).get("champion") == version.number:
        raise ConflictError(
            f"version {version.model}@{version.number}: serves {endpoint!r}; deploy another one before you reject it"
        )


def start_rollout(
    connection: Connection,
    platform: Platform,
    files: ModelFiles,
    number: int,
    *,
    by: str,
    action_id: str | None = None,
) -> Rollout:
    """Store a new rollout of an approved version in the caller's transaction; the conductor takes it from there.

    Raises:
        ApprovalRequiredError: the version is not approved.
        ConflictError: another rollout is under way, or the version serves already.
    """
    version = registry.get(connection, files.model.name, number)
    if version.state is VersionState.REJECTED:
        raise ApprovalRequiredError(
            f"version {files.model.name}@{number}: is {version.state}; deploy another one, "
            f"see 'trimtab versions list {files.model.name}'"
        )
    if files.deployment.approval.required and version.state is not VersionState.APPROVED:
        raise ApprovalRequiredError(
            f"version {files.model.name}@{number}: is {version.state}, not approved; "
            f"approve it first: trimtab versions approve {files.model.name}@{number}"
        )
    stable = _serving_version(connection, files)
    if stable is not None and stable.number == number:
        raise ConflictError(f"endpoint {files.endpoint!r}: serves version {number} already; nothing to deploy")
    now_us = platform.now_us()
    rollout = store.create_rollout(
        connection,
        platform.new_id(),
        RolloutSpec(
            endpoint=files.endpoint,
            staging_endpoint=files.staging_endpoint,
            model=files.model.name,
            candidate=_reference(version),
            stable=None if stable is None else _reference(stable),
            strategy=files.deployment.strategy,
            smoke_max_abs_difference=_smoke_limit(files, version),
            sticky_key=files.deployment.sticky_key,
            on_full=files.deployment.on_full,
            answering=files.deployment.answering,
        ),
        now_us=now_us,
        action_id=action_id,
    )
    _desire(connection, platform, rollout, staging=True, production=False, actor=by, reason="rollout starts")
    audit.append(
        connection,
        at_us=now_us,
        actor=by,
        action="rollout.started",
        subject=f"rollout:{files.endpoint}/{rollout.id}",
        detail={"candidate": number, "stable": None if stable is None else stable.number, "action_id": action_id},
    )
    return rollout


def start_rollback(
    connection: Connection, platform: Platform, files: ModelFiles, *, by: str, reason: str, action_id: str
) -> str | None:
    """Go back: abort a rollout under way, or else roll the version out at once that served before this one.

    Returns what was done, or None when a rollout was started, whose end is the action's end.

    Raises:
        NotFoundError: nothing served before.
    """
    running = store.active_rollout(connection, files.endpoint)
    if running is not None:
        operate_rollout(connection, platform, running, Operation.ABORT, by=by, reason=reason)
        return f"the rollout of version {running.spec.candidate.number} was aborted"
    present = _serving_version(connection, files)
    earlier = _served_before(connection, files, present)
    if earlier is None:
        raise NotFoundError(f"endpoint {files.endpoint!r}: served no other version before; nothing to go back to")
    at_once = files.deployment.model_copy(update={"strategy": RecreateConfig(type="recreate")})
    start_rollout(
        connection, platform, dataclasses.replace(files, deployment=at_once), earlier, by=by, action_id=action_id
    )
    return None


def advance_rollouts(platform: Platform, probe: ServingProbe) -> bool:
    """Observe every active rollout, decide its next step, and store it; return whether any moved."""
    with platform.database.reading() as connection:
        active = store.list_rollouts(connection, active_only=True)
    return any([_advance_guarded(platform, probe, rollout) for rollout in active])


def operate_rollout(
    connection: Connection, platform: Platform, rollout: Rollout, operation: Operation, *, by: str, reason: str
) -> Rollout:
    """Pause, resume, promote or abort in the caller's transaction.

    Raises:
        IllegalTransitionError: the operation has no meaning where the rollout stands.
    """
    transition = operate(rollout.spec, rollout.state, operation, platform.clock.now(), reason)
    return _record(connection, platform, rollout, transition, actor=by)


def apply_desired(platform: Platform) -> bool:
    """Hand every desired spec that has not arrived to the deployer; repeating it changes nothing.

    It never counts as work done: while no server answers it is repeated, and nobody must run in circles for that.
    """
    with platform.database.reading() as connection:
        wanted = endpoint_store.list_desired(connection)
    for spec in wanted:
        status = platform.deployer.observe(spec.endpoint)
        if status is None or status.desired_generation < spec.generation:
            platform.deployer.apply(spec)
    return False


def aliases_of(connection: Connection, endpoint: str) -> dict[str, int]:
    """Return ``champion`` (what serves most) and ``challenger`` (what a rollout tries), as far as there are any."""
    spec = endpoint_store.desired(connection, endpoint)
    if spec is None or not spec.live:
        return {}
    running = store.active_rollout(connection, endpoint)
    if running is None:
        return {"champion": max(spec.live, key=lambda variant: variant.weight_pct).model_version}
    aliases = {"challenger": running.spec.candidate.number}
    if running.spec.stable is not None:
        aliases["champion"] = running.spec.stable.number
    return aliases


def _advance_guarded(platform: Platform, probe: ServingProbe, rollout: Rollout) -> bool:
    """Advance one rollout; what hinders it (a file that does not read, say) does not hinder the others."""
    try:
        return _advance(platform, probe, rollout)
    except TrimtabError as error:
        _log.warning("rollout.held", rollout=rollout.id, error=str(error))
        return False


def _advance(platform: Platform, probe: ServingProbe, rollout: Rollout) -> bool:
    observation = probe.observe(rollout)
    transition = step(rollout.spec, rollout.state, observation, platform.clock.now())
    if transition.state == rollout.state:
        _tell_why_held(platform, rollout, transition)
        return False
    with platform.database.transaction() as connection:
        _record(connection, platform, rollout, transition, actor="conductor")
        reached("rollout.stepped")
    reached("rollout.desired")
    apply_desired(platform)
    return True


def _tell_why_held(platform: Platform, rollout: Rollout, transition: Transition) -> None:
    """Store why a rollout holds when the verdict changes, or else every few seconds: it is looked at by people."""
    last = rollout.last or {}
    at_us = platform.now_us()
    told_us = int(last.get("at_us", 0))
    verdict = None if transition.verdict is None else transition.verdict.value
    if last.get("reason") == transition.reason or (last.get("verdict") == verdict and at_us - told_us < _TELL_US):
        return
    with platform.database.transaction() as connection:
        store.save_transition(connection, rollout, transition, at_us=at_us, actor="conductor")


def _record(
    connection: Connection, platform: Platform, rollout: Rollout, transition: Transition, *, actor: str
) -> Rollout:
    at_us = to_micros(platform.clock.now())
    after = store.save_transition(connection, rollout, transition, at_us=at_us, actor=actor)
    final = after.state.phase.is_final
    _desire(
        connection,
        platform,
        after,
        staging=final,
        production=transition.weights is not None,
        actor=actor,
        reason=transition.reason,
    )
    payload = {"rollout_id": after.id, "model": after.spec.model, "phase": after.state.phase.value}
    kind = "rollout.finished" if final else "rollout.moved"
    platform.publish(connection, kind, f"model:{after.spec.model}", payload)
    audit.append(
        connection,
        at_us=at_us,
        actor=actor,
        action=f"rollout.{after.state.phase.value}",
        subject=f"rollout:{after.spec.endpoint}/{after.id}",
        reason=transition.reason,
        before={"phase": rollout.state.phase.value, "weight_pct": str(rollout.state.weight_pct)},
        after={"phase": after.state.phase.value, "weight_pct": str(after.state.weight_pct)},
        detail={"candidate": after.spec.candidate.number, "evidence": transition.to_json()["evidence"]},
    )
    return after


def _desire(
    connection: Connection,
    platform: Platform,
    rollout: Rollout,
    *,
    staging: bool,
    production: bool,
    actor: str,
    reason: str,
) -> None:
    wanted: list[EndpointSpec] = []
    if staging:
        generation = endpoint_store.next_generation(connection, rollout.spec.staging_endpoint)
        wanted.append(staging_spec(rollout.spec, rollout.state, generation=generation))
    if production:
        generation = endpoint_store.next_generation(connection, rollout.spec.endpoint)
        wanted.append(production_spec(rollout.spec, rollout.state, generation=generation))
    for spec in wanted:
        endpoint_store.desire(
            connection, spec, model=rollout.spec.model, actor=actor, reason=reason, at_us=platform.now_us()
        )


def _serving_version(connection: Connection, files: ModelFiles) -> ModelVersion | None:
    number = aliases_of(connection, files.endpoint).get("champion")
    return None if number is None else registry.get(connection, files.model.name, number)


def _served_before(connection: Connection, files: ModelFiles, present: ModelVersion | None) -> int | None:
    """Return the version that last had all of the traffic before ``present``."""
    for found in endpoint_store.endpoint_generations(connection, files.endpoint):
        full = [variant.model_version for variant in found.spec.live if variant.weight_pct == 100]
        if full and (present is None or full[0] != present.number):
            return full[0]
    return None


def _smoke_limit(files: ModelFiles, version: ModelVersion) -> float:
    wanted = files.deployment.smoke.max_abs_difference
    if wanted is not None:
        return wanted
    return read_manifest(Path(version.bundle_path), expected_digest=version.digest).parity.tolerance


def _reference(version: ModelVersion) -> VersionRef:
    return VersionRef(number=version.number, bundle_path=version.bundle_path, bundle_digest=version.digest)
