"""A training and a return from the pool do not cross: a fit is not thrown away, and the pool does not wait for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.labelled_weeks import serving, week
from tests.unit.loop.projects import MODEL, World, result_of

from trimtab.db.tables import audit_entry, job
from trimtab.loop.prequential import weigh_gain
from trimtab.loop.trainings import advance_jobs
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.kinds import ActionKind
from trimtab.retraining.gain import Advice

PLENTY = """
  - name: Trainings and releases run by themselves
    when: {origin: trigger, action: retrain}
    then: {tier: automatic, covers: [deploy]}
  - name: Returns run by themselves
    when: {origin: trigger, action: reinstate}
    then: {tier: automatic}
"""
BY_ITSELF = f"""
autonomy: true
allow_automatic: [retrain, deploy, reinstate]
limits: {{cooldown: 0s, actions_per_day: 50}}
rules:{PLENTY}"""
REFUSED = BY_ITSELF.replace("tier: automatic, covers: [deploy]", "tier: refuse")
AGE = "when: {age: {longer_than: 1d}}\ncooldown: 0d\nperiod: 7d\npool: {keep: 4}\n"


def aged(root: Path, policy: str) -> tuple[World, Deploying]:
    """Return a project whose version 2 is old, and where version 1 would do better."""
    shipping = serving(root, 1, 2, retrain=AGE, policy=policy)
    for number in range(3):
        shipping.rows(*week(number))
        shipping.outcomes("no", *week(number))
    shipping.world.clock.advance(timedelta(weeks=3))
    deploying = Deploying(shipping.world)
    deploying.by_canary()
    return shipping.world, deploying


def looked(world: World) -> None:
    world.clock.advance(timedelta(hours=1))
    world.checked()
    world.deliver()


def trained(world: World, *, gain: float = 0.2) -> None:
    """Let the training end with a version that is better."""
    world.jobs.run = lambda out: result_of(world, out, number=3, gain=gain)
    for _ in range(4):
        advance_jobs(world.platform)
        world.deliver()


def test_no_return_is_proposed_while_a_training_that_was_agreed_to_is_under_way(tmp_path: Path) -> None:
    world, deploying = aged(tmp_path, BY_ITSELF)
    looked(world)
    looked(world)
    assert world.actions() == [("retrain", "running")]
    assert deploying.running() is None
    trained(world)
    running = deploying.running()
    assert running is not None
    assert running.spec.candidate.number == 3


def test_where_the_policy_refuses_retraining_the_pool_is_used_all_the_same(tmp_path: Path) -> None:
    world, deploying = aged(tmp_path, REFUSED)
    looked(world)
    assert world.actions() == [("reinstate", "running")]
    running = deploying.running()
    assert running is not None
    assert running.spec.candidate.number == 1


@pytest.mark.parametrize("promoted", [False, True], ids=["taken back", "promoted"])
def test_a_fit_that_ends_during_a_rollout_waits_for_its_end(tmp_path: Path, *, promoted: bool) -> None:
    world, deploying = aged(tmp_path, BY_ITSELF)
    looked(world)
    deploying.ask("rollouts.start", model=MODEL, number=1)
    trained(world)
    assert world.actions() == [("retrain", "running")]
    assert world.versions()[-1] == (3, "pending")
    assert "release.waits" in audited(world)
    running = deploying.running()
    assert running is not None
    deploying.settle()
    operation = "promote" if promoted else "abort"
    deploying.ask("rollouts.operate", rollout_id=running.id, operation=operation, reason="seen")
    deploying.settle()
    world.deliver()
    after = deploying.running()
    if promoted:
        assert (after, world.versions()[-1]) == (None, (3, "pending")), "it was compared with version 2"
        assert outcome(world).endswith("but version 1 serves now")
    else:
        assert after is not None
        assert (after.spec.candidate.number, world.versions()[-1]) == (3, (3, "approved"))


def test_a_version_that_was_compared_with_another_one_than_serves_is_left_to_a_person(tmp_path: Path) -> None:
    world, deploying = aged(tmp_path, BY_ITSELF)
    looked(world)
    with world.platform.database.transaction() as connection:
        (found,) = connection.execute(select(job).where(job.c.state == "submitted")).all()
        request = {**found.spec["request"], "compare_digest": "0" * 64}
        connection.execute(update(job).where(job.c.id == found.id).values(spec={**found.spec, "request": request}))
    trained(world)
    assert deploying.running() is None
    assert world.versions()[-1] == (3, "pending")
    assert world.actions() == [("retrain", "succeeded")]
    assert outcome(world) == (
        "version 3 waits for approval: it was compared with what served when it was trained, but version 2 serves now"
    )


def test_a_version_that_was_rejected_while_it_waited_stays_out(tmp_path: Path) -> None:
    world, deploying = aged(tmp_path, BY_ITSELF)
    looked(world)
    deploying.ask("rollouts.start", model=MODEL, number=1)
    trained(world)
    deploying.ask("versions.decide", model=MODEL, number=3, approve=False, reason="odd")
    running = deploying.running()
    assert running is not None
    deploying.settle()
    deploying.ask("rollouts.operate", rollout_id=running.id, operation="abort", reason="seen")
    deploying.settle()
    world.deliver()
    assert deploying.running() is None
    assert world.actions() == [("retrain", "succeeded")]
    assert world.unfinished() == []


def outcome(world: World) -> str:
    [action] = world.platform.database.read(
        lambda connection: list_actions(connection, model=MODEL, kind=ActionKind.RETRAIN)
    )
    return action.outcome


def audited(world: World) -> list[str]:
    query = select(audit_entry.c.action)
    return list(world.platform.database.read(lambda connection: connection.execute(query).scalars().all()))


def test_what_the_ledger_breaks_on_stops_no_other_condition(tmp_path: Path) -> None:
    world, _ = aged(tmp_path, BY_ITSELF)
    for file in world.platform.lake.record_files(MODEL, start_us=-(1 << 62), end_us=1 << 62):
        file.path.write_bytes(b"no table")
    looked(world)
    assert world.actions() == [("retrain", "running")]
    reading = weigh_gain(world.platform, world.platform.files(MODEL), world.platform.now_us()).reading
    assert reading is not None
    assert reading.advice is Advice.UNKNOWN
    assert "could not be judged" in reading.why
