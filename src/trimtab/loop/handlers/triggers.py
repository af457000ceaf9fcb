"""Asks each model's retraining conditions after its checks; a firing passes the same gate as everything else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from trimtab.core.clock import from_micros
from trimtab.core.crashpoints import reached
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.db.tables import job
from trimtab.lake.deliveries import rows_since
from trimtab.lake.labelled import outcomes_since
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.handlers.remediation import purposes
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.prequential import weigh_gain
from trimtab.loop.reinstating import propose_return
from trimtab.loop.releases import aliases_of
from trimtab.monitoring.store import checks_as_of
from trimtab.registry import store as registry
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.impact import impact_of_retraining
from trimtab.remediation.policy import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import current_incident
from trimtab.retraining.conditions import step
from trimtab.retraining.facts import Facts
from trimtab.retraining.store import is_answered, last_retrain_us, load_triggers, save_firing, save_triggers

__all__ = ["consider_retraining", "facts_of"]


def consider_retraining(platform: Platform, event: Event) -> Commit | None:
    """Evaluate the conditions of the event's model, and propose a retraining if they hold."""
    files = platform.files(str(event.payload["model"]))
    model = files.model.name
    before = platform.database.read(lambda connection: load_triggers(connection, model))
    weighed = weigh_gain(platform, files, event.at_us)
    facts = facts_of(platform, files, str(event.payload["run_id"]), event.at_us)
    facts = dataclasses.replace(facts, gain=weighed.reading)
    firing, state = step(files.retrain, facts, before.state, model)

    def commit(connection: Connection) -> None:
        weighed.commit(connection)
        action_id = refused = None
        if firing.fired:
            action_id, refused = _propose(connection, platform, files, facts, firing.reason)
        elif weighed.back is not None:
            # A training is under way or was not asked for: meanwhile the best of what is there may serve.
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
        if trained_us is not None and _asks(files, "new_rows"):
            rows = rows_since(connection, model, files.endpoint, since_us=trained_us)
    labels = None
    if trained_us is not None and _asks(files, "new_labels"):
        labels = outcomes_since(platform.lake, files.endpoint, since_us=trained_us, known_until_us=at_us)
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


def _asks(files: ModelFiles, name: str) -> bool:
    def named(value: Any) -> bool:
        if isinstance(value, Mapping):
            return name in value or any(named(one) for one in value.values())
        return isinstance(value, list | tuple) and any(named(one) for one in value)

    return named(files.retrain.when.model_dump(mode="json"))


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
    found = list_actions(connection, model=model)
    return next((one for one in found if one.kind is ActionKind.RETRAIN and one.state.is_open), None)


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
    decision, created = propose(connection, platform, proposal, context)
    if created:
        return created[0].id, None
    return None, decision.reason
