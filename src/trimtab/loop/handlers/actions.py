"""Executes approved actions: one function for each kind. Doing one twice has the effect of once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from trimtab.core.crashpoints import reached
from trimtab.core.enums import Severity
from trimtab.core.errors import NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.lake import feeds
from trimtab.lake.deliveries import judge_again
from trimtab.loop.cases import note, note_action
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import finish_action
from trimtab.loop.platform import Platform
from trimtab.loop.reinstating import reinstate
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollbacks import start_rollback
from trimtab.loop.trainings import request_training
from trimtab.notify.message import Message
from trimtab.notify.store import enqueue
from trimtab.remediation.action_store import load_action, save_action
from trimtab.remediation.actions import ActionRequest, ActionState, advance
from trimtab.remediation.policy import ActionKind
from trimtab.retraining.store import note_job

__all__ = ["execute"]

_log = structlog.get_logger(__name__)

Execute = Callable[[Connection, Platform, ActionRequest], str | None]
"""Does the action in the caller's transaction; returns how it ended, or None when its end comes later."""


def execute(platform: Platform, event: Event) -> Commit | None:
    """Run an approved action; one that is under way or over is left alone."""

    def commit(connection: Connection) -> None:
        request = load_action(connection, str(event.payload["action_id"]))
        if request.state is not ActionState.APPROVED:
            return
        running = save_action(connection, advance(request, ActionState.RUNNING, at_us=platform.now_us()))
        try:
            with connection.begin_nested():
                outcome = _EXECUTE[request.kind](connection, platform, running)
        except TrimtabError as error:
            finish_action(connection, platform, running, ActionState.FAILED, str(error))
            note(connection, platform, request.incident_id, f"{request.kind} failed", str(error))
            return
        if outcome is not None:
            finish_action(connection, platform, running, ActionState.SUCCEEDED, outcome)
        note_action(connection, platform, running, outcome or "started")
        reached("action.executed")

    return commit


def _log_it(_connection: Connection, _platform: Platform, request: ActionRequest) -> str:
    _log.warning("incident.noted", incident=request.incident_id, model=request.model, **request.params)
    return "noted in the log"


def _notify_owner(connection: Connection, platform: Platform, request: ActionRequest) -> str:
    files = platform.files(request.model)
    owners = {name: files.model.feeds[name] for name in request.params.get("feeds", []) if name in files.model.feeds}
    for name, owner in owners.items():
        message = Message(
            title=f"{request.model}: something is wrong with feed {name}",
            body=f"{owner.owner}: {request.params.get('text', '')}",
            severity=Severity.HIGH,
            dedup_key=f"owner:{request.id}:{name}",
            model=request.model,
            route=owner.notify,
        )
        enqueue(connection, message, platform.project.config.notifications, at_us=platform.now_us())
    told = ", ".join(owner.owner for owner in owners.values())
    return f"told {told}" if told else "model.yaml names no feed to tell; nobody was told"


def _quarantine(connection: Connection, platform: Platform, request: ActionRequest) -> str:
    names = request.params.get("feeds", [])
    if not names:
        raise NotFoundError(
            f"{request.model}: which feed is broken is not known; let senders name themselves as 'source', "
            "and declare them under feeds in model.yaml"
        )
    for name in names:
        feeds.quarantine_feed(
            connection,
            request.model,
            name,
            since_us=request.params["since_us"],
            reason=request.params["reason"],
            at_us=platform.now_us(),
        )
    return f"feed {', '.join(names)} is quarantined"


def _release(connection: Connection, platform: Platform, request: ActionRequest) -> str:
    names = request.params["feeds"]
    for name in names:
        feeds.release_feed(
            connection, request.model, name, until_us=request.params["until_us"], at_us=platform.now_us()
        )
    count = judge_again(connection, request.model)
    platform.wake.set()
    return f"feed {', '.join(names)} is open; {count} deliveries are judged again"


def _retrain(connection: Connection, platform: Platform, request: ActionRequest) -> None:
    job_id = request_training(
        connection,
        platform,
        request.model,
        key=f"action:{request.id}",
        actor=request.decided_by or request.requested_by,
        until_us=request.params.get("until_us"),
        action_id=request.id,
    )
    note_job(connection, request.id, job_id)
    reached("retraining.requested")


def _deploy(connection: Connection, platform: Platform, request: ActionRequest) -> None:
    files = platform.files(request.model)
    by = request.decided_by or request.requested_by
    start_rollout(connection, platform, files, int(request.params["number"]), by=by, action_id=request.id)


def _roll_back(connection: Connection, platform: Platform, request: ActionRequest) -> str | None:
    by = request.decided_by or request.requested_by
    return start_rollback(connection, platform, request.model, by=by, reason=request.reason, action_id=request.id).done


def _refuse(_connection: Connection, _platform: Platform, request: ActionRequest) -> str:
    raise NotFoundError(f"{request.kind}: only a person does this, by hand; it was approved, but not executed")


_EXECUTE: Mapping[ActionKind, Execute] = {
    ActionKind.LOG: _log_it,
    ActionKind.NOTIFY_OWNER: _notify_owner,
    ActionKind.QUARANTINE_FEED: _quarantine,
    ActionKind.RELEASE_FEED: _release,
    ActionKind.RETRAIN: _retrain,
    ActionKind.DEPLOY: _deploy,
    ActionKind.ROLL_BACK: _roll_back,
    ActionKind.REINSTATE: reinstate,
    ActionKind.DELETE_DATA: _refuse,
}
