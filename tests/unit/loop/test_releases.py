"""From an approved version to production and back: what is refused, what weights follow, what repeating changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.core.errors import ApprovalRequiredError, ConflictError, IllegalTransitionError, NotFoundError
from trimtab.loop.probe import ServingProbe
from trimtab.loop.releases import (
    advance_rollouts,
    aliases_of,
    apply_desired,
    decide_version,
    operate_rollout,
    start_rollback,
    start_rollout,
)
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.local import LocalDeployer
from trimtab.rollout.machine import Operation
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import Rollout

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)


class Counting:
    """Answers ``/metrics`` with what it is told."""

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        outer = self

        class _Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(outer.text().encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def text(self) -> str:
        lines = ["# TYPE trimtab_requests counter"]
        for status, counts in (("2xx", self.requests), ("5xx", self.errors)):
            lines += [
                f'trimtab_requests_total{{endpoint="tiny",variant="{name}",status="{status}"}} {count}'
                for name, count in counts.items()
            ]
        return "\n".join(lines) + "\n"


@pytest.fixture
def counting() -> Iterator[Counting]:
    counting = Counting()
    thread = threading.Thread(target=counting.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield counting
    counting.http.shutdown()
    counting.http.server_close()
    thread.join(5)


def _start(world: World, number: int) -> Rollout:
    with world.platform.database.transaction() as connection:
        return start_rollout(connection, world.platform, world.platform.files(MODEL), number, by="dana")


def _advance(world: World, probe: ServingProbe | None = None) -> bool:
    apply_desired(world.platform)
    return advance_rollouts(world.platform, probe or ServingProbe(world.platform))


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
        return start_rollback(
            connection, world.platform, world.platform.files(MODEL), by="dana", reason="it is worse", action_id="a" * 36
        )


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
    assert phases == [Phase.SMOKE, Phase.PROMOTED]
    assert _weights(world) == {"v1": 100}
    apply_desired(world.platform)
    staging = world.server.observe("tiny-staging")
    assert staging is not None
    assert staging.variants == (), "staging is empty again"


def test_one_rollout_at_a_time_and_none_of_what_serves_already(world: World) -> None:
    _serving(world, 1)
    with pytest.raises(ConflictError, match="serves version 1 already"):
        _start(world, 1)
    world.version(2)
    _start(world, 2)
    world.version(3)
    with pytest.raises(ConflictError, match="rollout"):
        _start(world, 3)


def test_a_canary_moves_by_its_steps_and_champion_and_challenger_follow(world: World, counting: Counting) -> None:
    _serving(world, 1)
    world.version(2)
    world = World(replace(world.platform, serving_url=lambda: counting.url), world.clock, world.server, world.jobs)
    probe, rollout = ServingProbe(world.platform), _start(world, 2)
    counting.requests = {"v1": 500}
    seen: list[dict[str, int]] = []
    for _tick in range(12):
        _advance(world, probe)
        if not seen or seen[-1] != _weights(world):
            seen.append(_weights(world))
            aliases = world.platform.database.read(lambda connection: aliases_of(connection, MODEL))
            assert aliases["champion"] == (2 if seen[-1] == {"v2": 100} else 1)
        counting.requests = {name: counting.requests.get(name, 0) + 15 for name in ("v1", "v2")}
        world.clock.advance(timedelta(seconds=0.4))
    assert seen == [{"v1": 100}, {"v1": 80, "v2": 20}, {"v1": 50, "v2": 50}, {"v2": 100}]
    assert _now(world, rollout).state.phase is Phase.PROMOTED


def test_errors_of_the_candidate_take_the_traffic_back_at_once(world: World, counting: Counting) -> None:
    _serving(world, 1)
    world.version(2)
    world = World(replace(world.platform, serving_url=lambda: counting.url), world.clock, world.server, world.jobs)
    probe, rollout = ServingProbe(world.platform), _start(world, 2)
    counting.requests = {"v1": 1, "v2": 1}
    while _advance(world, probe):
        pass
    _advance(world, probe)
    assert _weights(world) == {"v1": 80, "v2": 20}
    counting.requests, counting.errors = {"v1": 80, "v2": 18}, {"v2": 3}
    assert _advance(world, probe)
    assert (_now(world, rollout).state.phase, _weights(world)) == (Phase.ROLLED_BACK, {"v1": 100})
    assert not _advance(world, probe), "a finished rollout stays as it is"


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
    with pytest.raises(NotFoundError, match="served no other version before"):
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


def test_a_rollout_that_cannot_be_observed_is_held_and_the_next_try_goes_on(world: World, counting: Counting) -> None:
    _serving(world, 1)
    world.version(2)
    world = World(replace(world.platform, serving_url=lambda: counting.url), world.clock, world.server, world.jobs)
    probe, rollout = ServingProbe(world.platform), _start(world, 2)
    while _advance(world, probe):
        pass
    path = world.platform.project.root / "models" / MODEL / "deployment_config.yaml"
    content = path.read_text()
    path.write_text("strategy: {type: cannary}\n")
    counting.requests = {"v1": 10, "v2": 10}
    assert not _advance(world, probe)
    world.clock.advance(timedelta(seconds=2))
    counting.requests = {"v1": 90, "v2": 90}
    assert not _advance(world, probe), "what cannot be judged is not promoted"
    assert _weights(world) == {"v1": 80, "v2": 20}
    path.write_text(content)
    assert _advance(world, probe)
    assert (_now(world, rollout).state.phase, _weights(world)) == (Phase.CANARY, {"v1": 50, "v2": 50})


def test_deciding_a_version_twice_is_told_once(world: World) -> None:
    world.version(1, approved=False)
    for _time in range(2):
        with world.platform.database.transaction() as connection:
            decide_version(connection, world.platform, MODEL, 1, approved=True, by="dana", reason="good")
    assert [subscriber for subscriber, _state, _error in world.unfinished()] == []
    assert world.versions() == [(1, "approved")]


def test_a_server_that_restarts_within_a_step_loses_what_it_had_counted_and_no_more(
    world: World, counting: Counting
) -> None:
    _serving(world, 1)
    world.version(2)
    platform = replace(world.platform, serving_url=lambda: counting.url)
    world = World(platform, world.clock, world.server, world.jobs)
    probe, rollout = ServingProbe(platform), _start(world, 2)
    while _advance(world, probe):
        pass
    seen = []
    for count in (0, 10, 4, 90, 130):
        counting.requests, counting.errors = {"v1": count, "v2": count}, {"v2": 1 if count in {4, 90, 130} else 3}
        variants = probe.observe(_now(world, rollout)).variants
        seen.append((variants["v2"].requests, variants["v2"].errors))
    assert seen == [(3, 3), (13, 3), (5, 1), (91, 1), (131, 1)], "never below what came since the restart"


def test_rejecting_a_version_on_its_way_out_takes_its_traffic_back(world: World, counting: Counting) -> None:
    _serving(world, 1)
    world.version(2)
    world = World(replace(world.platform, serving_url=lambda: counting.url), world.clock, world.server, world.jobs)
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
