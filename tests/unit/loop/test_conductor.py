"""Work is taken once, a paused worker is refused, and what a killed one held is taken over."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from tests.unit.loop.projects import World

from trimtab.core.errors import BackendError, ConfigError, ConflictError
from trimtab.db import leases
from trimtab.db.engine import Connection, machine_us
from trimtab.db.outbox import Event, Outbox
from trimtab.db.tables import event_delivery, heartbeat, lease, schedule_run
from trimtab.loop import conductor as conducting
from trimtab.loop.conductor import Conductor, Handler, Lane, deliver_once
from trimtab.loop.hindered import Hindered
from trimtab.loop.platform import Platform


@pytest.fixture
def platform(world: World) -> Platform:
    """A platform whose events of kind ``e`` are heard by ``a``."""
    return replace(world.platform, outbox=Outbox({"e": ("a",)}))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of a second in place of eight."""
    monkeypatch.setattr(conducting, "_LANE_TTL_S", 2.0)
    monkeypatch.setattr(conducting, "_RENEW_S", 0.2)
    monkeypatch.setattr(conducting, "_AFTER_ERROR_S", 0.01)


@pytest.fixture
def started() -> Iterator[list[Conductor]]:
    """Conductors that are stopped at the end, whatever happens."""
    conductors: list[Conductor] = []
    yield conductors
    for conductor in conductors:
        conductor.stop(timeout_s=5)


def _publish(platform: Platform, count: int = 1) -> None:
    with platform.database.transaction() as connection:
        for number in range(count):
            happened = Event("e", f"model:{number}", {"n": number}, at_us=0)
            platform.outbox.publish(connection, happened, machine_us=0)


def _note(name: str) -> Callable[[Connection], None]:
    """An effect that can be had once only."""

    def commit(connection: Connection) -> None:
        connection.execute(insert(schedule_run).values(name=name, last_us=0))

    return commit


def _noted(platform: Platform) -> list[str]:
    return list(platform.database.read(lambda c: c.execute(select(schedule_run.c.name)).scalars().all()))


def _state(platform: Platform) -> tuple[str, int, str | None]:
    query = select(event_delivery.c.state, event_delivery.c.attempts, event_delivery.c.error)
    row = platform.database.read(lambda c: c.execute(query).one())
    return row.state, row.attempts, row.error


def _until(what: Callable[[], bool], within_s: float = 10.0) -> float:
    """Wait for ``what``; return how long that took, in seconds."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within_s, f"did not come about within {within_s} s"
        time.sleep(0.01)
    return time.monotonic() - began


def test_an_event_is_delivered_with_its_effects_and_then_no_more(platform: Platform) -> None:
    _publish(platform)
    handlers: dict[str, Handler] = {"a": lambda _platform, event: _note(f"n{event.payload['n']}")}
    assert deliver_once(platform, handlers, "a")
    assert not deliver_once(platform, handlers, "a")
    assert (_noted(platform), _state(platform)[0]) == (["n0"], "done")


def test_a_handler_that_fails_is_tried_again_and_dead_after_eight_attempts(platform: Platform) -> None:
    _publish(platform)

    def fails(_platform: Platform, _event: Event) -> None:
        raise ConfigError("policy.yaml: gone; bring it back")

    for attempt in range(1, 9):
        assert deliver_once(platform, {"a": fails}, "a")
        assert _state(platform) == ("dead" if attempt == 8 else "pending", attempt, "policy.yaml: gone; bring it back")
        assert not deliver_once(platform, {"a": fails}, "a"), "it waits before the next attempt"
        with platform.database.transaction() as connection:
            connection.execute(update(event_delivery).values(available_us=0))
    assert not deliver_once(platform, {"a": fails}, "a")


@pytest.mark.parametrize(
    "outage", [BackendError("MLflow: no answer; check that it runs"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_an_outage_of_a_night_is_waited_out_and_leaves_attempts_for_what_comes_after_it(
    platform: Platform, outage: Exception
) -> None:
    _publish(platform)
    faults: list[Exception] = [*[outage] * 20, ConfigError("policy.yaml: gone"), ConfigError("policy.yaml: gone")]

    def handle(_platform: Platform, _event: Event) -> Callable[[Connection], None]:
        if faults:
            raise faults.pop(0)
        return _note("done")

    waits_s = []
    while faults:
        assert deliver_once(platform, {"a": handle}, "a")
        assert _state(platform)[0] == "pending"
        with platform.database.transaction() as connection:
            due_us = connection.execute(select(event_delivery.c.available_us)).scalar_one()
            waits_s.append((due_us - machine_us()) / 1_000_000)
            connection.execute(update(event_delivery).values(available_us=0))
    assert min(waits_s[4:]) > 50, "an outage was asked about every moment"
    assert deliver_once(platform, {"a": handle}, "a")
    assert (_noted(platform), _state(platform)[0]) == (["done"], "done")


def test_a_handler_that_crashes_is_told_by_its_kind_and_tried_again(platform: Platform) -> None:
    _publish(platform)

    def crashes(_platform: Platform, _event: Event) -> None:
        raise ZeroDivisionError("by zero")

    assert deliver_once(platform, {"a": crashes}, "a")
    assert _state(platform) == ("pending", 1, "ZeroDivisionError: by zero")


def test_a_conflict_in_the_effects_rolls_all_of_them_back_and_is_tried_again(platform: Platform) -> None:
    _publish(platform)
    conflicts = iter([True, False])

    def handle(_platform: Platform, _event: Event) -> Callable[[Connection], None]:
        def commit(connection: Connection) -> None:
            _note("half")(connection)
            if next(conflicts):
                raise ConflictError("job 1: changed since it was read; read it again")

        return commit

    assert deliver_once(platform, {"a": handle}, "a")
    assert (_noted(platform), _state(platform)[0]) == ([], "pending")
    with platform.database.transaction() as connection:
        connection.execute(update(event_delivery).values(available_us=0))
    assert deliver_once(platform, {"a": handle}, "a")
    assert (_noted(platform), _state(platform)[0]) == (["half"], "done")


def test_a_worker_that_was_paused_past_its_lease_writes_nothing(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conducting, "_DELIVERY_LEASE_S", 0.05)
    _publish(platform)

    def paused(_platform: Platform, _event: Event) -> Callable[[Connection], None]:
        time.sleep(0.1)
        assert deliver_once(platform, {"a": lambda _platform, _event: _note("the other")}, "a")
        return _note("the paused one")

    assert deliver_once(platform, {"a": paused}, "a")
    assert (_noted(platform), _state(platform)[0]) == (["the other"], "done")


@pytest.mark.usefixtures("quick")
def test_two_conductors_take_each_piece_of_work_once(platform: Platform, started: list[Conductor]) -> None:
    _publish(platform, 40)
    seen: list[tuple[str, int]] = []

    def lane_of(name: str) -> Lane:
        def handle(_platform: Platform, event: Event) -> Callable[[Connection], None]:
            seen.append((name, event.payload["n"]))
            return _note(f"n{event.payload['n']}")

        return Lane("one", (lambda: deliver_once(platform, {"a": handle}, "a"),))

    for name in ("first", "second"):
        conductor = Conductor(platform, (lane_of(name),), holder=name)
        started.append(conductor)
        conductor.start()
    _until(lambda: len(_noted(platform)) == 40)
    assert sorted(number for _name, number in seen) == list(range(40)), "none was done twice"
    assert {name for name, _number in seen} == {"first"}, "the lane belongs to who came first"

    started[0].stop()
    _publish(platform)
    with platform.database.transaction() as connection:
        connection.execute(schedule_run.delete())
    assert _until(lambda: _noted(platform) == ["n0"]) < 2, "a lane that was given back is free at once"
    assert seen[-1] == ("second", 0)


@pytest.mark.usefixtures("quick")
def test_a_lane_of_a_killed_holder_is_taken_over_when_its_lease_has_run_out(
    platform: Platform, started: list[Conductor]
) -> None:
    with platform.database.transaction() as connection:
        held = leases.acquire(connection, "lane:one", "killed", machine_us=machine_us(), ttl_s=1.0)
    assert held is not None
    worked = threading.Event()

    def work() -> bool:
        worked.set()
        return False

    conductor = Conductor(platform, (Lane("one", (work,)),), holder="living")
    started.append(conductor)
    conductor.start()
    assert not worked.wait(0.5), "the lease still holds"
    assert worked.wait(3.0), "nobody took the lane over"
    with platform.database.reading() as connection, pytest.raises(ConflictError, match="nothing was written"):
        leases.hold(connection, held)


@pytest.mark.usefixtures("quick")
def test_long_work_keeps_its_lane(platform: Platform, started: list[Conductor]) -> None:
    at_work, others = threading.Event(), threading.Event()

    def long() -> bool:
        at_work.set()
        time.sleep(2.5)
        return False

    def other() -> bool:
        others.set()
        return False

    for name, worker in (("first", long), ("second", other)):
        conductor = Conductor(platform, (Lane("one", (worker,)),), holder=name)
        started.append(conductor)
        conductor.start()
        assert at_work.wait(2)
    time.sleep(2.0)
    assert not others.is_set(), "a lane was worked in by two at once"


@pytest.mark.usefixtures("quick")
def test_a_lane_that_does_not_end_in_time_is_not_given_back(platform: Platform) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def hangs() -> bool:
        at_work.set()
        return not go_on.wait(10)

    conductor = Conductor(platform, (Lane("stuck", (hangs,)), Lane("idle", (lambda: False,))), holder="first")
    conductor.start()
    assert at_work.wait(5)
    conductor.stop(timeout_s=0.5)
    rows = platform.database.read(lambda c: c.execute(select(lease.c.name, lease.c.until_us)).all())
    free = {row.name: row.until_us == 0 for row in rows}
    go_on.set()
    assert free == {"lane:stuck": False, "lane:idle": True}


@pytest.mark.usefixtures("quick")
def test_a_worker_that_fails_does_not_take_the_turn_of_the_others(platform: Platform, started: list[Conductor]) -> None:
    turns: list[str] = []

    def fails() -> bool:
        raise BackendError("job: cannot be started; check memory")

    def crashes() -> bool:
        raise ZeroDivisionError

    def works() -> bool:
        turns.append("worked")
        return False

    def broken_start() -> None:
        raise ImportError("no such library")

    lane = Lane("one", (fails, crashes, works), start=broken_start)
    conductor = Conductor(platform, (lane,), holder="first")
    started.append(conductor)
    conductor.start()
    _until(lambda: len(turns) >= 3)


def test_work_in_the_callers_thread_ends_with_what_it_waits_for(platform: Platform) -> None:
    _publish(platform, 3)
    handle: Handler = lambda _platform, event: _note(f"n{event.payload['n']}")  # noqa: E731
    lane = Lane("one", (lambda: deliver_once(platform, {"a": handle}, "a"),))
    assert Conductor(platform, (lane,), holder="me").run_until(lambda: len(_noted(platform)) == 3, timeout_s=5)
    assert not Conductor(platform, (lane,), holder="me").run_until(lambda: False, timeout_s=0.2)


@pytest.mark.usefixtures("quick")
def test_no_fault_whatever_ends_a_thread_of_the_conductor(
    platform: Platform, started: list[Conductor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is raised where leases are renewed, and where what a lane met is remembered."""
    faults, turns = {"leases": 3, "lanes": 3}, []
    acquire = leases.acquire

    def failing(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread().name == "conductor-leases" and faults["leases"]:
            faults["leases"] -= 1
            raise ZeroDivisionError("by zero")
        return acquire(*arguments, **named)

    class Unwritable(Hindered):
        def forget(self, lane: str) -> None:
            if faults["lanes"]:
                faults["lanes"] -= 1
                raise OSError(errno.ENOSPC, "No space left on device")
            turns.append(lane)

    monkeypatch.setattr(leases, "acquire", failing)
    conductor = Conductor(replace(platform, hindered=Unwritable()), (Lane("one", (lambda: False,)),), holder="first")
    started.append(conductor)
    conductor.start()
    _until(lambda: not any(faults.values()))
    turns.clear()
    _until(lambda: bool(turns))
    assert platform.database.read(conductor.why_stuck) is None


@pytest.mark.usefixtures("quick")
def test_who_works_on_nothing_says_why(
    platform: Platform, started: list[Conductor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conducting, "_STALE_S", 0.6)
    is_away = threading.Event()
    acquire = leases.acquire

    def away(*arguments: Any, **named: Any) -> Any:
        if is_away.is_set():
            raise BackendError("the database: is locked; try again")
        return acquire(*arguments, **named)

    def beats() -> bool:
        values = {"process": "control-plane", "pid": 1, "process_started_us": 0, "beat_us": machine_us(), "spec": {}}
        with platform.database.transaction() as connection:
            connection.execute(heartbeat.delete())
            connection.execute(insert(heartbeat).values(**values))
        return False

    def why() -> str | None:
        return platform.database.read(conductor.why_stuck)

    monkeypatch.setattr(leases, "acquire", away)
    conductor = Conductor(platform, (Lane("one", (lambda: False,)),), holder="first")
    started.append(conductor)
    conductor.start()
    assert why() is None, "it has just begun"
    _until(lambda: why() == "the decisions have not beaten yet")
    beats()
    assert why() is None
    _until(lambda: "the last beat is" in (why() or ""))
    is_away.set()
    _until(lambda: "the leases were last renewed" in (why() or ""))
    is_away.clear()
    _until(lambda: "leases" not in (why() or ""))
    conductor.stop(timeout_s=5)
    assert "threads have ended: conductor-leases, conductor-one" in (why() or "")
