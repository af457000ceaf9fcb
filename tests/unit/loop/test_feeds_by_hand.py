"""A person sets a feed aside: nothing of it is learnt, no case ends it, and what makes no sense is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.loop.acting import Acting
from tests.unit.loop.projects import MODEL, World

from trimtab.audit import index
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import ConfigError, NotFoundError, PermissionDeniedError
from trimtab.lake.feeds import feed_states
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.kinds import ActionKind

_OTTO = Actor("otto", Role.OPERATOR)


@pytest.fixture
def acting(world: World) -> Acting:
    return Acting.on(world)


def _set_aside(world: World, actor: Actor = _OTTO, **fields: object) -> JsonObject:
    wish = {"model": MODEL, "feed": "clinic", "reason": "they changed the device", **fields}
    return perform(world.platform, actor, "feeds.quarantine", wish)


def _clinic(world: World) -> tuple[str, int | None]:
    [state] = world.platform.database.read(lambda connection: feed_states(connection, MODEL))
    return state.state, state.since_us


def test_an_operator_sets_a_feed_aside_from_a_moment_on_and_an_approver_trusts_it_again(acting: Acting) -> None:
    world = acting.world
    since = world.clock.now() - timedelta(days=2)
    told = _set_aside(world, since=since.isoformat())
    assert (told["state"], told["since_us"], told["waits"]) == ("quarantined", to_micros(since), False)
    assert _clinic(world) == ("quarantined", to_micros(since))
    wish = {"model": MODEL, "feed": "clinic", "reason": "calibrated"}
    with pytest.raises(PermissionDeniedError):
        perform(world.platform, _OTTO, "feeds.release", wish)
    perform(world.platform, Actor("dana", Role.APPROVER), "feeds.release", wish)
    assert _clinic(world)[0] == "open"


def test_it_is_an_action_of_that_person_that_is_verified_and_audited(acting: Acting) -> None:
    world = acting.world
    _set_aside(world)
    world.deliver()
    with world.platform.database.reading() as connection:
        [action] = list_actions(connection, model=MODEL, kind=ActionKind.QUARANTINE_FEED)
        done = [one.actor for one in index.find(connection, {}, subject=f"action:{action.id}")]
    assert (action.requested_by, action.state, action.incident_id) == ("otto", "succeeded", None)
    assert "otto" in done


def test_no_case_that_ends_trusts_it_again(acting: Acting) -> None:
    world = acting.world
    _set_aside(world)
    world.checked(world.check(Verdict.BREACH))
    world.deliver()
    world.clock.advance(timedelta(hours=1))
    world.checked(world.check(Verdict.OK))
    world.deliver()
    assert _clinic(world)[0] == "quarantined"


def test_what_makes_no_sense_is_refused(acting: Acting) -> None:
    world = acting.world
    to_come = from_micros(world.platform.now_us()) + timedelta(seconds=1)
    with pytest.raises(ConfigError, match="is to come, expected now or before"):
        _set_aside(world, since=to_come.isoformat())
    with pytest.raises(NotFoundError, match="has no such feed"):
        _set_aside(world, feed="nobody")
    with pytest.raises(PermissionDeniedError):
        _set_aside(world, Actor("vera", Role.VIEWER))
    assert world.platform.database.read(lambda connection: feed_states(connection, MODEL)) == []
