"""A request that is done again after its process was killed finds what it asked for, whatever became of that since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Role
from trimtab.core.ids import new_id
from trimtab.loop.actor import Actor

OTTO = Actor("otto", Role.OPERATOR)


@pytest.fixture
def deploying(world: World) -> Deploying:
    return Deploying.on(world)


def actions(deploying: Deploying) -> list[tuple[str, str]]:
    told = deploying.ask("approvals.list", limit=100)["actions"]
    return [(one["action_id"], one["kind"]) for one in told]


def test_a_rollback_whose_answer_was_lost_goes_back_once(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3)
    again, other = replace(DANA, claim_id=new_id()), replace(DANA, claim_id=new_id())
    first = deploying.ask("rollouts.rollback", again, model=MODEL, reason="it is worse")
    deploying.settle()
    deploying.world.clock.advance(timedelta(minutes=1))
    second = deploying.ask("rollouts.rollback", again, model=MODEL, reason="it is worse")
    deploying.settle()
    assert second["action_id"] == first["action_id"] == again.claim_id
    assert deploying.weights() == {"v2": 100}

    deploying.ask("rollouts.rollback", other, model=MODEL, reason="so is this")
    deploying.settle()
    assert deploying.weights() == {"v1": 100}, "another request goes further back"


def test_what_waits_for_others_is_asked_for_once(deploying: Deploying) -> None:
    deploying.bring_in(1)
    claimed = replace(OTTO, claim_id=new_id())
    told = [deploying.ask("endpoints.pause", claimed, endpoint=MODEL, reason="the sensor drifts") for _ in range(2)]
    assert told[0]["action_id"] == told[1]["action_id"]
    assert [kind for _id, kind in actions(deploying)].count("pause_endpoint") == 1
