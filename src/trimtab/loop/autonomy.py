"""Pausing autonomy for a while: for one model or all of them, kept in the database, so that a restart forgets none."""

from __future__ import annotations

from datetime import timedelta

from trimtab.audit import log as audit
from trimtab.core.clock import from_micros
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import load_policy
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import Ruling
from trimtab.remediation.pause import EVERYTHING, Pause, end_pause, pauses_in_force, save_pause

__all__ = ["held_back", "pause", "resume"]

_BY_POLICY = "policy"


def pause(
    connection: Connection, platform: Platform, *, model: str | None, lasts: timedelta, reason: str, by: str
) -> Pause:
    """Pause autonomy from now on, in the caller's transaction.

    One that is in force for the same and ends no later is replaced. One that lasts longer stays: ending it is `resume`,
    which takes another role.

    Raises:
        NotFoundError: the project has no such model.
    """
    if model is not None:
        _require_model(platform, model)
    now = platform.clock.now()
    begun = Pause(
        id=platform.new_id(),
        scope=EVERYTHING if model is None else model,
        from_us=platform.now_us(),
        until_us=platform.now_us() + round(lasts / timedelta(microseconds=1)),
        reason=reason,
        actor=by,
    )
    for before in _of_scope(connection, platform, begun.scope):
        if before.until_us <= begun.until_us:
            end_pause(connection, before, at_us=platform.now_us(), by=by)
    save_pause(connection, begun)
    until = (now + lasts).isoformat(timespec="seconds")
    _tell(connection, platform, begun, "paused", by=by, reason=reason, until=until)
    return begun


def resume(connection: Connection, platform: Platform, *, model: str | None, reason: str, by: str) -> list[Pause]:
    """End what is paused for ``model``, or for all, in the caller's transaction; return what was.

    Raises:
        NotFoundError: nothing is paused there.
    """
    scope = EVERYTHING if model is None else model
    ended = [
        end_pause(connection, one, at_us=platform.now_us(), by=by) for one in _of_scope(connection, platform, scope)
    ]
    if not ended:
        where = "for all models" if model is None else f"for {model} by itself"
        raise NotFoundError(f"autonomy: is not paused {where}; see 'trimtab autonomy status'")
    for one in ended:
        _tell(connection, platform, one, "resumed", by=by, reason=reason, until=None)
    return ended


def held_back(connection: Connection, platform: Platform, request: ActionRequest) -> str | None:
    """Say what has kept this request from running by itself since the policy let it; None when nothing does.

    Whoever is about to run an action asks: between a decision and its execution a person may have paused autonomy or
    edited the policy, or quiet hours may have begun while nothing ran. What a person agreed to is not held back, nor is
    what only tells people; what takes an action back waits for a pause and the switch alone.
    """
    if request.decided_by != _BY_POLICY or request.kind.only_tells:
        return None
    paused = pauses_in_force(connection, platform.now_us(), model=request.model)
    if paused:
        return str(paused[0])
    try:
        policy = load_policy(platform.project).value
    except ConfigError as error:
        return f"the policy cannot be read any more: {error}"
    if not policy.autonomy:
        return "autonomy is switched off"
    if request.undoes is not None:
        return None
    floor = policy.floor_of(request.kind)
    if floor is not Ruling.AUTOMATIC:
        return f"{request.kind} needs {floor} at least by now"
    now = platform.clock.now()
    quiet = [one for one in policy.limits.quiet_hours if one.holds(now) and request.kind not in one.always]
    return f"quiet hours, {quiet[0]}" if quiet else None


def _of_scope(connection: Connection, platform: Platform, scope: str) -> list[Pause]:
    return [one for one in pauses_in_force(connection, platform.now_us()) if one.scope == scope]


def _require_model(platform: Platform, model: str) -> None:
    known = platform.project.model_names
    if model not in known:
        raise NotFoundError(f"model {model!r}: not in this project; expected one of {', '.join(known) or 'none'}")


def _tell(
    connection: Connection, platform: Platform, one: Pause, what: str, *, by: str, reason: str, until: str | None
) -> None:
    model = None if one.scope == EVERYTHING else one.scope
    payload = {"pause_id": one.id, "model": model, "until": until, "actor": by, "reason": reason}
    platform.publish(connection, f"autonomy.{what}", f"autonomy:{one.scope}", payload)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=by,
        action=f"autonomy.{what}",
        subject=f"autonomy:{one.scope}",
        reason=reason,
        detail={"pause_id": one.id, "model": model, "until": from_micros(one.until_us).isoformat(timespec="seconds")},
    )
