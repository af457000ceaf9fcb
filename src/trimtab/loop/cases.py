"""Writes incidents together with the events and audit entries that tell of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import tell_again
from trimtab.monitoring.check import Check
from trimtab.monitoring.reporters import Reporters
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.incidents import ChangeKind, Incident, IncidentChange, fold, mitigate
from trimtab.remediation.kinds import Family
from trimtab.remediation.store import create_incident, current_incident, load_incident, save_incident
from trimtab.remediation.telling import told

__all__ = ["note", "note_action", "store_change", "take_into_case"]

_REOPEN_WITHIN = timedelta(hours=1)


def take_into_case(
    connection: Connection,
    platform: Platform,
    checks: Sequence[Check],
    *,
    model: str,
    endpoint: str,
    family: Family,
    reporters: Reporters,
    actor: str = "conductor",
    detail: JsonObject | None = None,
    reopen_within: timedelta = _REOPEN_WITHIN,
    with_alerts: Callable[[Incident], Incident] = lambda incident: incident,
) -> IncidentChange:
    """Fold checks into the case of their family, store it and tell the loop, in the caller's transaction.

    ``reporters`` hear of it, as the model's files said before the transaction. ``with_alerts`` adds to a case that
    changed what else belongs to it. Returns the change, with the case as stored.
    """
    now = platform.clock.now()
    present = current_incident(connection, model, endpoint, family)
    change = fold(present, checks, now=now, new_id=platform.new_id(), reopen_within=reopen_within, family=family)
    if change.incident is None or change.kind is ChangeKind.NONE:
        return change
    incident = with_alerts(change.incident) if change.incident.state.is_open else change.incident
    if change.kind in {ChangeKind.OPENED, ChangeKind.REOPENED}:
        incident = told(incident, now=now)
    stored = store_change(connection, platform, change.kind, incident, detail=detail or {}, actor=actor)
    if change.kind is ChangeKind.UPDATED:
        stored = tell_again(connection, platform, stored, reporters)
    return IncidentChange(change.kind, stored)


def store_change(
    connection: Connection,
    platform: Platform,
    kind: ChangeKind,
    incident: Incident,
    *,
    detail: JsonObject,
    actor: str = "conductor",
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
        actor=actor,
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
