"""Tells people: what broke, what waits for them, how it ended. Who is told where, the project's routes say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trimtab.core.clock import from_micros
from trimtab.core.enums import Severity
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import addressed, grouped_key, reporters_of
from trimtab.notify.message import Message
from trimtab.notify.store import enqueue
from trimtab.remediation.action_store import load_action
from trimtab.remediation.actions import ActionState
from trimtab.remediation.store import load_incident

__all__ = ["tell"]


_TITLES = {"reopened": "opened again", "louder": "is louder", "repeated": "is still open"}
_OVER = {"recovered", "closed"}


def tell(platform: Platform, event: Event) -> Commit | None:
    """Write the message that the event calls for, if any."""
    routes = platform.project.config.notifications

    def commit(connection: Connection) -> None:
        for message in _messages(connection, platform, event):
            enqueue(connection, message, routes, at_us=platform.now_us())

    return commit


def _messages(connection: Connection, platform: Platform, event: Event) -> Sequence[Message]:
    payload = event.payload
    if event.kind == "alert.raised":
        return [_of_alert(connection, platform, event)]
    if event.kind == "version.registered":
        title = f"{payload['model']}: version {payload['number']} waits for approval"
        body = f"trimtab versions approve {payload['model']}@{payload['number']}"
        return [_of(event, title, body, Severity.LOW)]
    if event.kind.startswith("incident."):
        return _of_incident(connection, platform, event)
    message = _of_action(connection, event)
    return [] if message is None else [message]


def _of_alert(connection: Connection, platform: Platform, event: Event) -> Message:
    payload, reasons = event.payload, event.payload["reasons"]
    body = "\n".join(f"{count} × {reason}" for reason, count in reasons.items())
    message = _of(event, str(payload["title"]), body, Severity(payload["severity"]))
    model = message.model
    if payload.get("kind") != "rows_quarantined" or model is None:
        return message
    key = grouped_key(
        connection,
        "rows_quarantined",
        model,
        list(reasons),
        at_us=event.at_us,
        reporters=reporters_of(platform, model),
        routes=platform.project.config.notifications,
    )
    return message if key is None else replace(message, dedup_key=key)


def _of_incident(connection: Connection, platform: Platform, event: Event) -> Sequence[Message]:
    incident = load_incident(connection, str(event.payload["incident_id"]))
    change = event.kind.removeprefix("incident.")
    loudness = incident.told_severity or incident.loudest
    severity = Severity.LOW if change == "recovered" else incident.loudest
    wrong = incident.evidence if change in _OVER else incident.unrecovered or incident.evidence
    body = "\n".join(check.explanation for check in wrong)
    if change == "repeated":
        body = f"open since {from_micros(incident.opened_us).isoformat(timespec='minutes')}\n{body}"
    message = _of(event, f"incident {_TITLES.get(change, change)}: {incident.title}", body, severity)
    routes = platform.project.config.notifications
    return addressed(message, loudness, reporters_of(platform, incident.model), routes)


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
