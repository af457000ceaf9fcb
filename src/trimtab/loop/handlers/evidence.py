"""Writes the incident and deployment reports when a case moves on, from what is stored."""

from __future__ import annotations

from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.reporting import deployment_data, incident_data
from trimtab.reports.deployment import deployment_report
from trimtab.reports.incident import incident_report
from trimtab.reports.store import ReportKind, record_report, write_report

__all__ = ["write_evidence"]


def write_evidence(platform: Platform, event: Event) -> Commit | None:
    """Write, or write anew, the report that the event's case belongs to."""
    rollout_id, incident_id = event.payload.get("rollout_id"), event.payload.get("incident_id")
    if rollout_id is not None:
        kind, subject = ReportKind.DEPLOYMENT, str(rollout_id)
        html = deployment_report(deployment_data(platform, subject))
    elif incident_id is not None:
        kind, subject = ReportKind.INCIDENT, str(incident_id)
        html = incident_report(incident_data(platform, subject))
    else:
        return None
    path = write_report(platform.project.reports, kind, subject, html)

    def commit(connection: Connection) -> None:
        record_report(connection, kind=kind, subject=subject, path=path, at_us=platform.now_us())

    return commit
