"""Holds actions against what they promised: planned when they end, judged by what is measured, given up in time."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select

from trimtab.audit import log as audit
from trimtab.core.clock import from_micros
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError, ConflictError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.tables import rollout as rollout_table
from trimtab.loop.cases import note
from trimtab.loop.escalating import escalate
from trimtab.loop.platform import Platform
from trimtab.loop.undoing import take_back
from trimtab.monitoring.check import Check
from trimtab.remediation.action_store import (
    PlannedVerification,
    finish_verification,
    load_action,
    pending_verifications,
    plan_verification,
)
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.promises import BRINGS_A_VERSION, Measure, Promise, promise_of, promised_impact
from trimtab.remediation.store import load_incident
from trimtab.remediation.verification import Verified
from trimtab.rollout.phases import Phase
from trimtab.rollout.way_back import promoted_versions

__all__ = ["give_up_late", "judge", "plan", "promise_in"]

_log = structlog.get_logger(__name__)

_UNREADABLE = timedelta(days=7), timedelta(0)


def plan(connection: Connection, platform: Platform, request: ActionRequest) -> None:
    """Plan in the caller's transaction how an action that has ended is verified; nothing for one that promises nothing.

    A training that brought no version into production has nothing to be held against, nor has what took another action
    back.
    """
    if request.state is not ActionState.SUCCEEDED or request.undoes is not None:
        return
    version = _brought(connection, request)
    if request.kind in BRINGS_A_VERSION and version is None:
        return
    before = () if request.incident_id is None else load_incident(connection, request.incident_id).evidence
    window, label_delay = _times(platform, request.model)
    promise = promise_of(request.kind, promised_impact(request), before, window=window, label_delay=label_delay)
    if promise is None:
        return
    ended_us = request.finished_us or platform.now_us()
    planned = PlannedVerification(
        id=platform.new_id(),
        action_id=request.id,
        created_us=platform.now_us(),
        params={
            "version": version,
            "before": [check.to_json() for check in before],
            "promise": promise.to_json(),
            "ended_us": ended_us,
            "since_us": None if _is_fresh(connection, request, version) else ended_us,
        },
        due_us=ended_us + _micros(promise.due),
        deadline_us=ended_us + _micros(promise.by),
    )
    plan_verification(connection, planned)
    if promise.measure is Measure.ROWS:
        payload = {"action_id": request.id, "model": request.model, "incident_id": request.incident_id}
        platform.publish(connection, "verification.planned", f"action:{request.id}", payload)
    reached("verification.planned")


def judge(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    planned: PlannedVerification,
    result: Verified,
    *,
    after: tuple[Check, ...] = (),
    final: bool | None = None,
) -> None:
    """Store a verdict in the caller's transaction, with all that follows: event, note, audit entry, and the way back.

    INCONCLUSIVE waits for more, unless it is ``final``: then people are asked to look.
    """
    finish_verification(connection, planned, result, at_us=platform.now_us(), final=final)
    reached("verification.judged")
    if result.verdict is Verdict.INCONCLUSIVE and not final:
        return
    payload = {"action_id": request.id, "model": request.model, "incident_id": request.incident_id}
    platform.publish(connection, "action.verified", f"action:{request.id}", payload)
    note(connection, platform, request.incident_id, f"verified: {result.verdict}", result.explanation)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="action.verified",
        subject=f"action:{request.id}",
        reason=result.explanation,
        before=dict(result.before),
        after=dict(result.after),
        detail={
            "verdict": result.verdict.value,
            "kind": request.kind.value,
            "model": request.model,
            "incident_id": request.incident_id,
        },
    )
    if result.verdict is Verdict.BREACH:
        take_back(connection, platform, request, result, planned, after)


def promise_in(planned: PlannedVerification) -> Promise | None:
    """Return the promise of a verification; None for one from before promises were stored."""
    content = planned.params.get("promise")
    return None if content is None else Promise.from_json(content)


def give_up_late(platform: Platform) -> bool:
    """End the verifications whose deadline is over, and tell people; return whether there were any."""
    now_us = platform.now_us()
    with platform.database.reading() as connection:
        late = pending_verifications(connection, over_us=now_us)
    for planned in late:
        try:
            with platform.database.transaction() as connection:
                _give_up(connection, platform, planned)
        except ConflictError as error:
            # It was judged at this very moment.
            _log.info("verification.moved", verification=planned.id, error=str(error))
    return bool(late)


def _give_up(connection: Connection, platform: Platform, planned: PlannedVerification) -> None:
    request = load_action(connection, planned.action_id)
    until = from_micros(planned.deadline_us or platform.now_us()).isoformat(timespec="minutes")
    last = "" if planned.result is None else f" ({planned.result.explanation})"
    text = f"could not be verified by {until}{last}"
    before = {} if planned.result is None else planned.result.before
    after = {} if planned.result is None else planned.result.after
    judge(
        connection,
        platform,
        request,
        planned,
        Verified(Verdict.INCONCLUSIVE, text, before, after),
        final=True,
    )
    why = f"{request.kind} of {request.model} {text}; look whether it helped"
    escalate(connection, platform, request.model, why, about=planned.id, incident_id=request.incident_id)


def _brought(connection: Connection, request: ActionRequest) -> int | None:
    """Return which version the action brought into production, None if it brought none."""
    promoted = connection.execute(
        select(rollout_table.c.candidate).where(
            rollout_table.c.action_id == request.id, rollout_table.c.phase == Phase.PROMOTED.value
        )
    ).scalar()
    if promoted is not None:
        return int(promoted)
    # A rollback that only had to abort a rollout: what was stable has all traffic again.
    stable = request.effect.get("instead_of") if request.kind is ActionKind.ROLL_BACK else None
    return None if stable is None else int(stable)


def _is_fresh(connection: Connection, request: ActionRequest, version: int | None) -> bool:
    """Whether the action brought out a version that had answered nobody before its rollout."""
    if version is None or request.kind not in {ActionKind.RETRAIN, ActionKind.DEPLOY}:
        return False
    on = rollout_table.c.action_id == request.id
    endpoint = connection.execute(select(rollout_table.c.endpoint).where(on)).scalar()
    return endpoint is not None and promoted_versions(connection, endpoint).count(version) <= 1


def _times(platform: Platform, model: str) -> tuple[timedelta, timedelta]:
    """Return the longest analysis window and the label delay; where there are no readable files, a week and nothing."""
    try:
        files = platform.files(model)
    except (ConfigError, NotFoundError):
        return _UNREADABLE
    return files.monitoring.longest_window, files.model.label_delay


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
