"""What follows a rollout's end: its action ends too, and what waited for it goes on."""

from __future__ import annotations

from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cases import note
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import finish_action
from trimtab.loop.leaving import why_not_left
from trimtab.loop.platform import Platform
from trimtab.loop.retrainings import release_what_waits
from trimtab.remediation.action_store import list_actions, load_action
from trimtab.remediation.actions import ActionState
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import Rollout, active_rollout, load_rollout

__all__ = ["conclude_action", "conclude_rollout"]


def conclude_rollout(platform: Platform, event: Event) -> Commit | None:
    """End the action of a finished rollout, drop ways back that it overtook, and release what waited for its end."""

    def commit(connection: Connection) -> None:
        rollout = load_rollout(connection, str(event.payload["rollout_id"]))
        if rollout.action_id is not None:
            conclude_action(connection, platform, rollout, rollout.action_id)
        _drop_overtaken(connection, platform, rollout)
        release_what_waits(connection, platform, rollout.spec.model)

    return commit


def conclude_action(connection: Connection, platform: Platform, rollout: Rollout, action_id: str) -> None:
    """End the action whose rollout has ended, in the caller's transaction; one that is over is left alone."""
    request = load_action(connection, action_id)
    if request.state is not ActionState.RUNNING:
        return
    number, phase = rollout.spec.candidate.number, rollout.state.phase
    reason = str((rollout.last or {}).get("reason", ""))
    outcome = f"version {number} {phase.value.replace('_', ' ')}: {reason}"
    # Rolled back is an answer; failed means that the version never got to the question.
    state = ActionState.FAILED if phase is Phase.FAILED else ActionState.SUCCEEDED
    finish_action(connection, platform, request, state, outcome)
    note(connection, platform, request.incident_id, f"rollout of version {number}: {phase}", reason)


def _drop_overtaken(connection: Connection, platform: Platform, rollout: Rollout) -> None:
    """Cancel the ways back that wait to leave what serves no more: they would keep another one from being asked for."""
    if active_rollout(connection, rollout.spec.endpoint) is not None:
        return
    waiting = list_actions(
        connection, model=rollout.spec.model, kind=ActionKind.ROLL_BACK, state=ActionState.WAITING_APPROVAL
    )
    for request in waiting:
        why = why_not_left(connection, request)
        if why is not None:
            finish_action(connection, platform, request, ActionState.CANCELLED, why)
            note(connection, platform, request.incident_id, f"{request.kind} cancelled", why)
