"""Actions that run and do not end: those that a server has taken up end, those whose time is over are given up."""

from __future__ import annotations

import structlog

from trimtab.core.clock import from_micros
from trimtab.core.errors import BackendError, ConflictError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.cases import note
from trimtab.loop.escalating import escalate
from trimtab.loop.gate import finish_action
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import load_action, overdue_actions, running_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind

__all__ = ["end_overdue", "give_up", "gives_up_outside", "settle_served"]

_log = structlog.get_logger(__name__)

_SERVED = (ActionKind.SCALE, ActionKind.CLEAR_CACHE, ActionKind.PAUSE_ENDPOINT, ActionKind.RESUME_ENDPOINT)


def settle_served(platform: Platform) -> bool:
    """End the actions whose generation every worker serves; return whether there were any."""
    with platform.database.reading() as connection:
        running = running_actions(connection, _SERVED)
    ended = False
    for request in running:
        try:
            outcome = _served(platform, request)
        except BackendError as error:
            _log.warning("action.not_observed", action=request.id, error=str(error))
            continue
        if outcome is not None:
            ended |= _end(platform, request, ActionState.SUCCEEDED, outcome)
    return ended


def end_overdue(platform: Platform) -> bool:
    """Give up the actions that run past their deadline, and ask people to take over; return whether there were any.

    Not those whose work outside of the database is still to be done, or to be told of: it may be done already, and
    only whoever does it can say so (`gives_up_outside`).
    """
    now_us = platform.now_us()
    with platform.database.reading() as connection:
        late = [one for one in overdue_actions(connection, now_us) if not _is_at_work(connection, platform, one)]
    ended = False
    for request in late:
        ended |= _end(platform, request, ActionState.FAILED, _told_late(request))
    return ended


def gives_up_outside(platform: Platform, request: ActionRequest, error: Exception) -> str | None:
    """Return why an action is given up whose work outside cannot be done, None while there is time to try again."""
    if request.deadline_us is None or platform.now_us() < request.deadline_us:
        return None
    return f"{_told_late(request)}: {error}"


def give_up(connection: Connection, platform: Platform, request: ActionRequest, why: str) -> str:
    """End a running action as failed in the caller's transaction, ask people to take over, and return what was told."""
    outcome = f"{why}{_cancelled(connection, platform, request, why)}"
    escalate(connection, platform, request.model, outcome, about=request.id, incident_id=request.incident_id)
    finish_action(connection, platform, request, ActionState.FAILED, outcome)
    note(connection, platform, request.incident_id, f"{request.kind} {ActionState.FAILED}", outcome)
    return outcome


def _told_late(request: ActionRequest) -> str:
    until = from_micros(request.deadline_us or request.created_us).isoformat(timespec="seconds")
    return f"{request.kind} of {request.model} did not end by {until}, and was given up"


def _is_at_work(connection: Connection, platform: Platform, request: ActionRequest) -> bool:
    handler = ACTION_HANDLERS.get(request.kind)
    if handler is None or not handler.outside:
        return False
    return platform.outbox.is_coming(connection, "action.started", f"action:{request.id}")


def _end(platform: Platform, request: ActionRequest, state: ActionState, outcome: str) -> bool:
    try:
        with platform.database.transaction() as connection:
            present = load_action(connection, request.id)
            if present.state is not ActionState.RUNNING:
                return False
            if state is ActionState.FAILED:
                give_up(connection, platform, present, outcome)
                return True
            finish_action(connection, platform, present, state, outcome)
            note(connection, platform, request.incident_id, f"{request.kind} {state}", outcome)
    except ConflictError as error:
        # Somebody else moved it on at this moment; the next look sees where it stands.
        _log.info("action.moved", action=request.id, error=str(error))
        return False
    return True


def _cancelled(connection: Connection, platform: Platform, request: ActionRequest, why: str) -> str:
    """Stop what the action began, and return what could not be stopped, in words; empty if all was."""
    handler = ACTION_HANDLERS.get(request.kind)
    if handler is None or handler.outside:
        return ""
    try:
        with connection.begin_nested():
            handler.cancel(connection, platform, request, by="conductor", why=why)
    except TrimtabError as error:
        return f"; it could not be stopped ({error})"
    return ""


def _served(platform: Platform, request: ActionRequest) -> str | None:
    """Return what is so now, None while a worker still serves what was before."""
    generation = request.effect.get("generation")
    if generation is None:
        return None
    status = platform.deployer.observe(request.endpoint or request.model)
    if status is None or status.generation < generation or status.error is not None:
        return None
    return f"every worker serves generation {status.generation}"
