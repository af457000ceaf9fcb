"""How a training moves on: each state is reached once, a dead process is taken up again, a cancelled one is not."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Role
from trimtab.core.errors import BackendError, ConflictError, IllegalTransitionError
from trimtab.db.tables import audit_entry, job
from trimtab.loop.actor import Actor
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.operation import perform
from trimtab.loop.trainings import Job, advance_jobs, cancel_training, find_job, prepare, request_training
from trimtab.training.request import TrainingResult

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

_DANA = Actor("dana", Role.OPERATOR)


def _asked(world: World, key: str = "k1") -> str:
    with world.platform.database.transaction() as connection:
        return request_training(connection, world.platform, MODEL, key=key, actor="dana", until_us=None)


def _submitted(world: World, key: str = "k1") -> str:
    """A job whose snapshot is made."""
    job_id = _asked(world, key)
    spec = {**_job(world, job_id).spec, "request": {"job_id": job_id}}
    with world.platform.database.transaction() as connection:
        connection.execute(update(job).where(job.c.id == job_id).values(state="submitted", spec=spec))
    return job_id


def _job(world: World, job_id: str) -> Job:
    return world.platform.database.read(lambda connection: find_job(connection, job_id))


def _audited(world: World) -> list[str]:
    query = select(audit_entry.c.action).order_by(audit_entry.c.sequence)
    return list(world.platform.database.read(lambda c: c.execute(query).scalars().all()))


def _cancel(world: World, job_id: str) -> None:
    perform(world.platform, _DANA, "training.cancel", {"job_id": job_id})


def test_the_same_key_is_one_job_however_often_it_is_asked(world: World) -> None:
    assert _asked(world) == _asked(world)
    assert _asked(world, "k2") != _asked(world)
    assert _audited(world).count("training.requested") == 2


def test_a_training_without_data_fails_with_the_reason(world: World) -> None:
    job_id = _asked(world)
    assert world.deliver() > 0
    found = _job(world, job_id)
    assert (found.state, found.finished_us is not None) == ("failed", True)
    assert "no row to make a snapshot of" in str(found.error)
    assert world.unfinished() == []


def test_a_training_of_a_model_that_is_gone_fails_with_the_reason(world: World) -> None:
    job_id = _asked(world)
    (world.platform.project.root / "models" / MODEL / "model.yaml").unlink()
    commit = prepare(world.platform, job_id)
    assert commit is not None
    with world.platform.database.transaction() as connection:
        commit(connection)
    assert "not in project" in str(_job(world, job_id).error)


def test_a_submitted_job_is_started_once_and_its_result_taken_over_once(world: World) -> None:
    job_id = _submitted(world)
    assert advance_jobs(world.platform)
    assert not advance_jobs(world.platform), "it runs"
    assert (_job(world, job_id).state, len(world.jobs.started)) == ("running", 1)
    out = world.jobs.started[0]
    (out / "result.json").write_text('{"status": "rejected_by_gate", "gates": []}')
    world.jobs.states[out] = JobProcessState.FINISHED
    assert advance_jobs(world.platform)
    assert not advance_jobs(world.platform)
    assert _job(world, job_id).state == "succeeded", "the training came to its end, though no version comes of it"
    assert _audited(world).count("training.succeeded") == 1
    world.deliver()
    assert (world.versions(), world.unfinished()) == ([], [])


def test_a_job_that_was_stopped_with_the_platform_does_not_use_up_its_attempts(world: World) -> None:
    job_id = _submitted(world)
    for _stop in range(5):
        advance_jobs(world.platform)
        world.jobs.states[world.jobs.started[-1]] = JobProcessState.STOPPED
        advance_jobs(world.platform)
    assert (_job(world, job_id).state, _job(world, job_id).attempt) == ("submitted", 1)


def test_a_job_whose_process_is_gone_is_taken_up_again_and_failed_the_third_time(world: World) -> None:
    job_id = _submitted(world)
    for _attempt in range(3):
        advance_jobs(world.platform)
        assert _job(world, job_id).state == "running"
        world.jobs.states[world.jobs.started[-1]] = JobProcessState.GONE
        advance_jobs(world.platform)
    found = _job(world, job_id)
    assert (found.state, found.attempt, len(world.jobs.started)) == ("failed", 3, 3)
    assert "died 3 times without a result" in str(found.error)
    assert _audited(world).count("training.restarted") == 2
    assert not advance_jobs(world.platform)


def test_a_job_that_cannot_be_started_does_not_hold_up_the_others(world: World) -> None:
    first, second = _submitted(world, "k1"), _submitted(world, "k2")

    def run(out: object) -> TrainingResult | None:
        if first in str(out):
            raise BackendError("job: cannot be started; check memory")
        return None

    world.jobs.run = run
    assert advance_jobs(world.platform)
    assert (_job(world, first).state, _job(world, second).state) == ("waiting", "running")


@pytest.mark.parametrize("state", ["requested", "submitted"])
def test_a_job_without_a_process_is_cancelled_at_once(world: World, state: str) -> None:
    job_id = _asked(world) if state == "requested" else _submitted(world)
    _cancel(world, job_id)
    found = _job(world, job_id)
    assert (found.state, found.error) == ("cancelled", "cancelled by dana before it started")
    world.deliver()
    assert not advance_jobs(world.platform)
    assert (world.jobs.started, world.unfinished()) == ([], [])
    with pytest.raises(IllegalTransitionError, match=r"is over already \(cancelled\)"):
        _cancel(world, job_id)


def test_a_running_job_that_is_cancelled_ends_as_cancelled(world: World) -> None:
    job_id = _submitted(world)
    advance_jobs(world.platform)
    _cancel(world, job_id)
    assert _job(world, job_id).state == "running", "it has its chance to leave a result"
    out = world.jobs.started[0]
    assert world.jobs.cancelled == [out]
    (out / "result.json").write_text('{"status": "failed", "error": "cancelled"}')
    world.jobs.states[out] = JobProcessState.FINISHED
    advance_jobs(world.platform)
    assert (_job(world, job_id).state, _job(world, job_id).error) == ("cancelled", "cancelled")


def test_a_cancelled_job_whose_process_dies_of_it_is_not_taken_up_again(world: World) -> None:
    job_id = _submitted(world)
    advance_jobs(world.platform)
    _cancel(world, job_id)
    world.jobs.states[world.jobs.started[0]] = JobProcessState.GONE
    advance_jobs(world.platform)
    assert (_job(world, job_id).state, len(world.jobs.started)) == ("cancelled", 1)


def test_a_cancellation_outlives_a_control_plane_that_dies_before_it_tells_the_process(world: World) -> None:
    job_id = _submitted(world)
    advance_jobs(world.platform)
    with world.platform.database.transaction() as connection:
        cancel_training(connection, world.platform, find_job(connection, job_id), by="dana")
    assert world.jobs.cancelled == []
    advance_jobs(world.platform)
    assert world.jobs.cancelled == world.jobs.started


def test_a_job_that_is_cancelled_while_it_is_being_started_is_told_to_stop(world: World) -> None:
    job_id = _submitted(world)

    def cancelled_meanwhile(_out: object) -> None:
        with world.platform.database.transaction() as connection:
            cancel_training(connection, world.platform, find_job(connection, job_id), by="dana")

    world.jobs.run = cancelled_meanwhile
    assert not advance_jobs(world.platform)
    assert (_job(world, job_id).state, world.jobs.cancelled) == ("cancelled", world.jobs.started)


def test_who_read_a_job_before_it_moved_on_changes_nothing(world: World) -> None:
    old = _job(world, _submitted(world))
    advance_jobs(world.platform)
    with world.platform.database.transaction() as connection, pytest.raises(ConflictError, match="read it again"):
        cancel_training(connection, world.platform, old, by="dana")
