"""What a way back is to leave: a version, and the rollout that brings it. By the time it runs that may be another."""

from __future__ import annotations

from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Connection
from trimtab.loop.releases import aliases_of
from trimtab.remediation.actions import ActionRequest
from trimtab.rollout.store import active_rollout
from trimtab.rollout.way_back import came_back, promoted_versions, reinstatements, way_back, went_back

__all__ = ["in_words", "left_by_going_back", "why_no_way_back", "why_not_left"]

_LEAVES = "leaves"


def left_by_going_back(connection: Connection, endpoint: str) -> JsonObject:
    """Return, as parameters of a way back, which version it would leave now; empty where nothing serves.

    While a rollout is under way that is its candidate: what goes back aborts it.
    """
    running = active_rollout(connection, endpoint)
    version = aliases_of(connection, endpoint).get("champion") if running is None else running.spec.candidate.number
    if version is None:
        return {}
    return {_LEAVES: {"version": version, "rollout_id": None if running is None else running.id}}


def why_no_way_back(connection: Connection, endpoint: str) -> str | None:
    """Return why the platform proposes no way back on ``endpoint`` now; None where there is one.

    Nothing that goes back is answered by going back: one mistake would take an endpoint down its whole history.
    """
    running = active_rollout(connection, endpoint)
    if running is not None:
        under_way = f"version {running.spec.candidate.number} is on its way back to {endpoint} already"
        return under_way if running.id in went_back(connection, endpoint) else None
    if not way_back(promoted_versions(connection, endpoint), reinstatements(connection, endpoint)):
        return f"no other version served on {endpoint} before, so that there is no way back"
    if not came_back(connection, endpoint):
        return None
    version = aliases_of(connection, endpoint).get("champion")
    return f"version {version} serves since somebody went back to it; further back goes only who names the version"


def in_words(model: str, params: JsonObject) -> str:
    """Return for what a way back with these parameters is, as an approver reads it."""
    leaves = params.get(_LEAVES)
    if leaves is None:
        return f"go back to the version of {model} that served before"
    if leaves["rollout_id"] is not None:
        return f"take version {leaves['version']} of {model} back, which is being rolled out"
    return f"go back from version {leaves['version']} of {model} to the one that served before"


def why_not_left(connection: Connection, request: ActionRequest) -> str | None:
    """Return why a way back would not leave what it was agreed to leave; None where it would, or never said.

    A version that was promoted meanwhile is still the one that was meant; another rollout of it is not.
    """
    meant = request.params.get(_LEAVES)
    if meant is None or request.endpoint is None:
        return None
    now = left_by_going_back(connection, request.endpoint).get(_LEAVES, {"version": None, "rollout_id": None})
    if now["version"] == meant["version"] and now["rollout_id"] in {None, meant["rollout_id"]}:
        return None
    present = (
        f"version {now['version']} serves now"
        if now["rollout_id"] is None
        else f"another rollout, of version {now['version']}, is under way now"
    )
    return f"it was to leave version {meant['version']} of {request.model}, and {present}; nothing was done"
