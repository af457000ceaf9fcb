"""Retraining conditions have a lane of their own, and are asked when it is known what a run of checks means."""

from __future__ import annotations

from pathlib import Path

from tests.unit.loop.projects import make_world

from trimtab.db import leases
from trimtab.db.engine import machine_us
from trimtab.loop import lanes
from trimtab.loop.conductor import Lane
from trimtab.loop.subscriptions import HANDLERS


def test_each_subscriber_has_a_lane_and_slow_ones_do_not_share_that_of_approvals(tmp_path: Path) -> None:
    names = {lane.name for lane in lanes.of(make_world(tmp_path / "project").platform)}
    assert {lanes.LANE_OF.get(name, lanes.DECISIONS) for name in HANDLERS} <= names
    assert lanes.LANE_OF["triggers"] == lanes.TRIGGERS != lanes.DECISIONS


def test_conditions_wait_until_a_run_is_diagnosed_and_the_last_remedy_judged(tmp_path: Path) -> None:
    world = make_world(tmp_path / "project")
    by_name: dict[str, Lane] = {lane.name: lane for lane in lanes.of(world.platform)}
    lane = by_name[lanes.TRIGGERS]
    with world.platform.database.transaction() as connection:
        held = leases.acquire(connection, "lane:triggers", "h", machine_us=machine_us(), ttl_s=600)
    lane.fence.renewed(held)
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
