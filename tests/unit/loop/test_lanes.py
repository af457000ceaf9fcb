"""Retraining conditions have a lane of their own, and are asked when it is known what a run of checks means."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.unit.loop.projects import World, make_world

from trimtab.core.enums import Verdict
from trimtab.db import leases
from trimtab.db.engine import machine_us
from trimtab.loop import lanes
from trimtab.loop.conductor import Lane
from trimtab.loop.subscriptions import HANDLERS


def test_each_subscriber_has_a_lane_and_slow_ones_do_not_share_that_of_approvals(tmp_path: Path) -> None:
    names = {lane.name for lane in lanes.of(make_world(tmp_path / "project").platform)}
    assert {lanes.LANE_OF.get(name, lanes.DECISIONS) for name in HANDLERS} <= names
    assert lanes.LANE_OF["triggers"] == lanes.TRIGGERS != lanes.DECISIONS


def _held(world: World, name: str) -> Lane:
    """Return the lane of that name, with the lease that lets it work."""
    by_name: dict[str, Lane] = {lane.name: lane for lane in lanes.of(world.platform)}
    with world.platform.database.transaction() as connection:
        held = leases.acquire(connection, f"lane:{name}", "h", machine_us=machine_us(), ttl_s=600)
    by_name[name].fence.renewed(held)
    return by_name[name]


def test_a_message_waits_for_the_diagnosis_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_DIAGNOSED_S", 0.5)
    world = make_world(tmp_path / "project")
    lane = _held(world, "messages")
    world.checked(world.check(Verdict.BREACH))
    world.deliver("incidents")

    def told() -> bool:
        with lane.fence.turn():
            for work in lane.workers:
                work()
        return ("messages", "pending", None) not in world.unfinished()

    assert not told()
    time.sleep(0.6)
    assert told(), "nobody has diagnosed it, and people hear of it all the same"
    assert ("remediation", "pending", None) in world.unfinished()


def test_conditions_wait_until_a_run_is_diagnosed_and_the_last_remedy_judged(tmp_path: Path) -> None:
    world = make_world(tmp_path / "project")
    lane = _held(world, lanes.TRIGGERS)
    world.checked()

    def asked() -> bool:
        with lane.fence.turn():
            return any(work() for work in lane.workers)

    assert not asked()
    assert ("triggers", "pending", None) in world.unfinished()
    world.deliver("incidents", "remediation")
    assert not asked()
    world.deliver("verification")
    assert asked()
    assert ("triggers", "pending", None) not in world.unfinished()
