"""More workers are proposed where more can come of it, and not again where they did not help."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, World

from trimtab.core.enums import Verdict
from trimtab.loop.operation import perform
from trimtab.monitoring.check import Check

_AUTOSCALED = "strategy: {type: recreate}\nautoscaling: {min_workers: %d, max_workers: 2}\n"
_POLICY = """
limits: {cooldown: 0s}
rules:
  - name: A slow service gets more workers
    when: {origin: incident, diagnosis: latency}
    then: {actions: [scale], tier: automatic}
"""


def _acting(world: World, *, workers: int, least: int = 1, autoscaled: bool = True) -> Acting:
    root = world.platform.project.root
    (root / "policy.yaml").write_text(_POLICY, encoding="utf-8")
    config = world.platform.project.config
    serving = config.serving.model_copy(update={"workers": workers})
    project = replace(world.platform.project, config=config.model_copy(update={"serving": serving}))
    object.__setattr__(world.platform, "project", project)
    acting = Acting.on(world)
    if autoscaled:
        (root / "models" / MODEL / "deployment_config.yaml").write_text(_AUTOSCALED % least, encoding="utf-8")
        Deploying(world).bring_in(2)
        world.deliver()
    return acting


def _slow(world: World, verdict: Verdict = Verdict.BREACH) -> Check:
    return world.check(verdict, kind="latency", version=2, detail={"percentile": "p95"})


def _looked(acting: Acting, *, after: timedelta = timedelta(hours=2)) -> None:
    acting.world.clock.advance(after)
    acting.world.checked(_slow(acting.world))
    acting.settle()


def _reason(world: World) -> str:
    [incident] = perform(world.platform, DANA, "incidents.list", {"open_only": True})["incidents"]
    told = perform(world.platform, DANA, "policy.explain", {"incident_id": incident["incident_id"]})
    return str(told["now"]["reason"])


@pytest.mark.parametrize(
    ("workers", "least", "autoscaled", "why"),
    [
        (1, 1, True, "tiny has 1 workers at least already, and its server has 1"),
        (2, 2, True, "tiny has 2 workers at least already, and its server has 2"),
        (2, 1, False, "tiny has all workers of its server already, without autoscaling"),
    ],
)
def test_nobody_is_asked_for_workers_that_there_are_not(
    world: World, workers: int, least: int, *, autoscaled: bool, why: str
) -> None:
    acting = _acting(world, workers=workers, least=least, autoscaled=autoscaled)
    for _ in range(3):
        _looked(acting)
    assert [kind for kind, _state in world.actions() if kind == "scale"] == []
    assert f"scale: {why}" in _reason(world)
    assert ("notify_owner", "succeeded") in world.actions(), "people are told that nothing can be done"


def test_an_endpoint_that_was_scaled_as_far_as_it_goes_is_not_scaled_again(world: World) -> None:
    acting = _acting(world, workers=2)
    Deploying(world).ask("endpoints.scale", endpoint=MODEL, workers=2, reason="the sale has begun")
    acting.settle()
    _looked(acting)
    assert [state for kind, state in world.actions() if kind == "scale"] == ["succeeded"]
    assert "tiny has 2 workers at least already, and its server has 2" in _reason(world)


def test_workers_that_did_not_help_a_case_are_not_tried_again_for_it(world: World) -> None:
    acting = _acting(world, workers=8)
    _looked(acting)
    assert acting.spec().scaled_to == 2
    for _ in range(4):
        _looked(acting)
    assert [state for kind, state in world.actions() if kind == "scale"] == ["succeeded", "succeeded"], "and taken back"
    assert acting.spec().scaled_to is None
    assert "scale: did not help this case when it was tried" in _reason(world)
    world.clock.advance(timedelta(hours=2))
    world.checked(_slow(world, Verdict.OK))
    world.deliver()
    _looked(acting, after=timedelta(days=2))
    assert acting.spec().scaled_to == 2, "another case is another matter"


def test_nothing_is_asked_of_an_endpoint_that_serves_nothing(world: World) -> None:
    policy = _POLICY.replace("[scale]", "[scale, pause_endpoint, clear_cache]")
    (world.platform.project.root / "policy.yaml").write_text(policy, encoding="utf-8")
    world.checked(_slow(world))
    world.deliver()
    assert {kind for kind, _state in world.actions()} <= {"notify_owner", "escalate"}
    assert "scale: tiny serves nothing" in _reason(world)
