"""Who keeps a feed in quarantine: the cases, and the people, that set it aside since it was last trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.db.engine import Connection
from trimtab.lake.feeds import feed_states
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import load_incident

__all__ = ["cases_holding", "quarantines"]


def quarantines(connection: Connection, model: str) -> Mapping[str, Sequence[ActionRequest]]:
    """Return, for each feed of ``model`` that is quarantined, the actions that did it since it was last released.

    None of them where somebody did it without an action.
    """
    found: dict[str, list[ActionRequest]] = {
        state.name: [] for state in feed_states(connection, model) if state.quarantined
    }
    if not found:
        return found
    moved = [
        action
        for kind in (ActionKind.QUARANTINE_FEED, ActionKind.RELEASE_FEED)
        for action in list_actions(connection, model=model, kind=kind, state=ActionState.SUCCEEDED)
    ]
    for action in sorted(moved, key=lambda one: (one.finished_us or 0, one.id)):
        for name in found.keys() & set(action.params["feeds"]):
            found[name] = [] if action.kind is ActionKind.RELEASE_FEED else [*found[name], action]
    return found


def cases_holding(connection: Connection, held: Sequence[ActionRequest]) -> list[Incident] | None:
    """Return the cases for which a feed was quarantined; None where a person set it aside, for no case."""
    ids = dict.fromkeys(action.incident_id for action in held)
    if not ids or None in ids:
        return None
    return [load_incident(connection, incident_id) for incident_id in ids if incident_id is not None]
