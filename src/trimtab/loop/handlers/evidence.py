"""Writes the report of an incident or a rollout when it moves on, from what is stored, and mails it at its end."""

from __future__ import annotations

from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.mailing import mail_report
from trimtab.loop.reporting.making import written
from trimtab.reports.store import ReportKind

__all__ = ["write_evidence"]

_OVER = frozenset({"incident.recovered", "incident.closed", "rollout.finished"})


def write_evidence(platform: Platform, event: Event) -> Commit | None:
    """Write, or write anew, the report that the event's case belongs to."""
    rollout_id, incident_id = event.payload.get("rollout_id"), event.payload.get("incident_id")
    if rollout_id is not None:
        enter = written(platform, ReportKind.DEPLOYMENT, str(rollout_id))
    elif incident_id is not None:
        enter = written(platform, ReportKind.INCIDENT, str(incident_id))
    else:
        return None

    def commit(connection: Connection) -> None:
        report = enter(connection)
        if event.kind in _OVER:
            mail_report(connection, platform, report, model=event.payload.get("model"))

    return commit
