"""Incidents: list, show, open by hand, put away."""

from __future__ import annotations

import dataclasses

from pydantic import Field

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Severity
from trimtab.core.errors import ConflictError
from trimtab.db.paging import Place
from trimtab.loop.actor import Actor
from trimtab.loop.cases import take_into_case
from trimtab.loop.gate import finish_action
from trimtab.loop.operation import operation
from trimtab.loop.operations.approvals import described as described_action
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, ModelRequest, OfModel, Reason
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.external import persons_word
from trimtab.remediation.incidents import ChangeKind, Incident, close
from trimtab.remediation.kinds import Family
from trimtab.remediation.store import list_incidents, load_incident, save_incident


class ListIncidents(OfModel):
    """Which incidents."""

    open_only: bool = Field(default=False, description="Leave out those that are over.")


class OneIncident(Strict):
    """Which incident."""

    incident_id: Id


class OpenIncident(ModelRequest):
    """What a person found wrong with a model."""

    title: Reason = Field(min_length=3, description="What is wrong, in one sentence.")
    family: Family = Field(default=Family.MODEL, description="What it is about: model, service or pipeline.")
    severity: Severity = Field(default=Severity.MEDIUM, description="How loud it is told: low to critical.")


class CloseIncident(OneIncident):
    """Which incident, and why it is put away."""

    reason: Reason = Field(min_length=1)


@operation("incidents.list", "GET", "/api/incidents", Role.VIEWER, ListIncidents)
def list_all(platform: Platform, _actor: Actor, request: ListIncidents) -> JsonObject:
    """List the newest incidents, newest first."""
    with platform.database.reading() as connection:
        found = list_incidents(
            connection,
            model=request.model,
            open_only=request.open_only,
            after=request.place,
            limit=request.one_more,
        )
    shown, further = request.page(found, lambda incident: Place(incident.opened_us, incident.id))
    return {"incidents": [described(incident) for incident in shown], "next": further}


@operation("incidents.show", "GET", "/api/incidents/{incident_id}", Role.VIEWER, OneIncident)
def show(platform: Platform, _actor: Actor, request: OneIncident) -> JsonObject:
    """Show an incident: what breached, the diagnosis with its evidence, what was done, and the timeline."""
    with platform.database.reading() as connection:
        incident = load_incident(connection, request.incident_id)
        actions = list_actions(connection, incident_id=incident.id)
    return {
        **described(incident),
        "breaches": [check.explanation for check in incident.evidence],
        "unrecovered": [check.explanation for check in incident.unrecovered],
        "unlisted": len(incident.beyond),
        "timeline": [dataclasses.asdict(entry) for entry in incident.timeline],
        "actions": [described_action(action) for action in reversed(actions)],
    }


@operation("incidents.open", "POST", "/api/incidents", Role.OPERATOR, OpenIncident)
def open_one(platform: Platform, actor: Actor, request: OpenIncident) -> JsonObject:
    """Open a case by hand, or add to the open one of its family; only a person's word closes it then."""
    files = platform.files(request.model)
    check = persons_word(
        request.title,
        model=request.model,
        endpoint=files.endpoint,
        at_us=platform.now_us(),
        by=actor.name,
        report_id=platform.new_id(),
        family=request.family,
        severity=request.severity,
    )
    with platform.database.transaction() as connection:
        change = take_into_case(
            connection,
            platform,
            [check],
            model=request.model,
            endpoint=files.endpoint,
            family=request.family,
            reporters=files.monitoring.reporters,
            actor=actor.name,
            detail={"told_by": actor.name},
        )
    if change.incident is None:
        raise ConflictError(f"{request.model}: no case was opened; a report of this moment is there already; try again")
    return {**described(change.incident), "joined": change.kind is ChangeKind.UPDATED}


@operation("incidents.close", "POST", "/api/incidents/{incident_id}/close", Role.OPERATOR, CloseIncident)
def close_one(platform: Platform, actor: Actor, request: CloseIncident) -> JsonObject:
    """Put an incident away by hand, recovered or not; what it had asked approval for is cancelled."""
    with platform.database.transaction() as connection:
        incident = load_incident(connection, request.incident_id)
        closed = close(incident, now=platform.clock.now(), actor=actor.name, why=request.reason)
        save_incident(connection, closed)
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor=actor.name,
            action="incident.closed",
            subject=f"incident:{incident.id}",
            reason=request.reason,
            before={"state": incident.state.value},
            after={"state": closed.state.value},
        )
        for action in list_actions(connection, incident_id=incident.id, state=ActionState.WAITING_APPROVAL):
            reason = f"incident closed by {actor.name}: {request.reason}"
            finish_action(connection, platform, action, ActionState.CANCELLED, reason, by=actor.name)
        payload = {"incident_id": incident.id, "model": incident.model}
        platform.publish(connection, "incident.closed", f"incident:{incident.id}", payload)
    return described(closed)


def described(incident: Incident) -> JsonObject:
    """Return an incident as the API tells it, without its details."""
    diagnosis = incident.diagnosis
    return {
        "incident_id": incident.id,
        "model": incident.model,
        "endpoint": incident.endpoint,
        "family": incident.family.value,
        "state": incident.state.value,
        "title": incident.title,
        "opened_us": incident.opened_us,
        "closed_us": incident.closed_us,
        "level": None if diagnosis is None else diagnosis.level.value,
        "diagnosis": None if diagnosis is None else diagnosis.to_json(),
    }
