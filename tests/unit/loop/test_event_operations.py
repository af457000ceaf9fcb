from __future__ import annotations

import pytest
from sqlalchemy import update
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError, PermissionDeniedError
from trimtab.db.tables import event_delivery
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

DANA = Actor("dana", Role.OPERATOR)
VIEWER = Actor("vic", Role.VIEWER)


def a_dead_event(world: World) -> str:
    with world.platform.database.transaction() as connection:
        payload = {"run_id": "r", "model": MODEL, "endpoint": MODEL}
        world.platform.publish(connection, "checks.completed", f"model:{MODEL}", payload)
        connection.execute(
            update(event_delivery)
            .where(event_delivery.c.subscriber == "triggers")
            .values(state="dead", attempts=8, error="no policy.yaml")
        )
    (found,) = perform(world.platform, VIEWER, "events.dead", {})["events"]
    return str(found["event_id"])


def test_an_event_that_was_given_up_is_told_with_its_cause(world: World) -> None:
    a_dead_event(world)
    (found,) = perform(world.platform, VIEWER, "events.dead", {})["events"]
    assert (found["kind"], found["subscriber"], found["attempts"]) == ("checks.completed", "triggers", 8)
    assert found["error"] == "no policy.yaml"
    told = perform(world.platform, VIEWER, "status.show", {})
    assert told["dead_deliveries"] == 1
    assert "trimtab events list" in [one["command"] for one in told["next"]]


@pytest.mark.parametrize("by_id", [True, False])
def test_an_event_that_was_given_up_is_delivered_after_a_retry(world: World, by_id: bool) -> None:
    event_id = a_dead_event(world)
    asked = {"event_id": event_id if by_id else None, "reason": "policy.yaml is there again"}
    assert perform(world.platform, DANA, "events.retry", asked) == {"retried": 1}
    assert perform(world.platform, VIEWER, "events.dead", {})["events"] == []
    world.deliver()
    assert world.unfinished() == []
    (entry,) = perform(world.platform, VIEWER, "audit.show", {"actor": "dana"})["entries"]
    assert (entry["action"], entry["spec"]["reason"]) == ("events.retried", "policy.yaml is there again")


def test_what_was_not_given_up_cannot_be_retried(world: World) -> None:
    with pytest.raises(NotFoundError, match="is not among those given up"):
        perform(world.platform, DANA, "events.retry", {"event_id": world.platform.new_id(), "reason": "why"})


def test_who_only_looks_is_told_which_role_a_retry_needs(world: World) -> None:
    with pytest.raises(PermissionDeniedError, match=r"'vic': has role viewer, events\.retry needs operator"):
        perform(world.platform, VIEWER, "events.retry", {"reason": "why"})
