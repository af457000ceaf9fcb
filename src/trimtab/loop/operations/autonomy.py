"""Pausing autonomy and taking it up again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop import autonomy
from trimtab.loop.actor import Actor
from trimtab.loop.model_files import load_policy
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Limited, Reason
from trimtab.remediation.pause import EVERYTHING, Pause, list_pauses, pauses_in_force

__all__ = ["PauseAutonomy", "ResumeAutonomy", "autonomy_now", "pause_autonomy", "resume_autonomy", "show_autonomy"]

_LONGEST = timedelta(days=31)


def _some_time(found: timedelta) -> timedelta:
    if not timedelta(0) < found <= _LONGEST:
        raise ValueError("expected more than 0s and at most 31d; for good, set autonomy: off in policy.yaml")
    return found


class PauseAutonomy(Strict):
    """For how long, and why."""

    lasts: Annotated[Duration, AfterValidator(_some_time)] = Field(description="For how long, e.g. 4h; at most 31d.")
    reason: Reason
    model: Name | None = Field(default=None, description="Only this model; left out: all.")


class ResumeAutonomy(Strict):
    """What, and why."""

    reason: Reason = ""
    model: Name | None = Field(default=None, description="What was paused for this model; left out: for all.")


@operation("autonomy.pause", "POST", "/api/autonomy/pause", Role.OPERATOR, PauseAutonomy)
def pause_autonomy(platform: Platform, actor: Actor, request: PauseAutonomy) -> JsonObject:
    """Let nothing run by itself for a while: what would, waits for approval."""
    with platform.database.transaction() as connection:
        begun = autonomy.pause(
            connection, platform, model=request.model, lasts=request.lasts, reason=request.reason, by=actor.name
        )
    return _described(begun)


@operation("autonomy.resume", "POST", "/api/autonomy/resume", Role.APPROVER, ResumeAutonomy)
def resume_autonomy(platform: Platform, actor: Actor, request: ResumeAutonomy) -> JsonObject:
    """End a pause before its time; what waits for approval by then goes on waiting."""
    with platform.database.transaction() as connection:
        ended = autonomy.resume(connection, platform, model=request.model, reason=request.reason, by=actor.name)
        left = pauses_in_force(connection, platform.now_us())
    return {"ended": [_described(one) for one in ended], "pauses": [_described(one) for one in left]}


@operation("autonomy.status", "GET", "/api/autonomy", Role.VIEWER, Limited)
def show_autonomy(platform: Platform, _actor: Actor, request: Limited) -> JsonObject:
    """Say whether anything may run by itself now, and which pauses there were."""
    with platform.database.reading() as connection:
        told = autonomy_now(connection, platform)
        past = list_pauses(connection, limit=request.limit)
    return {**told, "newest": [_described(one) for one in past]}


def autonomy_now(connection: Connection, platform: Platform) -> JsonObject:
    """Return the switch of the policy, the pauses in force, and the quiet hours that hold now, as the API tells them.

    ``on`` is None where the policy cannot be read: then nothing is decided at all.
    """
    pauses = [_described(one) for one in pauses_in_force(connection, platform.now_us())]
    try:
        policy = load_policy(platform.project).value
    except ConfigError:
        return {"on": None, "pauses": pauses, "quiet_hours": []}
    now = platform.clock.now()
    quiet = [str(one) for one in policy.limits.quiet_hours if one.holds(now)]
    return {"on": policy.autonomy, "pauses": pauses, "quiet_hours": quiet}


def _described(pause: Pause) -> JsonObject:
    return {
        "pause_id": pause.id,
        "model": None if pause.scope == EVERYTHING else pause.scope,
        "from_us": pause.from_us,
        "until_us": pause.until_us,
        "reason": pause.reason,
        "actor": pause.actor,
        "ended_us": pause.ended_us,
        "ended_by": pause.ended_by,
    }
