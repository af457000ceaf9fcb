"""Actions that bring another version into production: retrain, deploy, roll back, reinstate."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from sqlalchemy import select

from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.tables import job
from trimtab.loop.actions.base import AtOnce, Began, Undo
from trimtab.loop.platform import Platform
from trimtab.loop.reinstating import reinstate
from trimtab.loop.releases import aliases_of, start_rollout
from trimtab.loop.rollbacks import start_rollback
from trimtab.loop.rollouts import operate_rollout
from trimtab.loop.trainings import cancel_training, find_job, request_training
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind
from trimtab.retraining.store import note_job
from trimtab.rollout import store
from trimtab.rollout.machine import Operation
from trimtab.rollout.strategies import planned_duration

__all__ = ["Deploy", "Reinstate", "Retrain", "RollBack"]

_GIVEN_UP_AFTER = timedelta(days=14)
"""Longer than people leave a rollout waiting that asked for them; a training has limits of its own."""


class _Release(AtOnce):
    """What ends with a rollout: it lasts as long as that is planned to, and two weeks more."""

    def lasts(self, platform: Platform, request: ActionRequest) -> timedelta:
        """Return the rollout's planned time and two weeks; where no file can be read, the two weeks."""
        try:
            return planned_duration(platform.files(request.model).strategy) + _GIVEN_UP_AFTER
        except (ConfigError, NotFoundError):
            return _GIVEN_UP_AFTER

    def cancel(self, connection: Connection, platform: Platform, request: ActionRequest, *, by: str, why: str) -> None:
        """Abort the action's rollout, so that what served before has all traffic again."""
        for rollout in store.list_rollouts(connection, model=request.model, active_only=True):
            if rollout.action_id == request.id:
                operate_rollout(connection, platform, rollout, Operation.ABORT, by=by, reason=why)

    def undo(self, request: ActionRequest) -> Undo | None:
        """Return the way back to what served before; none for what itself went back."""
        if request.undoes is not None:
            return None
        purpose = f"go back to the version of {request.model} that served before"
        return Undo(ActionKind.ROLL_BACK, purpose, {})


class Retrain(_Release):
    """Has a model trained; what comes of it is released if it is better and the grant covers that."""

    kind: ClassVar[ActionKind] = ActionKind.RETRAIN

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Ask for the training; one request asks for one."""
        effect = _serving(connection, platform, request)
        job_id = request_training(
            connection,
            platform,
            request.model,
            key=_key(request),
            actor=request.decided_by or request.requested_by,
            until_us=request.params.get("until_us"),
            action_id=request.id,
        )
        note_job(connection, request.id, job_id)
        reached("retraining.requested")
        return Began(None, effect)

    def cancel(self, connection: Connection, platform: Platform, request: ActionRequest, *, by: str, why: str) -> None:
        """Stop the training, or abort the rollout of what came of it."""
        super().cancel(connection, platform, request, by=by, why=why)
        job_id = connection.scalar(select(job.c.id).where(job.c.idempotency_key == _key(request)))
        found = None if job_id is None else find_job(connection, job_id)
        if found is not None and found.finished_us is None and found.cancelled_by is None:
            cancel_training(connection, platform, found, by=by)


class Deploy(_Release):
    """Rolls a version out by the model's own strategy."""

    kind: ClassVar[ActionKind] = ActionKind.DEPLOY

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Start the rollout, whose end is the action's end."""
        effect = _serving(connection, platform, request)
        files = platform.files(request.model)
        by = request.decided_by or request.requested_by
        number = int(request.params["number"])
        reason = str(request.params.get("reason", request.reason))
        start_rollout(connection, platform, files, number, by=by, reason=reason, action_id=request.id)
        return Began(None, effect)


class RollBack(_Release):
    """Goes back at once to a version that served before."""

    kind: ClassVar[ActionKind] = ActionKind.ROLL_BACK

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Abort what is under way, or bring the earlier version back."""
        effect = _serving(connection, platform, request)
        by = request.decided_by or request.requested_by
        number = request.params.get("number")
        answer = start_rollback(
            connection,
            platform,
            request.model,
            by=by,
            reason=str(request.params.get("reason") or request.params.get("because") or request.reason),
            to=None if number is None else int(number),
            action_id=request.id,
        )
        return Began(answer.done, effect)

    def undo(self, _request: ActionRequest) -> Undo | None:
        """Return None: forth again goes only who names the version."""
        return None


class Reinstate(_Release):
    """Lets a kept version serve again, since it would do better now."""

    kind: ClassVar[ActionKind] = ActionKind.REINSTATE

    def start(self, connection: Connection, platform: Platform, request: ActionRequest) -> Began:
        """Start its rollout."""
        effect = _serving(connection, platform, request)
        return Began(reinstate(connection, platform, request), effect)


def _serving(connection: Connection, platform: Platform, request: ActionRequest) -> dict[str, int | None]:
    """Return which version serves, before anything changes."""
    try:
        endpoint = request.endpoint or platform.files(request.model).endpoint
    except (ConfigError, NotFoundError):
        return {}
    return {"instead_of": aliases_of(connection, endpoint).get("champion")}


def _key(request: ActionRequest) -> str:
    return f"action:{request.id}"
