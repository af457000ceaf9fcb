"""Actions that change nothing but what people know: log, notify the owner, escalate."""

from __future__ import annotations

from typing import ClassVar

import structlog

from trimtab.config.notifications import MessageKind
from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.loop.actions.base import AtOnce, Began
from trimtab.loop.escalating import escalate
from trimtab.loop.platform import Platform
from trimtab.notify.message import Message
from trimtab.notify.store import enqueue
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind

__all__ = ["Escalate", "LogIt", "NotifyOwner"]

_log = structlog.get_logger(__name__)


class LogIt(AtOnce):
    """Writes a line into the log."""

    kind: ClassVar[ActionKind] = ActionKind.LOG

    def start(self, _connection: Connection, _platform: Platform, request: ActionRequest) -> Began:
        """Write it."""
        _log.warning("incident.noted", incident=request.incident_id, model=request.model, **request.params)
        return Began("noted in the log")


class NotifyOwner(AtOnce):
    """Tells the owners of the feeds that ``model.yaml`` names."""

    kind: ClassVar[ActionKind] = ActionKind.NOTIFY_OWNER

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Put a message into the queue of each owner's route."""
        known = platform.files(request.model).model.feeds
        owners = {name: known[name] for name in request.params.get("feeds", []) if name in known}
        for name, owner in owners.items():
            message = Message(
                title=f"{request.model}: something is wrong with feed {name}",
                body=f"{owner.owner}: {request.params.get('text', '')}",
                severity=Severity.HIGH,
                dedup_key=f"owner:{request.id}:{name}",
                model=request.model,
                route=owner.notify,
                kind=MessageKind.INCIDENT,
            )
            enqueue(connection, message, platform.project.config.notifications, at_us=platform.now_us())
        told = ", ".join(owner.owner for owner in owners.values())
        return Began(f"told {told}" if told else "model.yaml names no feed to tell; nobody was told")


class Escalate(AtOnce):
    """Tells people that the platform cannot settle this by itself."""

    kind: ClassVar[ActionKind] = ActionKind.ESCALATE

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Tell them as loudly as there is."""
        why = str(request.params.get("text") or request.reason)
        escalate(connection, platform, request.model, why, about=request.id, incident_id=request.incident_id)
        return Began("a person was asked to take over")
