"""Small regular duties: heartbeat, requests whose time is over, checkpoints of the audit log, sweeping, forgetting."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import insert, update

from trimtab.audit import log as audit
from trimtab.audit.index import catch_up
from trimtab.config.database import database_url
from trimtab.db.engine import machine_us
from trimtab.db.tables import heartbeat
from trimtab.files.processes import started_ticks
from trimtab.loop.cases import note
from trimtab.loop.checkpoints import Checkpoints
from trimtab.loop.leftovers import sweep
from trimtab.loop.platform import Platform
from trimtab.loop.request_claims import forget_requests
from trimtab.loop.retention import forget_old
from trimtab.loop.sessions import forget_sessions
from trimtab.remediation.action_store import list_actions, save_action
from trimtab.remediation.actions import ActionState
from trimtab.remediation.approvals import expire, is_due_to_expire
from trimtab.remediation.vote_store import votes_of
from trimtab.retraining.store import note_outcome

__all__ = ["Upkeep", "expire_requests"]

_log = structlog.get_logger(__name__)

_BEAT_S = 5.0
_CHECKPOINT_S = 60.0
"""How far apart checkpoints are at least: one is written as soon as there is something new to write."""
_LOOK_S = 5.0
_TELL_S = 60.0
_SWEEP_S = 3600.0
_FORGET_S = 3600.0
_FORGET_MORE_S = 1.0
_LEFT_FOR = timedelta(hours=1)


def expire_requests(platform: Platform) -> bool:
    """End the requests that nobody decided in time; return whether there were any."""
    now = platform.clock.now()
    with platform.database.reading() as connection:
        waiting = list_actions(connection, state=ActionState.WAITING_APPROVAL)
    due = [request for request in waiting if is_due_to_expire(request, now)]
    for request in due:
        with platform.database.transaction() as connection:
            after = save_action(connection, expire(request, now, votes_of(connection, request.id)))
            note_outcome(connection, after.id, f"expired: {after.outcome}")
            payload = {"action_id": after.id, "model": after.model, "incident_id": after.incident_id}
            platform.publish(connection, "action.finished", f"action:{after.id}", payload)
            note(connection, platform, after.incident_id, f"{after.kind} expired", after.outcome)
            audit.append(
                connection,
                at_us=platform.now_us(),
                actor="conductor",
                action="action.expired",
                subject=f"action:{after.id}",
                reason=after.outcome,
            )
    return bool(due)


class Upkeep:
    """Duties with an interval of their own. It never counts as work done.

    With ``beats`` it tells every few seconds that this process is the control plane and lives. Others name no key for
    the audit log, unless the database is the project's own.
    """

    def __init__(self, platform: Platform, *, beats: bool = True) -> None:
        self._platform = platform
        self._beats = beats
        self._started_us = machine_us()
        self._checkpoints = Checkpoints(platform, names_keys=beats or database_url() is None)
        self._due = {"beat": 0.0, "checkpoint": 0.0, "sweep": 0.0, "forget": 0.0, "tell": 0.0}

    def run(self) -> bool:
        """Do what is due; return False."""
        if self._beats and self._is_due("beat", _BEAT_S):
            self._beat()
        if self._is_due("sweep", _SWEEP_S):
            self._sweep()
        if self._is_due("tell", _TELL_S):
            self._platform.refusals.tell(self._platform.database, at_us=self._platform.now_us())
        if self._is_due("forget", _FORGET_S) and forget_old(self._platform, machine_us=machine_us()):
            self._due["forget"] = time.monotonic() + _FORGET_MORE_S
        # Last: a log that was tampered with stops this duty, and no other.
        if self._is_due("checkpoint", _LOOK_S) and self._checkpoint():
            self._due["checkpoint"] = time.monotonic() + _CHECKPOINT_S
        return False

    def _is_due(self, duty: str, interval_s: float) -> bool:
        if time.monotonic() < self._due[duty]:
            return False
        self._due[duty] = time.monotonic() + interval_s
        return True

    def _beat(self) -> None:
        values = {
            "pid": os.getpid(),
            "process_started_us": self._started_us,
            "beat_us": machine_us(),
            "spec": {"start_ticks": started_ticks(os.getpid())},
        }
        with self._platform.database.transaction() as connection:
            changed = connection.execute(
                update(heartbeat).where(heartbeat.c.process == "control-plane").values(**values)
            )
            if changed.rowcount == 0:
                connection.execute(insert(heartbeat).values(process="control-plane", **values))

    def _sweep(self) -> None:
        # Files bear the machine's time, whatever the platform's clock says.
        limit = datetime.now(UTC) - _LEFT_FOR
        removed = sweep(self._platform.project, self._platform.lake.root, older_than=limit)
        removed += self._platform.lake.storage.sweep(older_than=limit)
        removed += self._checkpoints.thin()
        with self._platform.database.transaction() as connection:
            removed += forget_sessions(connection, now_us=machine_us())
            removed += forget_requests(connection, now_us=machine_us())
        if removed:
            _log.info("leftovers.swept", removed=removed)

    def _checkpoint(self) -> bool:
        """Write a checkpoint if the audit log has grown since the last one; return whether it had."""
        if not self._checkpoints.write():
            return False
        catch_up(self._platform.database)
        return True
