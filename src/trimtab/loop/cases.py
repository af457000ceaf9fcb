"""Writes incidents together with the events and audit entries that tell of them."""

from __future__ import annotations

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.incidents import ChangeKind, Incident, mitigate
from trimtab.remediation.store import create_incident, load_incident, save_incident

__all__ = ["note", "note_action", "store_change"]


def store_change(
    connection: Connection, platform: Platform, kind: ChangeKind, incident: Incident, *, detail: JsonObject
) -> Incident:
    """Store what became of a case, publish ``incident.<kind>``, and audit it, in the caller's transaction.

    Return the case as it is stored.
    """
    if kind is ChangeKind.OPENED:
        create_incident(connection, incident)
    else:
        incident = save_incident(connection, incident)
    payload = {"incident_id": incident.id, "model": incident.model, **detail}
    platform.publish(connection, f"incident.{kind.value}", f"incident:{incident.id}", payload)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action=f"incident.{kind.value}",
        subject=f"incident:{incident.id}",
        reason=incident.timeline[-1].why or incident.timeline[-1].what,
        after={"state": incident.state.value, "title": incident.title},
        detail={"model": incident.model, **detail},
    )
    return incident


def note(connection: Connection, platform: Platform, incident_id: str | None, what: str, why: str = "") -> None:
    """Add an entry to a case's timeline; nothing to do without a case."""
    if incident_id is not None:
        incident = load_incident(connection, incident_id)
        save_incident(connection, incident.noted(platform.now_us(), "trimtab", what, why))


def note_action(connection: Connection, platform: Platform, request: ActionRequest, outcome: str) -> None:
    """Tell a case that an action on it has begun or is done; one that changes the world mitigates an open case."""
    if request.incident_id is None:
        return
    incident = load_incident(connection, request.incident_id)
    what, why = f"{request.kind}: {outcome}", request.reason
    if incident.state.is_open and not request.kind.only_tells:
        after = mitigate(incident, now=platform.clock.now(), actor="trimtab", what=what, why=why)
    else:
        after = incident.noted(platform.now_us(), "trimtab", what, why)
    save_incident(connection, after)
