"""A version that came back was not released anew: it is blamed for nothing, and nobody goes back from it unasked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, POLICY, World

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.loop.course import promotions_of
from trimtab.loop.evidence import usual_life_s
from trimtab.loop.operation import perform
from trimtab.monitoring.check import Check
from trimtab.remediation.kinds import DiagnosisKind

_GOES_BACK = """
  - name: Trouble of whatever kind is answered by going back
    when: {origin: incident}
    then: {actions: [roll_back], tier: approval}
"""


@pytest.fixture
def deploying(world: World) -> Deploying:
    policy = POLICY.split("rules:")[0] + "rules:" + _GOES_BACK
    (world.platform.project.root / "policy.yaml").write_text(policy, encoding="utf-8")
    return Deploying.on(world)


def _quality(world: World, verdict: Verdict, value: float, version: int) -> Check:
    detail = {"metric": "accuracy", "labelled": 120, "baseline": 0.8}
    return world.check(verdict, kind="model_quality", version=version, value=value, detail=detail)


def _went_back(deploying: Deploying) -> None:
    """Have version 3 replaced by the one before it, of which nobody had thought ill."""
    world = deploying.world
    deploying.bring_in(1, 2)
    world.clock.advance(timedelta(days=1))
    deploying.bring_in(3)
    world.deliver()
    world.checked(_quality(world, Verdict.OK, 0.8, 3))
    deploying.roll_back(reason="the lawyers want it")
    deploying.settle()
    world.deliver()
    assert deploying.weights() == {"v2": 100}
    world.clock.advance(timedelta(minutes=30))


def _case(world: World) -> JsonObject:
    world.checked(_quality(world, Verdict.BREACH, 0.5, 2))
    world.deliver()
    [incident] = perform(world.platform, DANA, "incidents.list", {"open_only": True})["incidents"]
    return dict(incident)


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_trouble_after_a_rollback_is_no_bad_release(deploying: Deploying) -> None:
    _went_back(deploying)
    diagnosis = _case(deploying.world)["diagnosis"]
    assert diagnosis["kind"] != DiagnosisKind.BAD_RELEASE
    assert "version 2 was released" not in diagnosis["explanation"]


def test_nobody_is_asked_to_go_back_from_what_was_gone_back_to(deploying: Deploying) -> None:
    _went_back(deploying)
    incident = _case(deploying.world)
    assert "roll_back" not in {kind for kind, state in deploying.world.actions() if state == "waiting_approval"}
    told = perform(deploying.world.platform, DANA, "policy.explain", {"incident_id": incident["incident_id"]})
    assert "version 2 serves since somebody went back to it; further back goes only who names" in told["now"]["reason"]


def test_nobody_is_asked_to_go_back_while_that_is_under_way(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3)
    deploying.roll_back()
    _case(deploying.world)
    assert ("roll_back", "waiting_approval") not in deploying.world.actions()


def test_a_release_after_a_rollback_can_be_gone_back_from(deploying: Deploying) -> None:
    _went_back(deploying)
    deploying.bring_in(4)
    deploying.world.deliver()
    _case(deploying.world)
    assert ("roll_back", "waiting_approval") in deploying.world.actions()


def test_how_long_versions_usually_live_is_told_by_releases(deploying: Deploying) -> None:
    world = deploying.world
    for number in (1, 2, 3):
        deploying.bring_in(number)
        world.clock.advance(timedelta(days=7) - timedelta(hours=1))
    begun_us = to_micros(world.clock.now())
    for number in (4, 5):
        deploying.bring_in(number)
        deploying.roll_back()
        deploying.settle()
        world.clock.advance(timedelta(days=7) - timedelta(hours=1))
    assert begun_us < to_micros(world.clock.now())
    promotions = world.platform.database.read(lambda connection: promotions_of(connection, MODEL))
    assert [one.version for one in promotions] == [1, 2, 3, 4, 3, 5, 3]
    assert usual_life_s(promotions) == pytest.approx(7 * 86_400, abs=60)
