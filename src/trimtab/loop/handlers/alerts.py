"""Brings alerts of what was delivered to the case that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.remediation.alerts import Alert
from trimtab.remediation.incidents import Incident, attach_alert
from trimtab.remediation.kinds import Family
from trimtab.remediation.store import attach_to_incident, list_alerts

__all__ = ["with_recent_alerts"]

_HOUR_US = 3_600_000_000


def with_recent_alerts(connection: Connection, platform: Platform, incident: Incident) -> Incident:
    """Attach the alerts that belong to no case yet: of the endpoint's records, and of tables that feed its model.

    They are looked for as far back as what breached reaches, and an hour at least: a table that was delivered in the
    morning explains what a window of a day finds in the evening.
    """
    if incident.family is not Family.MODEL:
        return incident
    for alert in reversed(_loose(connection, platform, incident)):
        incident = attach_alert(incident, alert)
        attach_to_incident(connection, alert.id, incident.id)
    return incident


def _loose(connection: Connection, platform: Platform, incident: Incident) -> Sequence[Alert]:
    begun_us = min((check.window.start_us for check in incident.unrecovered), default=platform.now_us())
    since_us = min(begun_us, platform.now_us() - _HOUR_US)
    found = list_alerts(connection, model=incident.model, since_us=since_us)
    # A table has no endpoint: it is delivered for its model.
    return [one for one in found if one.incident_id is None and one.endpoint in {None, incident.endpoint}]
