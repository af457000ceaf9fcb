"""Taking back a request: before anybody decided, before it ran, or while it runs."""

from __future__ import annotations

from trimtab.core.errors import ConflictError, IllegalTransitionError
from trimtab.db.engine import Connection
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.cases import note
from trimtab.loop.gate import finish_action
from trimtab.loop.platform import Platform
from trimtab.loop.rechecking import ends_with_its_case
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState

__all__ = ["cancel_action", "cancel_outlived"]


def cancel_action(
    connection: Connection, platform: Platform, request: ActionRequest, *, by: str, why: str
) -> ActionRequest:
    """Cancel a request in the caller's transaction; one that runs is stopped by its handler.

    Raises:
        IllegalTransitionError: it is over.
        ConflictError: it is writing outside of the database right now, or changed since it was read.
    """
    if not request.state.is_open:
        raise IllegalTransitionError(
            f"action {request.id}: is over already ({request.state}); nothing is left to cancel"
        )
    handler = ACTION_HANDLERS.get(request.kind)
    if request.state is ActionState.RUNNING and handler is not None:
        if handler.outside:
            raise ConflictError(
                f"action {request.id}: is being written at this moment, which ends within minutes; look again, and "
                "take it back then"
            )
        handler.cancel(connection, platform, request, by=by, why=why)
    after = finish_action(connection, platform, request, ActionState.CANCELLED, f"cancelled by {by}: {why}", by=by)
    note(connection, platform, request.incident_id, f"{request.kind} cancelled by {by}", why)
    return after


def cancel_outlived(connection: Connection, platform: Platform, incident_id: str) -> None:
    """Cancel, in the caller's transaction, what waits for approval and is of no use now that its case is over."""
    why = "its case was over before anybody agreed; nothing was done"
    for request in list_actions(connection, incident_id=incident_id, state=ActionState.WAITING_APPROVAL):
        if ends_with_its_case(request):
            finish_action(connection, platform, request, ActionState.CANCELLED, why)
            note(connection, platform, incident_id, f"{request.kind} cancelled", why)
