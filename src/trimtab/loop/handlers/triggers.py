"""Asks each model's retraining conditions after its checks; a firing passes the same gate as everything else."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from sqlalchemy import func, select

from trimtab.core.clock import from_micros, to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.db.tables import job
from trimtab.lake.deliveries import processed_since, rows_since
from trimtab.lake.labelled import outcomes_since
from trimtab.loop.conductor import Commit
from trimtab.loop.deciding import purposes
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.prequential import Weighed, weigh_gain
from trimtab.loop.reinstating import propose_return
from trimtab.loop.releases import aliases_of
from trimtab.monitoring.store import checks_as_of
from trimtab.registry import store as registry
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.impact import impact_of_retraining
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import current_incident
from trimtab.retraining.conditions import step
from trimtab.retraining.facts import Facts
from trimtab.retraining.settings import NewLabelsCondition, NewRowsCondition, asks
from trimtab.retraining.store import is_answered, last_retrain_us, load_triggers, save_firing, save_triggers

__all__ = ["consider_retraining", "facts_of"]

_AHEAD = timedelta(hours=1)


def consider_retraining(platform: Platform, event: Event) -> Commit | None:
    """Evaluate the conditions of the event's model, and propose a retraining if they hold.

    Not for a look into the future: it asks for nothing that is so now. Clocks may differ by an hour; what comes from
    one that is ahead is evaluated as of now. Else it would fire before its time, and once it were remembered, all
    looks until then would be older than what is known, and fire nothing.
    """
    now = platform.clock.now()
    if from_micros(event.at_us) > now + _AHEAD:
        return None
    at_us = min(event.at_us, to_micros(now))
    files = platform.files(str(event.payload["model"]))
    model = files.model.name
    before = platform.database.read(lambda connection: load_triggers(connection, model))
    is_old = before.state.at_us is not None and at_us < before.state.at_us
    # What was known then must not take the place of what the ledger knows now.
    weighed = Weighed.nothing() if is_old else weigh_gain(platform, files, at_us)
    facts = facts_of(platform, files, str(event.payload["run_id"]), at_us)
    facts = dataclasses.replace(facts, gain=weighed.reading)
    firing, state = step(files.retrain, facts, before.state, model)

    def commit(connection: Connection) -> None:
        weighed.commit(connection)
        action_id = refused = None
        if firing.fired:
            action_id, refused = _propose(connection, platform, files, facts, firing.reason)
        if weighed.back is not None and action_id is None:
            # No training was asked for, or the policy refuses it: the best of what is there may serve.
            propose_return(connection, platform, files, weighed.back)
        if action_id is not None or state.stored_us != before.state.stored_us:
            save_firing(connection, platform.new_id(), firing, action_id=action_id, refused=refused)
        if state != before.state:
            # What older news say is no latest answer.
            save_triggers(connection, model, state, firing, before=before)
        reached("trigger.recorded")

    return commit


def facts_of(platform: Platform, files: ModelFiles, run_id: str, at_us: int) -> Facts:
    """Return what the conditions of a model are asked about, as of ``at_us``; rows are counted only if they are."""
    model, monitors = files.model.name, files.monitoring.monitors
    with platform.database.reading() as connection:
        number = aliases_of(connection, files.endpoint).get("champion")
        checks = checks_as_of(connection, run_id, [monitor.title for monitor in monitors])
        trained_us = _trained_us(connection, model, number)
        last_us = last_retrain_us(connection, model)
        asked = _asked(connection, model)
        rows = None
        if trained_us is not None and asks(files.retrain.when, NewRowsCondition):
            rows = rows_since(connection, model, files.endpoint, since_us=trained_us)
        told = None
        if trained_us is not None and asks(files.retrain.when, NewLabelsCondition):
            told = processed_since(connection, trained_us)
    labels = None
    if trained_us is not None and told is not None:
        labels = outcomes_since(platform.lake, files.endpoint, told, since_us=trained_us, known_until_us=at_us)
    return Facts(
        # A version that is being tried says nothing of whether the one in use has to be trained anew.
        checks=[check for check in checks if number in {None, check.model_version}],
        now=from_micros(at_us),
        champion=number,
        trained_us=trained_us,
        last_retrain_us=last_us,
        asked=asked,
        new_labels=labels,
        new_rows=rows,
        schedules=tuple(sorted({files.monitoring.schedule_of(monitor) for monitor in monitors})),
    )


def _trained_us(connection: Connection, model: str, champion: int | None) -> int | None:
    """Return when the newest training that ended well was asked for: what came later, nobody has learnt yet.

    One whose version was not released counts too: to train again on the same rows would bring the same. Where no
    training is known, the version that serves was trained when it was registered.
    """
    ended_well = job.c.kind == "training", job.c.model == model, job.c.state == "succeeded"
    newest = connection.execute(select(func.max(job.c.created_us)).where(*ended_well)).scalar_one_or_none()
    if newest is not None:
        return int(newest)
    return None if champion is None else registry.get(connection, model, champion).created_us


def _asked(connection: Connection, model: str) -> str | None:
    """Say which request of these conditions is open, if one is."""
    found = _open_request(connection, model)
    if found is None or not is_answered(connection, found.id):
        return None
    word = "waits for approval" if found.state is ActionState.WAITING_APPROVAL else f"is {found.state}"
    return f"retraining {found.id} {word} already"


def _open_request(connection: Connection, model: str) -> ActionRequest | None:
    found = list_actions(connection, model=model, kind=ActionKind.RETRAIN, open_only=True, limit=1)
    return found[0] if found else None


def _propose(
    connection: Connection, platform: Platform, files: ModelFiles, facts: Facts, reason: str
) -> tuple[str | None, str | None]:
    """Return the request that answers this firing, and why there may be none."""
    model = files.model.name
    # An incident or a person may have asked before: whoever was first, this firing is answered by the one request.
    before = _open_request(connection, model)
    if before is not None:
        return before.id, None
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
    try:
        decision, created = propose(connection, platform, proposal, context)
    except ConfigError as error:
        # A firing that is not stored would be lost; it is not answered until the policy can be read again.
        return None, f"the policy cannot be read: {error}"
    if created:
        return created[0].id, None
    return None, decision.reason
