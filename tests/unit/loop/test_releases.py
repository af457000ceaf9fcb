"""From an approved version to production and back: what is refused, what weights follow, what repeating changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.counted import CountedRequests
from tests.unit.loop.projects import MODEL, World

from trimtab.core.errors import ApprovalRequiredError, ConflictError, IllegalTransitionError, NotFoundError
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.releases import aliases_of, decide_version, start_rollout
from trimtab.loop.rollbacks import start_rollback
from trimtab.loop.rollouts import advance_rollouts, apply_desired, operate_rollout
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.local import LocalDeployer
from trimtab.rollout.machine import Operation
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import Rollout
from trimtab.serving.spec import EndpointSpec

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)


def _start(world: World, number: int) -> Rollout:
    with world.platform.database.transaction() as connection:
        return start_rollout(connection, world.platform, world.platform.files(MODEL), number, by="dana")


def _advance(world: World, watch: RolloutWatch | None = None) -> bool:
    apply_desired(world.platform)
    return advance_rollouts(world.platform, watch or RolloutWatch(world.platform))


def _now(world: World, rollout: Rollout) -> Rollout:
    return world.platform.database.read(lambda connection: store.load_rollout(connection, rollout.id))


def _weights(world: World) -> dict[str, int]:
    spec = world.platform.database.read(lambda connection: endpoint_store.desired(connection, MODEL))
    return {} if spec is None else {variant.name: int(variant.weight_pct) for variant in spec.variants}


def _serving(world: World, *numbers: int) -> None:
    """Have versions served, one after the other."""
    for number in numbers:
        world.version(number)
        rollout = _start(world, number)
        while _advance(world):
            pass
        if number > 1:
            _operate(world, rollout, Operation.PROMOTE)
            apply_desired(world.platform)
        assert _now(world, rollout).state.phase is Phase.PROMOTED


def _operate(world: World, rollout: Rollout, operation: Operation) -> None:
    with world.platform.database.transaction() as connection:
        operate_rollout(connection, world.platform, _now(world, rollout), operation, by="dana", reason="as I say")


def _roll_back(world: World) -> str | None:
    with world.platform.database.transaction() as connection:
        answer = start_rollback(connection, world.platform, MODEL, by="dana", reason="it is worse", action_id="a" * 36)
    return answer.done


def test_a_version_that_nobody_approved_is_not_rolled_out(world: World) -> None:
    world.version(1, approved=False)
    with pytest.raises(ApprovalRequiredError, match="trimtab versions approve tiny@1"):
        _start(world, 1)
    with world.platform.database.transaction() as connection:
        decide_version(connection, world.platform, MODEL, 1, approved=False, by="dana", reason="no")
    with pytest.raises(ApprovalRequiredError, match="is rejected"):
        _start(world, 1)
    assert _weights(world) == {}


def test_the_first_version_takes_all_traffic_after_its_smoke_test(world: World) -> None:
    world.version(1)
    rollout = _start(world, 1)
    assert _weights(world) == {}
    phases = []
    while _advance(world):
        phases.append(_now(world, rollout).state.phase)
    assert phases == [Phase.SMOKE, Phase.BAKING, Phase.PROMOTED]
    assert _weights(world) == {"v1": 100}
    apply_desired(world.platform)
    staging = world.server.observe("tiny-staging")
    assert staging is not None
    assert staging.variants == (), "staging is empty again"


def test_what_staging_said_of_the_version_before_is_not_held_against_the_next(world: World) -> None:
    _serving(world, 1)
    world.version(2)
    world.version(3)
    world.server.refuses = "the disk is full"
    rollout = _start(world, 2)
    _advance(world)
    assert _now(world, rollout).state.phase is Phase.FAILED
    world.server.refuses = None

    rollout = _start(world, 3)
    assert not advance_rollouts(world.platform, RolloutWatch(world.platform)), "staging has not read it yet"
    assert _now(world, rollout).state.phase is Phase.STAGING
    _advance(world)
    assert _now(world, rollout).state.phase is Phase.SMOKE


@pytest.mark.parametrize("config", ["endpoint: taken\n", "staging_endpoint: taken\n"])
def test_a_model_cannot_take_the_endpoint_of_another(world: World, config: str) -> None:
    world.version(1)
    theirs = EndpointSpec(endpoint="taken", generation=1, variants=())
    with world.platform.database.transaction() as connection:
        endpoint_store.desire(connection, theirs, model="other", actor="ann", reason="theirs", at_us=1)
    (world.platform.project.root / "models" / MODEL / "deployment_config.yaml").write_text(config)
    with pytest.raises(ConflictError, match="'taken': serves model 'other', not 'tiny'; name an endpoint of its own"):
        _start(world, 1)
    assert world.platform.database.read(lambda connection: endpoint_store.desired(connection, "taken")) == theirs


def test_one_rollout_at_a_time_and_none_of_what_serves_already(world: World) -> None:
    _serving(world, 1)
    with pytest.raises(ConflictError, match="serves version 1 already"):
        _start(world, 1)
    world.version(2)
    _start(world, 2)
    world.version(3)
    with pytest.raises(ConflictError, match="rollout"):
        _start(world, 3)


def test_a_canary_moves_by_its_steps_and_champion_and_challenger_follow(world: World) -> None:
    _serving(world, 1)
    world.version(2)
    counted = CountedRequests(world.server)
    watch, rollout = RolloutWatch(world.platform, counted), _start(world, 2)
    seen: list[dict[str, int]] = []
    for _tick in range(40):
        _advance(world, watch)
        if not seen or seen[-1] != _weights(world):
            seen.append(_weights(world))
            aliases = world.platform.database.read(lambda connection: aliases_of(connection, MODEL))
            assert aliases["champion"] == (2 if seen[-1] == {"v2": 100} else 1)
        apply_desired(world.platform)
        if len(_weights(world)) == 2:
            counted.ask_both(2_000)
        world.clock.advance(timedelta(seconds=0.4))
    assert seen == [{"v1": 100}, {"v1": 80, "v2": 20}, {"v1": 50, "v2": 50}, {"v2": 100}]
    assert _now(world, rollout).state.phase is Phase.PROMOTED


def test_errors_of_the_candidate_take_the_traffic_back_at_once(world: World) -> None:
    _serving(world, 1)
    world.version(2)
    counted = CountedRequests(world.server)
    watch, rollout = RolloutWatch(world.platform, counted), _start(world, 2)
    while _advance(world, watch):
        pass
    _advance(world, watch)
    assert _weights(world) == {"v1": 80, "v2": 20}
    counted.ask_both(300)
    counted.ask("v2", 15, status=500)
    assert _advance(world, watch)
    assert (_now(world, rollout).state.phase, _weights(world)) == (Phase.ROLLED_BACK, {"v1": 100})
    assert not _advance(world, watch), "a finished rollout stays as it is"


def test_a_candidate_that_does_not_load_fails_and_production_stays(world: World) -> None:
    _serving(world, 1)
    world.version(2)
    world.server.refuses = "bundle v2: not what its digest says"
    rollout = _start(world, 2)
    while _advance(world):
        pass
    assert (_now(world, rollout).state.phase, _weights(world)) == (Phase.FAILED, {"v1": 100})


def test_a_rollback_brings_the_version_before_back_without_a_canary(world: World) -> None:
    _serving(world, 1, 2)
    assert _weights(world) == {"v2": 100}
    assert _roll_back(world) is None
    while _advance(world):
        pass
    assert _weights(world) == {"v1": 100}


def test_a_rollback_of_a_rollout_under_way_aborts_it(world: World) -> None:
    _serving(world, 1)
    world.version(2)
    rollout = _start(world, 2)
    assert _roll_back(world) == "the rollout of version 2 was aborted"
    assert (_now(world, rollout).state.phase, _weights(world)) == (Phase.ROLLED_BACK, {"v1": 100})
    with pytest.raises(NotFoundError, match="served no earlier version"):
        _roll_back(world)


def test_what_is_finished_cannot_be_operated(world: World) -> None:
    world.version(1)
    rollout = _start(world, 1)
    while _advance(world):
        pass
    with pytest.raises(IllegalTransitionError, match="promoted already"):
        _operate(world, rollout, Operation.ABORT)


def test_applying_what_is_desired_again_changes_nothing(world: World) -> None:
    world.version(1)
    local = LocalDeployer(world.platform.project.serving)
    platform = replace(world.platform, deployer=local)
    _start(world, 1)
    assert not apply_desired(platform), "no server answers: asking again is no work done"
    path = platform.project.serving / "specs" / "tiny-staging.json"
    before = (path.stat().st_ino, path.read_bytes())
    apply_desired(platform)
    assert (path.stat().st_ino, path.read_bytes()) == before


def test_deciding_a_version_twice_is_told_once(world: World) -> None:
    world.version(1, approved=False)
    for _time in range(2):
        with world.platform.database.transaction() as connection:
            decide_version(connection, world.platform, MODEL, 1, approved=True, by="dana", reason="good")
    assert [subscriber for subscriber, _state, _error in world.unfinished()] == []
    assert world.versions() == [(1, "approved")]


def test_rejecting_a_version_on_its_way_out_takes_its_traffic_back(world: World) -> None:
    _serving(world, 1)
    world.version(2)
    rollout = _start(world, 2)
    while _advance(world):
        pass
    assert _weights(world) == {"v1": 80, "v2": 20}
    with world.platform.database.transaction() as connection:
        decide_version(connection, world.platform, MODEL, 2, approved=False, by="dana", reason="a leak")

    assert (_now(world, rollout).state.phase, _weights(world)) == (Phase.ROLLED_BACK, {"v1": 100})


def test_what_production_rests_on_cannot_be_rejected(world: World) -> None:
    _serving(world, 1)
    with world.platform.database.transaction() as connection, pytest.raises(ConflictError, match="deploy another one"):
        decide_version(connection, world.platform, MODEL, 1, approved=False, by="dana", reason="a leak")


def test_a_rejected_version_is_not_deployed_and_the_advice_is_possible(world: World) -> None:
    world.version(1, approved=False)
    with world.platform.database.transaction() as connection:
        decide_version(connection, world.platform, MODEL, 1, approved=False, by="dana", reason="a leak")
    with pytest.raises(ApprovalRequiredError, match="is rejected; deploy another one"):
        _start(world, 1)
