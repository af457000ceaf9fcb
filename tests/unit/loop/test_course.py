"""What an endpoint has gone through: only trainings of which something is known say what a training gains."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, make_world

from trimtab.core.clock import to_micros
from trimtab.db.tables import job
from trimtab.loop.course import Course, course_of
from trimtab.retraining.gain import Training


@pytest.fixture
def deploying(tmp_path: Path) -> Deploying:
    """Version 1 serves."""
    deploying = Deploying.on(make_world(tmp_path / "project"))
    deploying.bring_in(1)
    return deploying


def course(deploying: Deploying) -> Course:
    platform = deploying.world.platform
    files = platform.files(MODEL)
    found = platform.database.read(lambda connection: course_of(connection, files, keep=4))
    assert found is not None
    return found


def asked_for(deploying: Deploying, number: int, *, approved: bool = True) -> int:
    """Register a version that the conditions asked for; return when its training ended."""
    deploying.world.version(number, approved=approved)
    ended_us = to_micros(deploying.world.clock.now())
    with deploying.world.platform.database.transaction() as connection:
        known = update(job).where(job.c.id == f"j{number}")
        connection.execute(known.values(finished_us=ended_us, spec={"action_id": f"a{number}"}))
    return ended_us


def test_what_a_person_trains_beside_the_conditions_counts_once_it_serves(deploying: Deploying) -> None:
    deploying.register(2)
    assert course(deploying).trainings == ()
    deploying.deploy(2)
    [found] = course(deploying).trainings
    assert (found.before, found.after, found.concluded) == (1, 2, True)


def test_a_version_that_waits_is_an_open_training_and_a_rejected_one_brought_nothing(deploying: Deploying) -> None:
    ended_us = asked_for(deploying, 2, approved=False)
    assert course(deploying).trainings == (Training(ended_us, 1, None, concluded=False),)
    deploying.ask("versions.decide", model=MODEL, number=2, approve=False, reason="worse")
    assert course(deploying).trainings == (Training(ended_us, 1, None),)


def test_a_canary_is_open_until_it_is_taken_back(deploying: Deploying) -> None:
    deploying.by_canary()
    ended_us = asked_for(deploying, 2)
    deploying.deploy(2)
    running = deploying.running()
    assert running is not None
    assert course(deploying).trainings == (Training(ended_us, 1, None, concluded=False),)
    deploying.ask("rollouts.operate", rollout_id=running.id, operation="abort", reason="worse")
    deploying.settle()
    assert course(deploying).trainings == (Training(ended_us, 1, None),)


def test_what_a_gate_refused_brought_nothing(deploying: Deploying) -> None:
    deploying.world.clock.advance(timedelta(hours=1))
    ended_us = to_micros(deploying.world.clock.now())
    values = {"kind": "training", "model": MODEL, "idempotency_key": "k", "state": "succeeded", "out_dir": "x"}
    with deploying.world.platform.database.transaction() as connection:
        spec = {"action_id": "a", "result": {"status": "rejected_by_gate"}}
        connection.execute(insert(job).values(id="k", created_us=0, finished_us=ended_us, spec=spec, **values))
    assert course(deploying).trainings == (Training(ended_us, 1, None),)
