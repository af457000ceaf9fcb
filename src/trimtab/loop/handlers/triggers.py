"""Asks each model's retraining conditions after its checks; a firing passes the same gate as everything else."""

from __future__ import annotations

from trimtab.core.clock import from_micros
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.lake.labelled import labelled_rows
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.handlers.remediation import purposes
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.monitoring.store import run_checks
from trimtab.registry import store as registry
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.decision import Proposal
from trimtab.remediation.impact import impact_of_retraining
from trimtab.remediation.policy import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import current_incident
from trimtab.retraining.conditions import Facts, consider
from trimtab.retraining.store import last_retrain_us, save_firing

__all__ = ["consider_retraining", "facts_of"]


def consider_retraining(platform: Platform, event: Event) -> Commit | None:
    """Evaluate the conditions of the event's model, and propose a retraining if they hold."""
    files = platform.files(str(event.payload["model"]))
    run_id = str(event.payload["run_id"])
    facts = facts_of(platform, files, run_id, event.at_us)
    firing = consider(files.retrain, facts, files.model.name)

    def commit(connection: Connection) -> None:
        action_id = refused = None
        if firing.fired:
            action_id, refused = _propose(connection, platform, files, facts, firing.reason)
        save_firing(connection, platform.new_id(), firing, action_id=action_id, refused=refused)

    return commit


def facts_of(platform: Platform, files: ModelFiles, run_id: str, at_us: int) -> Facts:
    """Return what the conditions of a model are asked about, as of ``at_us``."""
    with platform.database.reading() as connection:
        number = aliases_of(connection, files.endpoint).get("champion")
        # A version that is being tried says nothing of whether the one in use has to be trained anew.
        checks = [check for check in run_checks(connection, run_id) if number in {None, check.model_version}]
        trained_us = None if number is None else registry.get(connection, files.model.name, number).created_us
        last_us = last_retrain_us(connection, files.model.name)
    labels = labelled_rows(platform.lake, files.endpoint, received_since_us=trained_us, known_until_us=at_us)
    return Facts(
        checks=checks,
        now=from_micros(at_us),
        trained_us=trained_us,
        last_retrain_us=last_us,
        new_labels=labels.table.num_rows,
    )


def _propose(
    connection: Connection, platform: Platform, files: ModelFiles, facts: Facts, reason: str
) -> tuple[str | None, str | None]:
    """Return the request that answers this firing, and why there may be none."""
    model = files.model.name
    incident = current_incident(connection, model, files.endpoint)
    is_open = incident is not None and incident.state.is_open
    impact = impact_of_retraining(facts.checks, files.model.main_metric) or impact_of_retraining(facts.checks)
    proposal = Proposal(
        origin=Origin.TRIGGER,
        model=model,
        action=ActionKind.RETRAIN,
        severity=0.5,
        open_diagnoses=open_diagnoses(connection, model),
    )
    context = RequestContext(
        requested_by="trigger",
        purpose=purposes(model, [], 0),
        endpoint=files.endpoint,
        incident_id=incident.id if incident is not None and is_open else None,
        params={ActionKind.RETRAIN: {"trigger": reason}},
        impact={} if impact is None else {ActionKind.RETRAIN: impact},
    )
    decision, created = propose(connection, platform, proposal, context)
    if created:
        return created[0].id, None
    if ActionKind.RETRAIN not in decision.allowed:
        return None, decision.reason
    # An incident may have asked a moment before: whoever was first, this firing is answered by the one request.
    found = list_actions(connection, model=model)
    return next((one.id for one in found if one.kind is ActionKind.RETRAIN and one.state.is_open), None), None
