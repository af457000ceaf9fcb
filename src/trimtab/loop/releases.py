"""From a version to production: decide on it, and start a rollout."""

from __future__ import annotations

from pathlib import Path

from trimtab.audit import log as audit
from trimtab.bundle.writer import read_manifest
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ApprovalRequiredError, ConflictError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.rollouts import desire, operate_rollout
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.machine import Operation
from trimtab.rollout.state import RolloutSpec, VersionRef
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategies import with_requirements

__all__ = [
    "aliases_of",
    "begin_rollout",
    "decide_version",
    "reference_to",
    "serving_version",
    "spec_of",
    "start_rollout",
]


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
    reason: str = "",
    action_id: str | None = None,
) -> Rollout:
    """Store a new rollout of an approved version in the caller's transaction; the conductor takes it from there.

    Raises:
        ApprovalRequiredError: the version is not approved.
        ConflictError: another rollout is under way, the version serves already, or an endpoint is another model's.
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
    return begin_rollout(
        connection, platform, spec_of(connection, files, version), by=by, reason=reason, action_id=action_id
    )


def spec_of(connection: Connection, files: ModelFiles, version: ModelVersion) -> RolloutSpec:
    """Return how ``version`` takes over from what serves now, as the model's files want it.

    Raises:
        ConflictError: it serves already.
    """
    stable = serving_version(connection, files.model.name, files.endpoint)
    if stable is not None and stable.number == version.number:
        raise ConflictError(f"endpoint {files.endpoint!r}: serves version {version.number} already; nothing to deploy")
    return RolloutSpec(
        endpoint=files.endpoint,
        staging_endpoint=files.staging_endpoint,
        model=files.model.name,
        candidate=reference_to(version),
        stable=None if stable is None else reference_to(stable),
        strategy=with_requirements(files.strategy, files.model.label_delay),
        task=files.model.task,
        metrics=files.model.all_metrics,
        smoke_max_abs_difference=_smoke_limit(files, version),
        sticky_key=files.deployment.sticky_key,
        on_full=files.deployment.on_full,
        answering=files.deployment.answering,
    )


def begin_rollout(
    connection: Connection,
    platform: Platform,
    spec: RolloutSpec,
    *,
    by: str,
    reason: str = "",
    action_id: str | None = None,
) -> Rollout:
    """Store a new rollout in the caller's transaction, whoever may have allowed it.

    Raises:
        ConflictError: another rollout is under way, or an endpoint is another model's.
    """
    _refuse_endpoints_of_others(connection, spec)
    now_us = platform.now_us()
    rollout = store.create_rollout(connection, platform.new_id(), spec, now_us=now_us, action_id=action_id)
    desire(connection, platform, rollout, staging=True, production=False, actor=by, reason="rollout starts")
    audit.append(
        connection,
        at_us=now_us,
        actor=by,
        action="rollout.started",
        subject=f"rollout:{spec.endpoint}/{rollout.id}",
        reason=reason,
        detail={
            "candidate": spec.candidate.number,
            "stable": None if spec.stable is None else spec.stable.number,
            "action_id": action_id,
        },
    )
    return rollout


def _refuse_endpoints_of_others(connection: Connection, spec: RolloutSpec) -> None:
    """Keep a model from taking the callers of another: a spec replaces all that its endpoint serves."""
    for endpoint in (spec.endpoint, spec.staging_endpoint):
        owner = endpoint_store.model_of(connection, endpoint)
        if owner not in {None, spec.model}:
            raise ConflictError(
                f"endpoint {endpoint!r}: serves model {owner!r}, not {spec.model!r}; name an endpoint of its own in "
                f"models/{spec.model}/deployment_config.yaml"
            )


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


def serving_version(connection: Connection, model: str, endpoint: str) -> ModelVersion | None:
    """Return what serves most of the endpoint's callers, or, while a rollout is under way, its stable version."""
    number = aliases_of(connection, endpoint).get("champion")
    return None if number is None else registry.get(connection, model, number)


def _smoke_limit(files: ModelFiles, version: ModelVersion) -> float:
    wanted = files.deployment.smoke.max_abs_difference
    if wanted is not None:
        return wanted
    return read_manifest(Path(version.bundle_path), expected_digest=version.digest).parity.tolerance


def reference_to(version: ModelVersion) -> VersionRef:
    """Return what a rollout has to know of a version."""
    return VersionRef(number=version.number, bundle_path=version.bundle_path, bundle_digest=version.digest)
