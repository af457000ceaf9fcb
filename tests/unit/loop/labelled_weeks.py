"""Weeks of answers whose outcomes are told, and what several versions would have lost on them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import POLICY, make_world
from tests.unit.loop.shipping import Asked, Shipping

__all__ = ["RETRAIN", "WEEK_S", "serving", "week"]

WEEK_S = 604_800
RETRAIN = """
when: {gain: {over_cost: 1.0}}
cooldown: 0d
period: 7d
pool: {keep: 4}
"""
REINSTATE = """
  - name: A version that served before may serve again
    when: {origin: trigger, action: reinstate}
    then: {tier: approval}
"""


def serving(root: Path, *versions: int, retrain: str = RETRAIN, policy: str = POLICY + REINSTATE) -> Shipping:
    """Return a project whose last version serves, and where a decision period has just begun."""
    world = make_world(root / "project", retrain_config=retrain, policy=policy)
    Deploying.on(world).bring_in(*versions)
    # START is a Tuesday; periods of a week begin where 1970 did, on Thursdays.
    world.clock.advance(timedelta(hours=48 - len(versions)))
    return Shipping(world)


def week(number: int, rows: int = 60) -> list[Asked]:
    # Of this age both versions say yes, the second one more surely.
    return [Asked(number * WEEK_S + place * 4_200, 2, place=place, age=80.0) for place in range(rows)]
