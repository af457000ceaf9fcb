"""Alerts and incidents in the database. One case a family is open for an endpoint of a model at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import alert as alert_table
from trimtab.db.tables import incident as incident_table
from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import Diagnosis
from trimtab.remediation.incidents import Incident, IncidentState, Signal, TimelineEntry
from trimtab.remediation.kinds import DiagnosisKind, Family, Level

__all__ = [
    "attach_to_incident",
    "create_incident",
    "current_incident",
    "list_alerts",
    "list_incidents",
    "load_incident",
    "save_alert",
    "save_incident",
]

_OPEN = [state.value for state in IncidentState if state.is_open]


def save_alert(connection: Connection, alert: Alert) -> bool:
    """Store an alert, and return whether it is new: one with the same ``dedup_key`` stays as it is."""
    known = select(alert_table.c.id).where(alert_table.c.dedup_key == alert.dedup_key)
    if connection.execute(known).first() is not None:
        return False
    connection.execute(
        insert(alert_table).values(
            id=alert.id,
            dedup_key=alert.dedup_key,
            kind=alert.kind,
            severity=alert.severity.value,
            model=alert.model,
            endpoint=alert.endpoint,
            title=alert.title,
            incident_id=alert.incident_id,
            at_us=alert.at_us,
            spec=alert.detail,
        )
    )
    return True


def attach_to_incident(connection: Connection, alert_id: str, incident_id: str) -> None:
    """Note on the alert which case it belongs to.

    Raises:
        NotFoundError: there is no such alert.
    """
    changed = connection.execute(
        update(alert_table).where(alert_table.c.id == alert_id).values(incident_id=incident_id)
    )
    if changed.rowcount != 1:
        raise NotFoundError(f"alert {alert_id!r}: not known; nothing was attached to incident {incident_id}")


def list_alerts(
    connection: Connection,
    *,
    model: str | None = None,
    incident_id: str | None = None,
    since_us: int = 0,
    limit: int = 100,
) -> list[Alert]:
    """Return alerts since a moment, newest first."""
    query = select(alert_table).where(alert_table.c.at_us >= since_us)
    if model is not None:
        query = query.where(alert_table.c.model == model)
    if incident_id is not None:
        query = query.where(alert_table.c.incident_id == incident_id)
    ordered = query.order_by(alert_table.c.at_us.desc(), alert_table.c.id.desc()).limit(limit)
    return [_alert(row) for row in connection.execute(ordered)]


def create_incident(connection: Connection, incident: Incident) -> None:
    """Store a case that was opened.

    Raises:
        ConflictError: one of its family is open already for this endpoint of the model.
    """
    open_one = current_incident(connection, incident.model, incident.endpoint, incident.family)
    if open_one is not None and open_one.state.is_open:
        raise ConflictError(_taken(incident, open_one.id))
    try:
        connection.execute(
            insert(incident_table).values(
                id=incident.id,
                model=incident.model,
                endpoint=incident.endpoint,
                family=incident.family.value,
                opened_us=incident.opened_us,
                version=incident.version,
                **_changing(incident),
            )
        )
    except IntegrityError as error:
        raise ConflictError(_taken(incident, "of another process")) from error


def save_incident(connection: Connection, incident: Incident) -> Incident:
    """Store a case that was changed, and return it with its new version.

    Raises:
        ConflictError: it changed since it was read; read it again and decide anew.
    """
    changed = connection.execute(
        update(incident_table)
        .where(incident_table.c.id == incident.id, incident_table.c.version == incident.version)
        .values(version=incident.version + 1, **_changing(incident))
    )
    if changed.rowcount != 1:
        raise ConflictError(f"incident {incident.id}: changed since version {incident.version}; read it again")
    return dataclasses.replace(incident, version=incident.version + 1)


def load_incident(connection: Connection, incident_id: str) -> Incident:
    """Return the case.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = connection.execute(select(incident_table).where(incident_table.c.id == incident_id)).first()
    if row is None:
        raise NotFoundError(f"incident {incident_id!r}: not known; list them with 'trimtab incidents'")
    return _incident(row)


def current_incident(
    connection: Connection, model: str, endpoint: str, family: Family = Family.MODEL
) -> Incident | None:
    """Return the case that `fold` takes: the open one of the endpoint and ``family``, or else the latest one."""
    row = connection.execute(
        select(incident_table)
        .where(
            incident_table.c.model == model,
            incident_table.c.endpoint == endpoint,
            incident_table.c.family == family.value,
        )
        .order_by(
            incident_table.c.state.in_(_OPEN).desc(), incident_table.c.opened_us.desc(), incident_table.c.id.desc()
        )
        .limit(1)
    ).first()
    return None if row is None else _incident(row)


def list_incidents(
    connection: Connection,
    *,
    model: str | None = None,
    open_only: bool = False,
    after: Place | None = None,
    limit: int | None = 50,
) -> list[Incident]:
    """Return cases, newest first; those behind ``after``, at most ``limit`` (None: all)."""
    query = select(incident_table)
    if model is not None:
        query = query.where(incident_table.c.model == model)
    if open_only:
        query = query.where(incident_table.c.state.in_(_OPEN))
    ordered = newest(query, incident_table.c.opened_us, incident_table.c.id, after=after, limit=limit)
    return [_incident(row) for row in connection.execute(ordered)]


def _changing(incident: Incident) -> dict[str, Any]:
    diagnosis = incident.diagnosis
    spec: JsonObject = {
        "signals": [dataclasses.asdict(signal) for signal in incident.signals],
        "beyond": sorted(incident.beyond),
        "alerts": list(incident.alerts),
        "timeline": [dataclasses.asdict(entry) for entry in incident.timeline],
        "diagnosis": None if diagnosis is None else diagnosis.to_json(),
        "told_us": incident.told_us,
        "told_severity": None if incident.told_severity is None else incident.told_severity.value,
        "reopened_us": incident.reopened_us,
        "asked": {kind.value: level.value for kind, level in incident.asked.items()},
    }
    return {
        "state": incident.state.value,
        "diagnosis": None if diagnosis is None else diagnosis.kind.value,
        "severity": None if diagnosis is None else diagnosis.severity,
        "title": incident.title,
        "closed_us": incident.closed_us,
        "spec": spec,
    }


def _incident(row: Any) -> Incident:
    spec = row.spec
    timeline = tuple(TimelineEntry(**entry) for entry in spec["timeline"])
    diagnosis = None if spec["diagnosis"] is None else Diagnosis.from_json(spec["diagnosis"])
    return Incident(
        id=row.id,
        model=row.model,
        endpoint=row.endpoint,
        state=IncidentState(row.state),
        title=row.title,
        opened_us=row.opened_us,
        closed_us=row.closed_us,
        signals=tuple(Signal(**{**one, "check": Check.from_json(one["check"])}) for one in spec["signals"]),
        beyond=frozenset(spec.get("beyond", ())),
        alerts=tuple(spec["alerts"]),
        timeline=timeline,
        diagnosis=diagnosis,
        version=row.version,
        # Cases of before 0004 have neither: they are told again at once.
        told_us=spec.get("told_us"),
        told_severity=None if spec.get("told_severity") is None else Severity(spec["told_severity"]),
        family=Family(row.family),
        reopened_us=spec.get("reopened_us", _last_reopened(timeline)),
        asked=_asked(spec, diagnosis),
    )


def _last_reopened(timeline: Sequence[TimelineEntry]) -> int | None:
    """Return when a case of before that was a field of its own was last opened again, as far as its timeline knows."""
    return next((entry.at_us for entry in reversed(timeline) if entry.what == "re-opened"), None)


def _asked(spec: JsonObject, diagnosis: Diagnosis | None) -> dict[DiagnosisKind, Level]:
    """Return what the policy was asked about; cases of before that was kept were asked about as they are called."""
    if "asked" in spec:
        return {DiagnosisKind(kind): Level(level) for kind, level in spec["asked"].items()}
    return {} if diagnosis is None else {diagnosis.kind: diagnosis.level}


def _alert(row: Any) -> Alert:
    return Alert(
        id=row.id,
        dedup_key=row.dedup_key,
        kind=row.kind,
        severity=Severity(row.severity),
        title=row.title,
        at_us=row.at_us,
        model=row.model,
        endpoint=row.endpoint,
        incident_id=row.incident_id,
        detail=row.spec,
    )


def _taken(incident: Incident, other: str) -> str:
    return (
        f"incident {incident.id}: {incident.endpoint!r} has an open incident, {other}, of family {incident.family}; "
        "read it and fold the checks into it"
    )
