"""Handing a matter to people: told loudly, noted in its case, and audited."""

from __future__ import annotations

from trimtab.audit import log as audit
from trimtab.config.notifications import MessageKind
from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.loop.case_words import case_lines
from trimtab.loop.cases import note
from trimtab.loop.platform import Platform
from trimtab.notify.message import Message
from trimtab.notify.routes import routes_for
from trimtab.notify.store import enqueue
from trimtab.remediation.store import load_incident

__all__ = ["escalate"]


def escalate(
    connection: Connection, platform: Platform, model: str, why: str, *, about: str, incident_id: str | None
) -> None:
    """Ask people to take over, in the caller's transaction.

    The same ``about`` (an id) is told, noted and audited once, wherever anybody is told of it.
    """
    incident = None if incident_id is None else load_incident(connection, incident_id)
    body = (
        why if incident is None else "\n".join([why, *case_lines(incident, incident.unrecovered or incident.evidence)])
    )
    message = Message(
        title=f"{model}: a person is wanted" + ("" if incident is None else f": {incident.title}"),
        body=body,
        severity=Severity.CRITICAL,
        dedup_key=f"escalated:{about}",
        model=model,
        kind=MessageKind.INCIDENT,
    )
    routes = platform.project.config.notifications
    if not enqueue(connection, message, routes, at_us=platform.now_us()) and routes_for(message, routes):
        return
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
