"""Executes approved actions by their handlers. Doing one twice has the effect of once."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.actions.base import Began
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.cases import note, note_action
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import finish_action
from trimtab.loop.overdue import give_up, gives_up_outside
from trimtab.loop.platform import Platform
from trimtab.loop.rechecking import held_back, hold_back
from trimtab.remediation.action_store import load_action, save_action
from trimtab.remediation.actions import ActionRequest, ActionState, advance

__all__ = ["execute"]


def execute(platform: Platform, event: Event) -> Commit | None:
    """Run an approved action; one that is under way or over is left alone."""
    action_id = str(event.payload["action_id"])
    if event.kind == "action.started":
        return _reach_outside(platform, action_id)
    return lambda connection: _start(connection, platform, action_id)


def _start(connection: Connection, platform: Platform, action_id: str) -> None:
    request = load_action(connection, action_id)
    if request.state is not ActionState.APPROVED:
        return
    held = held_back(connection, platform, request)
    if held is not None:
        hold_back(connection, platform, request, held)
        return
    handler = ACTION_HANDLERS.get(request.kind)
    lasts = timedelta(0) if handler is None else handler.lasts(platform, request)
    running = dataclasses.replace(
        advance(request, ActionState.RUNNING, at_us=platform.now_us()),
        deadline_us=platform.now_us() + lasts // timedelta(microseconds=1),
    )
    running = save_action(connection, running)
    if handler is None:
        _fail(connection, platform, running, f"{request.kind}: only a person does this, by hand; nothing was executed")
        return
    try:
        with connection.begin_nested():
            began = handler.start(connection, platform, running)
    except TrimtabError as error:
        _fail(connection, platform, running, str(error))
        return
    if handler.outside:
        payload = {"action_id": running.id, "model": running.model, "incident_id": running.incident_id}
        platform.publish(connection, "action.started", f"action:{running.id}", payload)
    _note(connection, platform, running, began)
    reached("action.executed")


def _reach_outside(platform: Platform, action_id: str) -> Commit | None:
    """Do what lies outside of the database, before the commit that says that it is done."""
    request = platform.database.read(lambda connection: load_action(connection, action_id))
    handler = ACTION_HANDLERS.get(request.kind)
    # Whoever gave it up meanwhile does not want it done any more.
    if request.state is not ActionState.RUNNING or handler is None:
        return None
    given_up = None
    try:
        began: Began | TrimtabError = handler.reach_outside(platform, request)
    except (BackendError, OSError) as error:
        given_up = gives_up_outside(platform, request, error)
        if given_up is None:
            raise
    except TrimtabError as error:
        began = error
    reached("action.outside_done")

    def commit(connection: Connection) -> None:
        running = load_action(connection, action_id)
        if running.state is not ActionState.RUNNING:
            return
        if given_up is not None:
            give_up(connection, platform, running, given_up)
        elif isinstance(began, TrimtabError):
            _fail(connection, platform, running, str(began))
        else:
            _note(connection, platform, running, began)

    return commit


def _note(connection: Connection, platform: Platform, running: ActionRequest, began: Began) -> None:
    if began.effect:
        running = save_action(connection, dataclasses.replace(running, effect=began.effect))
    if began.outcome is not None:
        finish_action(connection, platform, running, ActionState.SUCCEEDED, began.outcome)
    note_action(connection, platform, running, began.outcome or "started")


def _fail(connection: Connection, platform: Platform, running: ActionRequest, why: str) -> None:
    finish_action(connection, platform, running, ActionState.FAILED, why)
    note(connection, platform, running.incident_id, f"{running.kind} failed", why)
