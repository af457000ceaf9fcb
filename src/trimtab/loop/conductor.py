"""The conductor: small workers that each take the next piece of work by lease, until told to stop.

A worker is a function that does at most one piece of work and says whether there was any. Doing a piece twice has the
effect of once, so a crash between any two lines is followed by doing it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy import select

from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError, ConflictError, TrimtabError
from trimtab.db import leases
from trimtab.db.engine import Connection, machine_us
from trimtab.db.outbox import Delivery, Event
from trimtab.db.tables import heartbeat
from trimtab.files.disk import is_of_the_disk
from trimtab.loop.fencing import Fence
from trimtab.loop.holders import is_gone
from trimtab.loop.platform import Platform

__all__ = ["Commit", "Conductor", "Handler", "Worker", "deliver_once"]

_log = structlog.get_logger(__name__)

_DELIVERY_LEASE_S = 10.0
_LANE_TTL_S = 8.0
_RENEW_S = 2.0
_STALE_S = 30.0
"""After how long without a renewal or a beat nobody is said to be at work: longer than a restart takes."""
_LOGGED_IDS = frozenset({"run_id", "incident_id", "action_id", "job_id", "rollout_id"})
_IDLE_S = 0.1
_SLOWER = 1.2
_IDLE_AT_MOST_S = 0.5
_AFTER_ERROR_S = 1.0

Commit = Callable[[Connection], None]
"""What a handler wants written; runs in the transaction that marks the event as delivered."""

Handler = Callable[[Platform, Event], Commit | None]
"""Takes an event, does its I/O (idempotently), and returns what to write."""

Worker = Callable[[], bool]


def deliver_once(platform: Platform, handlers: Mapping[str, Handler], subscriber: str) -> bool:
    """Deliver the oldest due event to ``subscriber``; return whether there was one."""
    with platform.database.reading() as connection:
        if not platform.outbox.has_due(connection, subscriber, machine_us=machine_us()):
            return False
    with platform.database.transaction() as connection:
        delivery = platform.outbox.claim(connection, subscriber, machine_us=machine_us(), lease_s=_DELIVERY_LEASE_S)
    if delivery is None:
        return False
    # The aggregate names the case (`incident:…`, `action:…`, `model:…`): it stands in all that is logged on the way.
    told = {"subscriber": subscriber, "kind": delivery.event.kind, "aggregate": delivery.event.aggregate}
    ids = {name: value for name, value in delivery.event.payload.items() if name in _LOGGED_IDS}
    with structlog.contextvars.bound_contextvars(**told, **ids):
        _deliver(platform, handlers[subscriber], delivery)
    return True


def _deliver(platform: Platform, handler: Handler, delivery: Delivery) -> None:
    try:
        commit = handler(platform, delivery.event)
        with platform.database.transaction() as connection:
            if commit is not None:
                commit(connection)
            platform.outbox.complete(connection, delivery)
        reached("event.committed")
    except ConflictError as error:
        _log.info("delivery.conflict", error=str(error))
        _put_back(platform, delivery, str(error))
    except TrimtabError as error:
        _log.warning("delivery.failed", error=str(error))
        _put_back(platform, delivery, str(error), outage=isinstance(error, BackendError))
    except Exception as error:  # noqa: BLE001 - the boundary of a delivery: it is retried, and the loop goes on
        of_the_disk = is_of_the_disk(error)
        if of_the_disk:
            _log.warning("delivery.failed", error=str(error))
        else:
            _log.exception("delivery.crashed")
        _put_back(platform, delivery, f"{type(error).__name__}: {error}", outage=of_the_disk)


def _put_back(platform: Platform, delivery: Delivery, error: str, *, outage: bool = False) -> None:
    with platform.database.transaction() as connection:
        dead = platform.outbox.fail(connection, delivery, error, machine_us=machine_us(), outage=outage)
    if dead:
        _log.error("delivery.dead", subscriber=delivery.subscriber, event_id=delivery.event.id, error=error)


@dataclass(frozen=True, slots=True)
class Lane:
    """Workers that share a thread, in order of urgency. Lanes with the same lease never run in two processes.

    One that finds nothing to do for a while looks again every ``idle_at_most_s`` seconds, or when it is woken.
    What the workers write goes through a platform that ``fence`` guards.
    """

    name: str
    workers: tuple[Worker, ...]
    start: Callable[[], None] | None = None
    idle_at_most_s: float = _IDLE_AT_MOST_S
    fence: Fence = field(default_factory=Fence)


class Conductor:
    """Runs lanes, each in a thread of its own, and only while this process holds the lane's lease.

    Leases are renewed by a thread of their own, so a long piece of work keeps its lane. After a crash another process
    of the machine, or the next start, takes over at its next renewal; one of another machine within seconds. What a
    paused holder then still writes is refused by its lane's fence, and an event's delivery or a message by a token of
    its own.
    """

    def __init__(self, platform: Platform, lanes: tuple[Lane, ...], *, holder: str) -> None:
        self._platform = platform
        self._lanes = lanes
        self._holder = holder
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._held_until: dict[str, float] = {}
        self._began_s = self._renewed_s = time.monotonic()

    def start(self) -> None:
        """Start one thread a lane, and the one that renews leases."""
        self._renew()
        self._spawn("leases", self._keep_renewing)
        for lane in self._lanes:
            self._spawn(lane.name, self._run, lane)

    def stop(self, timeout_s: float = 20.0) -> None:
        """Let each lane finish the piece it is at, then end and give the leases back."""
        self._stop.set()
        self._platform.wake.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._give_back()

    def why_stuck(self, connection: Connection) -> str | None:
        """Return why nothing is worked on any more, None while it is: by this process, or by the one with the leases.

        A long piece of work is no reason: it holds up its own lane, and the decisions go on and beat.
        """
        now_s = time.monotonic()
        ended = sorted(thread.name for thread in self._threads if not thread.is_alive())
        if ended:
            return f"threads have ended: {', '.join(ended)}"
        if now_s - self._renewed_s > _STALE_S:
            return f"the leases were last renewed {now_s - self._renewed_s:.0f} s ago"
        newest_us = connection.execute(
            select(heartbeat.c.beat_us).where(heartbeat.c.process == "control-plane")
        ).scalar_one_or_none()
        silent_s = (machine_us() - (newest_us or 0)) / 1_000_000
        if min(silent_s, now_s - self._began_s) > _STALE_S:
            return (
                "the decisions have not beaten yet" if newest_us is None else f"the last beat is {silent_s:.0f} s old"
            )
        return None

    def run_until(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Work in the caller's thread until ``done()`` or the time is over; return whether it is done."""
        deadline = time.monotonic() + timeout_s
        self._renew()
        self._spawn("leases", self._keep_renewing)
        try:
            while not done():
                if time.monotonic() > deadline:
                    return False
                if not any([self._step(lane) for lane in self._lanes]):
                    time.sleep(_IDLE_S)
            return True
        finally:
            self.stop()

    def _spawn(self, name: str, run: Callable[..., None], *arguments: Lane) -> None:
        thread = threading.Thread(target=self._lasting, args=(run, *arguments), name=f"conductor-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _lasting(self, run: Callable[..., None], *arguments: Lane) -> None:
        """Run it until it is told to end: without its thread a lane, or all of them, would stand still unseen."""
        while not self._stop.is_set():
            try:
                run(*arguments)
            except Exception:  # noqa: BLE001 - the boundary of a thread: what got past that of a tick is met here
                with suppress(Exception):
                    _log.exception("conductor.thread_crashed", thread=threading.current_thread().name)
                self._stop.wait(_AFTER_ERROR_S)

    def _run(self, lane: Lane) -> None:
        if lane.start is not None:
            self._guarded(lane, lane.start)
        wake, idle_s = self._platform.wake, _IDLE_S
        while not self._stop.is_set():
            heard = wake.heard
            if self._step(lane) or wake.wait(heard, timeout_s=idle_s) > heard:
                idle_s = _IDLE_S
            else:
                # What comes from outside (a file, a result) is looked for less often the longer none came.
                idle_s = min(_SLOWER * idle_s, lane.idle_at_most_s)

    def _step(self, lane: Lane) -> bool:
        """Give each worker of the lane its turn; one that fails does not take the others' turn away."""
        answers = [self._guarded(lane, worker) for worker in lane.workers if self._may_work(lane)]
        if None in answers:
            self._stop.wait(_AFTER_ERROR_S)
        else:
            self._platform.hindered.forget(lane.name)
        return any(answers)

    def _may_work(self, lane: Lane) -> bool:
        return not self._stop.is_set() and self._held_until.get(lane.name, 0.0) >= time.monotonic()

    def _guarded(self, lane: Lane, work: Callable[[], bool | None]) -> bool | None:
        """Return what ``work`` says, None when it failed."""
        try:
            with lane.fence.turn():
                return bool(work())
        except ConflictError as error:
            # Somebody else was faster; the next turn sees what they did.
            _log.info("lane.conflict", lane=lane.name, error=str(error))
        except TrimtabError as error:
            self._tell_failed(lane, str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of a tick: logged, and the loop goes on
            if is_of_the_disk(error):
                self._tell_failed(lane, str(error))
            else:
                _log.exception("lane.crashed", lane=lane.name)
                self._platform.hindered.tell(lane.name, f"{type(error).__name__}: {error}; see the log")
        return None

    def _tell_failed(self, lane: Lane, error: str) -> None:
        _log.warning("lane.failed", lane=lane.name, error=error)
        self._platform.hindered.tell(lane.name, error)

    def _keep_renewing(self) -> None:
        while not self._stop.wait(_RENEW_S):
            try:
                self._renew()
            except TrimtabError as error:
                _log.warning("leases.failed", error=str(error))

    def _renew(self) -> None:
        asked_at = time.monotonic()
        got = {}
        with self._platform.database.transaction() as connection:
            for lane in self._lanes:
                got[lane.name] = leases.acquire(
                    connection,
                    _lease_of(lane),
                    self._holder,
                    machine_us=machine_us(),
                    ttl_s=_LANE_TTL_S,
                    is_gone=is_gone,
                )
        self._renewed_s = time.monotonic()
        # Only now is it so; and for one second less than the lease: this process stops before another may start.
        for lane in self._lanes:
            held = got[lane.name]
            if lane.fence.renewed(held):
                _log.warning("lane.lost", lane=lane.name, held_again=held is not None)
            self._held_until[lane.name] = 0.0 if held is None else asked_at + _LANE_TTL_S - 1.0

    def _give_back(self) -> None:
        at_work = {thread.name for thread in self._threads if thread.is_alive()}
        with self._platform.database.transaction() as connection:
            for lane in self._lanes:
                if f"conductor-{lane.name}" in at_work:
                    # Its lease runs out by itself; another process must not start beside it.
                    continue
                held = leases.acquire(connection, _lease_of(lane), self._holder, machine_us=machine_us(), ttl_s=1)
                if held is not None:
                    leases.release(connection, held)


def _lease_of(lane: Lane) -> str:
    return f"lane:{lane.name}"
