"""Tells people: what broke, what waits for them, how it ended. Who is told where, the project's routes say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trimtab.config.notifications import MessageKind
from trimtab.core.enums import Severity
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.approval_links import link_lines
from trimtab.loop.case_words import case_lines, ending_of, request_lines
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import addressed, grouped_key, reporters_of
from trimtab.notify.message import Message
from trimtab.notify.routes import routes_for
from trimtab.notify.store import enqueue
from trimtab.remediation.action_store import load_action
from trimtab.remediation.actions import ActionState
from trimtab.remediation.changes import changes_in_words
from trimtab.remediation.kinds import Family
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
    if event.kind.startswith("autonomy."):
        return [_of_autonomy(event)]
    if event.kind.startswith("incident."):
        return _of_incident(connection, platform, event)
    message = _of_action(connection, event)
    if message is None or message.kind is not MessageKind.APPROVAL:
        return [] if message is None else [message]
    return _with_links(connection, platform, event, message)


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
    body = "\n".join(case_lines(incident, wrong))
    message = _of(event, f"incident {_TITLES.get(change, change)}: {incident.title}", body, severity)
    if incident.family is Family.PIPELINE:
        message = replace(message, kind=MessageKind.JOB)
    routes = platform.project.config.notifications
    return addressed(message, loudness, reporters_of(platform, incident.model), routes)


def _of_autonomy(event: Event) -> Message:
    payload = event.payload
    where = payload["model"] or "all models"
    if event.kind == "autonomy.resumed":
        title = f"{where}: {payload['actor']} ended the pause of autonomy"
        return _of(event, title, str(payload["reason"]), Severity.MEDIUM)
    title = f"{where}: {payload['actor']} paused autonomy until {payload['until']}"
    return _of(event, title, str(payload["reason"]), Severity.MEDIUM)


def _with_links(connection: Connection, platform: Platform, event: Event, message: Message) -> Sequence[Message]:
    """Return the message for each route; on a route of one person it begins with the links by which they decide."""
    request = load_action(connection, str(event.payload["action_id"]))
    told = []
    for route in routes_for(message, platform.project.config.notifications):
        links = "" if route.approver is None else link_lines(connection, platform, request, route.approver)
        told.append(replace(message, body=f"{links}{message.body}", route=route.name))
    return told


def _of_action(connection: Connection, event: Event) -> Message | None:
    try:
        action = load_action(connection, str(event.payload["action_id"]))
    except NotFoundError:
        return None
    if event.kind == "action.waiting":
        if action.state is not ActionState.WAITING_APPROVAL:
            # Whoever asked could agree to it: nobody else is wanted.
            return None
        incident = None if action.incident_id is None else load_incident(connection, action.incident_id)
        body = "\n".join([*changes_in_words(action), *request_lines(action, incident)])
        return _of(event, f"{action.model}: approval wanted: {action.purpose}", body, Severity.HIGH)
    failed = action.state in {ActionState.FAILED, ActionState.REJECTED, ActionState.EXPIRED}
    if not failed and action.kind.only_tells:
        return None
    lines = [action.outcome, f"Wanted: {action.purpose}", f"More: trimtab approvals show {action.id}"]
    title = f"{action.model}: {ending_of(action)}"
    return _of(event, title, "\n".join(lines), Severity.HIGH if failed else Severity.LOW)


def _of(event: Event, title: str, body: str, severity: Severity) -> Message:
    model = event.payload.get("model")
    return Message(
        title,
        body,
        severity,
        dedup_key=f"event:{event.id}",
        model=None if model is None else str(model),
        kind=_kind_of(event),
    )


def _kind_of(event: Event) -> MessageKind:
    if event.kind == "action.waiting":
        return MessageKind.APPROVAL
    known = event.kind.partition(".")[0]
    return MessageKind(known) if known in set(MessageKind) else MessageKind.PLATFORM
