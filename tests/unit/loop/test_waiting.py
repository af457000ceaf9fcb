"""A training that something outside hinders waits, says so, and goes on by itself; only its patience ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.unit.loop.projects import MODEL, World

import trimtab.loop.trainings
from trimtab.core.enums import Role
from trimtab.core.errors import BackendError
from trimtab.db.tables import audit_entry, job
from trimtab.loop.actor import Actor
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.operation import perform
from trimtab.loop.trainings import Job, advance_jobs, find_job, request_training
from trimtab.loop.waiting import PATIENCE, waits_longer
from trimtab.training.hindrance import Hindrance, leave_hindrance

_AWAY = Hindrance.of_mlflow("MLflow at http://ml: refused")
_VIEWER = Actor("vic", Role.VIEWER)
_OPERATOR = Actor("dana", Role.OPERATOR)
_START_US = 1_000_000_000_000


class MachineClock:
    """The time that waits go by."""

    def __init__(self) -> None:
        self.now_us = _START_US

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    clock = MachineClock()
    monkeypatch.setattr(trimtab.loop.trainings, "machine_us", clock)
    return clock


def _submitted(world: World) -> str:
    with world.platform.database.transaction() as connection:
        job_id = request_training(connection, world.platform, MODEL, key="k1", actor="dana", until_us=None)
        spec = {**find_job(connection, job_id).spec, "request": {"job_id": job_id}}
        connection.execute(update(job).where(job.c.id == job_id).values(state="submitted", spec=spec))
    return job_id


def _job(world: World, job_id: str) -> Job:
    return world.platform.database.read(lambda connection: find_job(connection, job_id))


def _hindered(world: World) -> None:
    """Start what is due, and let its attempt end without a result."""
    advance_jobs(world.platform)
    out = world.jobs.started[-1]
    leave_hindrance(out, _AWAY)
    world.jobs.states[out] = JobProcessState.HINDERED
    advance_jobs(world.platform)


def _audited(world: World) -> list[str]:
    query = select(audit_entry.c.action).order_by(audit_entry.c.sequence)
    return list(world.platform.database.read(lambda c: c.execute(query).scalars().all()))


def test_it_says_what_it_waits_for_since_when_and_until_when(world: World, clock: MachineClock) -> None:
    job_id = _submitted(world)
    _hindered(world)
    said = perform(world.platform, _VIEWER, "training.job", {"job_id": job_id})
    assert (said["state"], said["finished_us"], said["error"]) == ("waiting", None, None)
    words = "for MLflow since 1970-01-12 13:46:40 UTC, tries again at 13:46:45: MLflow at http://ml: refused"
    assert said["waits"] == words
    nexts = perform(world.platform, _VIEWER, "status.show", {})["next"]
    assert f"{MODEL}: the training is waiting {words}" in [one["why"] for one in nexts]


def test_it_is_started_again_when_its_time_has_come_and_no_attempt_is_used_up(
    world: World, clock: MachineClock
) -> None:
    job_id = _submitted(world)
    for times in range(1, 9):
        _hindered(world)
        waits = _job(world, job_id).waits
        assert waits is not None
        assert (waits.times, waits.since_us, len(world.jobs.started)) == (times, _START_US, times)
        assert not advance_jobs(world.platform), "it is not time yet"
        clock.now_us = waits.again_us
    advance_jobs(world.platform)
    out = world.jobs.started[-1]
    assert (_job(world, job_id).state, _job(world, job_id).attempt) == ("running", 1)
    (out / "result.json").write_text('{"status": "rejected_by_gate", "gates": []}')
    world.jobs.states[out] = JobProcessState.FINISHED
    advance_jobs(world.platform)
    assert (_job(world, job_id).state, _job(world, job_id).waits) == ("succeeded", None)
    assert _audited(world).count("training.waits") == 1


def test_the_waits_grow_to_minutes_and_a_clock_that_goes_back_does_not_lengthen_them() -> None:
    waits, now_us, lengths = None, _START_US, []
    for _ in range(8):
        waits = waits_longer(waits, _AWAY, now_us)
        lengths.append((waits.again_us - now_us) // 1_000_000)
        now_us = waits.again_us
    assert lengths == [5, 15, 30, 60, 120, 300, 300, 300]
    assert waits is not None
    assert not waits.is_due(waits.again_us - 1)
    assert waits.is_due(waits.again_us - 3_600_000_000)


def test_a_patience_of_a_day_ends_it_with_the_reason(world: World, clock: MachineClock) -> None:
    job_id = _submitted(world)
    while (found := _job(world, job_id)).finished_us is None:
        if found.waits is not None:
            clock.now_us = found.waits.again_us
        _hindered(world)
        assert clock.now_us - _START_US <= PATIENCE.total_seconds() * 1_000_000
    assert (found.state, found.attempt) == ("failed", 1)
    assert found.error == "waited 1d for MLflow: MLflow at http://ml: refused; then train again"


@pytest.mark.parametrize("when", ["it waits", "its attempt runs"])
def test_one_that_is_cancelled_is_not_started_again(world: World, clock: MachineClock, when: str) -> None:
    job_id = _submitted(world)
    if when == "it waits":
        _hindered(world)
    else:
        advance_jobs(world.platform)
    perform(world.platform, _OPERATOR, "training.cancel", {"job_id": job_id})
    if when == "its attempt runs":
        _hindered(world)
    clock.now_us += 3_600_000_000
    advance_jobs(world.platform)
    assert (_job(world, job_id).state, len(world.jobs.started)) == ("cancelled", 1)


def test_a_process_that_cannot_be_started_is_waited_for(world: World, clock: MachineClock) -> None:
    job_id = _submitted(world)

    def refuse(_out: Path) -> None:
        raise BackendError("job in x: cannot be started (no room); check memory and disk")

    world.jobs.run = refuse
    advance_jobs(world.platform)
    waits = _job(world, job_id).waits
    assert waits is not None
    assert "cannot be started (no room)" in waits.told
    world.jobs.run = lambda _out: None
    clock.now_us = waits.again_us
    advance_jobs(world.platform)
    assert _job(world, job_id).state == "running"
