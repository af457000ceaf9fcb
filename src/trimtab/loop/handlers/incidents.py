"""Groups breaches into incidents, and closes an incident when all that breached has recovered."""

from __future__ import annotations

from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cases import store_change
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.reporters import reporters_of, tell_again
from trimtab.monitoring.store import run_checks
from trimtab.remediation.incidents import ChangeKind, Incident, attach_alert, fold
from trimtab.remediation.store import attach_to_incident, current_incident, list_alerts
from trimtab.remediation.telling import told

__all__ = ["fold_checks"]

_LOOK_BACK_US = 3_600_000_000


def fold_checks(platform: Platform, event: Event) -> Commit | None:
    """Take a run of checks into the case of its endpoint."""
    run_id, model = str(event.payload["run_id"]), str(event.payload["model"])
    endpoint = str(event.payload["endpoint"])
    reporters = reporters_of(platform, model)

    def commit(connection: Connection) -> None:
        checks = run_checks(connection, run_id)
        present = current_incident(connection, model, endpoint)
        change = fold(present, checks, now=platform.clock.now(), new_id=platform.new_id())
        if change.incident is None or change.kind is ChangeKind.NONE:
            return
        incident = _with_alerts(connection, platform, change.incident)
        if change.kind in {ChangeKind.OPENED, ChangeKind.REOPENED}:
            incident = told(incident, now=platform.clock.now())
        stored = store_change(
            connection, platform, change.kind, incident, detail={"run_id": run_id, "at_us": event.at_us}
        )
        if change.kind is ChangeKind.UPDATED:
            tell_again(connection, platform, stored, reporters)

    return commit


def _with_alerts(connection: Connection, platform: Platform, incident: Incident) -> Incident:
    """Attach the alerts of the last hour that belong to no case yet."""
    if not incident.state.is_open:
        return incident
    recent = list_alerts(connection, model=incident.model, since_us=platform.now_us() - _LOOK_BACK_US)
    for alert in reversed(recent):
        if alert.incident_id is None and alert.endpoint == incident.endpoint:
            incident = attach_alert(incident, alert)
            attach_to_incident(connection, alert.id, incident.id)
    return incident
