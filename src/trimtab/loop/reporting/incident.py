"""What the report of an incident shows: the case, what was decided and done about it, and whether that helped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from trimtab.core.enums import Severity
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result
from trimtab.lake.profile_store import load_profiles
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.decided import decisions_on, votes_on
from trimtab.loop.reporting.proof import proof_of, witnesses_of
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.reference import read_reference
from trimtab.registry import store as registry
from trimtab.remediation.action_store import list_actions, verification_of
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.signals import key_of
from trimtab.remediation.store import load_incident
from trimtab.reports.evidence import TimelineEntry
from trimtab.reports.incident import (
    ActionData,
    ColumnChartData,
    DiagnosisData,
    ImpactData,
    IncidentReportData,
    MeasureData,
    QualityChartData,
    VerificationData,
)
from trimtab.reports.svg import Marker

__all__ = ["incident_data"]

_CHART_COLUMNS = 3
_TOLD = 5


def incident_data(platform: Platform, incident_id: str) -> IncidentReportData:
    """Return what the report of an incident shows."""
    witnesses = witnesses_of(platform)
    with platform.database.reading() as connection:
        incident = load_incident(connection, incident_id)
        actions = list_actions(connection, incident_id=incident_id)
        subjects = [f"incident:{incident_id}", *(f"action:{action.id}" for action in actions)]
        return IncidentReportData(
            id=incident.id,
            project=platform.project.config.project,
            model=incident.model,
            endpoint=incident.endpoint,
            title=incident.title,
            summary=_summary(incident, actions),
            state=incident.state.value,
            severity=_severity(incident),
            opened_us=incident.opened_us,
            noticed_us=_noticed_us(incident),
            closed_us=incident.closed_us,
            generated_us=platform.now_us(),
            timeline=tuple(TimelineEntry(one.at_us, one.actor, one.what, one.why) for one in incident.timeline),
            diagnosis=_diagnosis(incident),
            actions=tuple(_action(connection, incident, action) for action in reversed(actions)),
            verification=_verification(connection, incident, actions),
            columns=tuple(_column_charts(connection, platform, incident)),
            quality=tuple(_quality_charts(connection, incident)),
            markers=_markers(incident),
            audit=proof_of(connection, subjects, witnesses),
            decisions=decisions_on(connection, incident_id),
            votes=votes_on(connection, actions),
        )


def _summary(incident: Incident, actions: list[ActionRequest]) -> str:
    parts = [] if incident.diagnosis is None else [incident.diagnosis.explanation]
    parts += [f"{one.kind.value.replace('_', ' ')}: {one.outcome}" for one in reversed(actions) if one.outcome]
    parts += _end(incident)
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)


def _end(incident: Incident) -> Iterable[str]:
    """Yield how it stands: who closes a case does not make it right."""
    if incident.state.is_open:
        yield "It is still open." if incident.reopened_us is None else "It came back, and is still open."
        return
    if not incident.unrecovered:
        yield "It has recovered."
    closed = next((one for one in reversed(incident.timeline) if one.what == "closed"), None)
    if incident.state is IncidentState.CLOSED:
        who, why = ("a person", "") if closed is None else (closed.actor, closed.why)
        yield f"{who} closed it{': ' if why else ''}{why}"
        if incident.unrecovered:
            labels = ", ".join(key_of(check).label for check in incident.unrecovered[:_TOLD])
            more = f" and {len(incident.unrecovered) - _TOLD} more" if len(incident.unrecovered) > _TOLD else ""
            yield f"Then it was not known to be right again: {labels}{more}"


def _severity(incident: Incident) -> Severity:
    """Return how bad it is, as everybody else is told: by its diagnosis, or, without one, as loud as it is."""
    return incident.loudness if incident.diagnosis is None else Severity(incident.diagnosis.level.value)


def _noticed_us(incident: Incident) -> int:
    """Return the end of the window in which the first breach was seen (event time)."""
    first = min(incident.signals, key=lambda signal: signal.first_us)
    return first.first_us + first.check.window.end_us - first.check.window.start_us


def _diagnosis(incident: Incident) -> DiagnosisData | None:
    found = incident.diagnosis
    if found is None:
        return None
    return DiagnosisData(
        kind=found.kind.value,
        explanation=found.explanation,
        severity=found.severity,
        evidence_for=found.evidence_for,
        evidence_against=found.evidence_against,
        severity_parts={part.name: part.value for part in found.parts},
        columns=found.columns,
        factor=found.factor,
        since_us=found.since_us,
        since_window=_is_windows_start(incident, found.since_us),
    )


def _is_windows_start(incident: Incident, moment_us: int | None) -> bool:
    """Whether a diagnosis' moment is but where a judged window starts: when in it things changed was not found."""
    return any(moment_us in {one.first_us, one.check.window.start_us} for one in incident.signals)


def _action(connection: Connection, incident: Incident, action: ActionRequest) -> ActionData:
    impact = action.predicted_impact
    planned = verification_of(connection, action.id)
    verified = None if planned is None else planned.result
    return ActionData(
        kind=action.kind.value,
        tier=action.tier,
        state=action.state.value,
        requested_by=action.requested_by,
        reason=action.outcome or action.purpose,
        decided_by=action.decided_by,
        decided_us=action.decided_us,
        rule=action.policy.get("rule"),
        impact=None if impact is None else ImpactData(impact.metric, impact.now, impact.expected, impact.basis),
        helped=None if verified is None else verified.verdict,
        found="" if verified is None else verified.explanation,
        came_back_us=None if planned is None else _came_back_us(incident, planned.finished_us),
    )


def _came_back_us(incident: Incident, finished_us: int | None) -> int | None:
    """Return when the case was opened again after something was found to have helped."""
    again_us = incident.reopened_us
    return again_us if again_us is not None and finished_us is not None and finished_us <= again_us else None


def _verification(connection: Connection, incident: Incident, actions: list[ActionRequest]) -> VerificationData | None:
    for action in actions:
        planned = verification_of(connection, action.id)
        if planned is not None and planned.result is not None:
            result = planned.result
            names = sorted(set(result.before) & set(result.after))
            measures = tuple(MeasureData(name, result.before[name], result.after[name]) for name in names)
            came_back_us = _came_back_us(incident, planned.finished_us)
            return VerificationData(result.verdict, result.explanation, measures, planned.finished_us, came_back_us)
    return None


def _column_charts(connection: Connection, platform: Platform, incident: Incident) -> Iterable[ColumnChartData]:
    columns = () if incident.diagnosis is None else incident.diagnosis.columns
    # What people and others say is of no version, and joins the same case.
    numbers = (check.model_version for check in (*incident.unrecovered, *incident.evidence))
    number = next((number for number in numbers if number), None)
    if not columns or number is None:
        return
    windows = [check.window for check in incident.evidence]
    span = max(window.end_us - window.start_us for window in windows)
    start_us = min(signal.first_us for signal in incident.signals) - span
    end_us = max([window.end_us for window in windows] + [signal.recovered_us or 0 for signal in incident.signals])
    profiles = load_profiles(connection, incident.endpoint, start_us=start_us, end_us=end_us, finest=True)
    version = registry.get(connection, incident.model, number)
    reference = read_reference(Path(version.bundle_path) / "reference").merged
    contract = platform.files(incident.model).contract.columns
    for column in columns[:_CHART_COLUMNS]:
        known = reference.columns.get(column)
        if not isinstance(known, NumberProfile) or known.count == 0:
            continue
        low, middle, high = (float(known.quantile(share)) for share in (0.05, 0.5, 0.95))
        points = [
            (found.start_us, float(part.quantile(0.5)))
            for found in profiles
            if isinstance(part := found.profile.columns.get(column), NumberProfile) and part.count
        ]
        unit = contract[column].unit if column in contract else None
        yield ColumnChartData(column, tuple(sorted(points)), low, middle, high, unit=unit or "")


def _quality_charts(connection: Connection, incident: Incident) -> Iterable[QualityChartData]:
    # What is said of segments has no metric: it is told in words.
    quality = [one for one in incident.evidence if one.kind == "model_quality" and "metric" in one.detail]
    for metric in dict.fromkeys(str(one.detail["metric"]) for one in quality):
        table = check_result.c
        rows = connection.execute(
            select(table.window_end_us, table.value, table.threshold, table.spec)
            .where(table.model == incident.model, table.endpoint == incident.endpoint, table.kind == "model_quality")
            .order_by(table.window_end_us, table.at_us)
        ).all()
        # A window that was judged again as outcomes came counts as it was judged last.
        latest = {int(row.window_end_us): row for row in rows if row.spec["detail"].get("metric") == metric}
        yield QualityChartData(
            metric,
            points=tuple((at_us, row.value) for at_us, row in latest.items()),
            limits=tuple((at_us, row.threshold) for at_us, row in latest.items()),
            baselines=tuple((at_us, row.spec["detail"].get("baseline")) for at_us, row in latest.items()),
        )


def _markers(incident: Incident) -> tuple[Marker, ...]:
    since_us = None if incident.diagnosis is None else incident.diagnosis.since_us
    return () if since_us is None or _is_windows_start(incident, since_us) else (Marker(since_us, "it began"),)
