"""Tells people: what broke, what waits for them, how it ended. Who is told where, the project's routes say."""

from __future__ import annotations

from trimtab.core.enums import Severity
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.notify.message import Message
from trimtab.notify.store import enqueue
from trimtab.remediation.action_store import load_action
from trimtab.remediation.actions import ActionState
from trimtab.remediation.store import load_incident

__all__ = ["tell"]


def tell(platform: Platform, event: Event) -> Commit | None:
    """Write the message that the event calls for, if any."""

    def commit(connection: Connection) -> None:
        message = _message(connection, event)
        if message is not None:
            enqueue(connection, message, platform.project.config.notifications, at_us=platform.now_us())

    return commit


def _message(connection: Connection, event: Event) -> Message | None:
    payload = event.payload
    if event.kind == "alert.raised":
        reasons = "\n".join(f"{count} × {reason}" for reason, count in payload["reasons"].items())
        return _of(event, str(payload["title"]), reasons, Severity(payload["severity"]))
    if event.kind == "version.registered":
        title = f"{payload['model']}: version {payload['number']} waits for approval"
        body = f"trimtab versions approve {payload['model']}@{payload['number']}"
        return _of(event, title, body, Severity.LOW)
    if event.kind.startswith("incident."):
        return _of_incident(connection, event)
    return _of_action(connection, event)


def _of_incident(connection: Connection, event: Event) -> Message:
    incident = load_incident(connection, str(event.payload["incident_id"]))
    change = event.kind.removeprefix("incident.")
    body = "\n".join(check.explanation for check in incident.evidence)
    severity = Severity.LOW if change == "recovered" else incident.loudest
    return _of(event, f"incident {change}: {incident.title}", body, severity)


def _of_action(connection: Connection, event: Event) -> Message | None:
    try:
        action = load_action(connection, str(event.payload["action_id"]))
    except NotFoundError:
        return None
    if event.kind == "action.waiting":
        body = f"{action.reason}\ntrimtab approvals approve {action.id}"
        return _of(event, f"{action.model}: approval wanted: {action.purpose}", body, Severity.HIGH)
    failed = action.state in {ActionState.FAILED, ActionState.REJECTED, ActionState.EXPIRED}
    if not failed and action.kind.only_tells:
        return None
    title = f"{action.model}: {action.kind.value.replace('_', ' ')} {action.state.value}"
    return _of(event, title, action.outcome, Severity.HIGH if failed else Severity.LOW)


def _of(event: Event, title: str, body: str, severity: Severity) -> Message:
    model = event.payload.get("model")
    return Message(title, body, severity, dedup_key=f"event:{event.id}", model=None if model is None else str(model))
