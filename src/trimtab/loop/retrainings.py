"""What follows a training that an approved action asked for: release if better, keep what serves, or ask a person."""

from __future__ import annotations

import dataclasses

from sqlalchemy import exists, select

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import job
from trimtab.db.tables import rollout as rollout_table
from trimtab.loop.cases import note
from trimtab.loop.covered import why_not_released
from trimtab.loop.gate import finish_action
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import decide_version, serving_version, start_rollout
from trimtab.loop.trainings import Job, find_job
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.remediation.action_store import grant_of, list_actions, load_action, save_action
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind
from trimtab.retraining.settings import ReleaseConfig
from trimtab.rollout.store import Rollout, active_rollout

__all__ = ["conclude_training", "judge_gain", "release_what_waits"]


def conclude_training(connection: Connection, platform: Platform, found: Job, version: ModelVersion | None) -> None:
    """Continue the action that asked for the job, in the caller's transaction; a job that a person asked for is done.

    ``version`` is what was registered, None when the training failed or a gate refused it.
    """
    action_id = found.spec.get("action_id")
    if action_id is None:
        return
    request = load_action(connection, str(action_id))
    if request.state is not ActionState.RUNNING:
        return
    if version is None:
        _keep(connection, platform, request, found)
    else:
        _release_if_better(connection, platform, request, found, version)
    reached("retraining.concluded")


def release_what_waits(connection: Connection, platform: Platform, model: str) -> None:
    """Continue, in the caller's transaction, the retraining of ``model`` whose release waited for a rollout's end."""
    for request in list_actions(connection, model=model, kind=ActionKind.RETRAIN, state=ActionState.RUNNING):
        if active_rollout(connection, platform.files(model).endpoint) is not None:
            return
        tried = connection.scalar(select(exists().where(rollout_table.c.action_id == request.id)))
        job_id = connection.scalar(select(job.c.id).where(job.c.idempotency_key == f"action:{request.id}"))
        if tried or job_id is None:
            continue
        found = find_job(connection, job_id)
        number = found.spec.get("version_number")
        if number is not None:
            _take_up(connection, platform, request, found, registry.get(connection, model, number))


def _take_up(
    connection: Connection, platform: Platform, request: ActionRequest, found: Job, version: ModelVersion
) -> None:
    serving = serving_version(connection, version.model, platform.files(version.model).endpoint)
    if version.state is VersionState.REJECTED:
        text = f"the current version stays; version {version.number} was rejected while it waited: {version.reason}"
        _end(connection, platform, request, ActionState.SUCCEEDED, text)
    elif serving is not None and serving.number == version.number:
        _end(connection, platform, request, ActionState.SUCCEEDED, f"version {version.number} serves already")
    else:
        _release_if_better(connection, platform, request, found, version)


def _release_if_better(
    connection: Connection, platform: Platform, request: ActionRequest, found: Job, version: ModelVersion
) -> None:
    files = platform.files(found.model)
    comparison = found.spec["result"].get("comparison")
    if comparison is None:
        # Not known to be better, nor to be worse: no rule can decide on it, but whoever approves versions can.
        text = (
            f"the current version stays; version {version.number} waits for approval: there are no recent answers "
            "whose outcome is known to compare the two on"
        )
        _end(connection, platform, request, ActionState.SUCCEEDED, text)
        return
    better, why = judge_gain(comparison, files.retrain.release)
    if not better:
        reason = f"version {version.number} is not known to be as good at least: {why}"
        decide_version(connection, platform, found.model, version.number, approved=False, by="policy", reason=reason)
        _end(connection, platform, request, ActionState.SUCCEEDED, f"the current version stays; {reason}")
        return
    grant = grant_of(connection, request.id)
    if grant is None or not grant.allows(ActionKind.DEPLOY, platform.now_us()):
        text = (
            f"version {version.number} is as good at least ({why}); the grant does not cover its release, so it waits"
        )
        _end(connection, platform, request, ActionState.SUCCEEDED, text)
        return
    held = why_not_released(connection, platform, request, grant, files.endpoint)
    if held is not None:
        text = f"version {version.number} is as good at least ({why}), and waits for approval: {held}"
        _end(connection, platform, request, ActionState.SUCCEEDED, text)
        return
    running = active_rollout(connection, files.endpoint)
    if running is not None:
        # Two rollouts at once there cannot be, and what was learnt is worth more than the time that this one takes.
        _wait(connection, platform, request, version, running)
        return
    other = _serves_instead(connection, files, found)
    if other is not None:
        text = (
            f"version {version.number} waits for approval: it was compared with what served when it was trained, but "
            f"version {other} serves now"
        )
        _end(connection, platform, request, ActionState.SUCCEEDED, text)
        return
    reason = f"granted as {grant.purpose!r}; {why}"
    decide_version(connection, platform, found.model, version.number, approved=True, by=grant.granted_by, reason=reason)
    try:
        start_rollout(connection, platform, files, version.number, by=grant.granted_by, action_id=request.id)
    except TrimtabError as error:
        _end(connection, platform, request, ActionState.FAILED, str(error))
        return
    save_action(connection, dataclasses.replace(request, effect={**request.effect, "released": version.number}))
    note(connection, platform, request.incident_id, f"version {version.number} is rolled out", why)


def _wait(
    connection: Connection, platform: Platform, request: ActionRequest, version: ModelVersion, running: Rollout
) -> None:
    """Tell that a release waits; `release_what_waits` takes it up when the rollout has ended."""
    why = f"the rollout of version {running.spec.candidate.number} is {running.state.phase}"
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="release.waits",
        subject=version.subject,
        reason=why,
        detail={"action_id": request.id, "rollout_id": running.id},
    )
    note(connection, platform, request.incident_id, f"version {version.number} waits for its rollout", why)


def _serves_instead(connection: Connection, files: ModelFiles, found: Job) -> int | None:
    """Return which version serves, if it is another than the one that the new one was compared with."""
    digest = found.spec.get("request", {}).get("compare_digest")
    serving = serving_version(connection, files.model.name, files.endpoint)
    return None if digest is None or serving is None or serving.digest == digest else serving.number


def judge_gain(comparison: JsonObject, release: ReleaseConfig) -> tuple[bool, str]:
    """Return whether the candidate may replace what serves, and why.

    It must gain ``min_gain`` in the primary metric, and must not be worse beyond the margin: the 95 % interval of the
    mean loss difference lies above −``margin`` · the present version's mean loss. Where nothing is known of the
    spread, nothing is released.

    >>> content = {"metric": "rmse", "gain": 9.0, "loss_current": 40.0, "rows": 500}
    >>> judge_gain({**content, "loss_gain_low": 4.0, "loss_gain_high": 14.0}, ReleaseConfig(min_gain=1.0))
    (True, 'rmse better by 9; loss a row better by 4 to 14 (95 %) on 500 recent rows')
    """
    gain, low, high = (comparison.get(name) for name in ("gain", "loss_gain_low", "loss_gain_high"))
    rows = f"on {comparison['rows']} recent rows"
    if gain is None or low is None or high is None:
        return False, f"the gain {rows} is not known"
    word = "better" if gain >= 0 else "worse"
    numbers = f"{comparison['metric']} {word} by {abs(gain):.4g}; loss a row better by {low:.4g} to {high:.4g} (95 %)"
    not_worse = low > 0 or low >= -release.margin * comparison["loss_current"]
    return gain >= release.min_gain and not_worse, f"{numbers} {rows}"


def _keep(connection: Connection, platform: Platform, request: ActionRequest, found: Job) -> None:
    result = found.spec.get("result", {})
    failed = [gate for gate in result.get("gates", []) if not gate["passed"]]
    if found.state == "succeeded" and failed:
        shown = "; ".join(f"{gate['metric']} {_shown(gate['value'])}, must be {gate['limit']}" for gate in failed)
        _end(connection, platform, request, ActionState.SUCCEEDED, f"the current version stays; gate failed: {shown}")
    else:
        text = f"the current version stays; training {found.state}: {found.error}"
        state = ActionState.CANCELLED if found.state == "cancelled" else ActionState.FAILED
        _end(connection, platform, request, state, text)


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _end(connection: Connection, platform: Platform, request: ActionRequest, state: ActionState, outcome: str) -> None:
    finish_action(connection, platform, request, state, outcome)
    note(connection, platform, request.incident_id, f"{request.kind} ended", outcome)
