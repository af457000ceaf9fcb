"""Handing a matter to people: told loudly, noted in its case, and audited."""

from __future__ import annotations

from trimtab.audit import log as audit
from trimtab.config.notifications import MessageKind
from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.loop.cases import note
from trimtab.loop.platform import Platform
from trimtab.notify.message import Message
from trimtab.notify.store import enqueue

__all__ = ["escalate"]


def escalate(
    connection: Connection, platform: Platform, model: str, why: str, *, about: str, incident_id: str | None
) -> None:
    """Ask people to take over, in the caller's transaction; the same ``about`` (an id) is told once."""
    message = Message(
        title=f"{model}: a person is wanted",
        body=why,
        severity=Severity.CRITICAL,
        dedup_key=f"escalated:{about}",
        model=model,
        kind=MessageKind.INCIDENT,
    )
    enqueue(connection, message, platform.project.config.notifications, at_us=platform.now_us())
    note(connection, platform, incident_id, "escalated: a person is wanted", why)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="action.escalated",
        subject=f"model:{model}" if incident_id is None else f"incident:{incident_id}",
        reason=why,
        detail={"model": model, "incident_id": incident_id, "about": about},
    )
