"""Rollouts under way: each look, what follows from it and what is desired are stored together, and once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_spec
from sqlalchemy import select, update
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, VariantRole, Verdict
from trimtab.core.errors import BackendError, IllegalTransitionError
from trimtab.db.tables import event
from trimtab.db.tables import rollout as rollout_table
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import Seen, advance_rollouts, apply_desired, operate_rollout
from trimtab.rollout import analysis_store, endpoint_store, store
from trimtab.rollout.analysis_store import Analysis, Look
from trimtab.rollout.local import LocalDeployer
from trimtab.rollout.machine import Operation
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import Evidence, Observation, ServedState, StagingObservation
from trimtab.rollout.store import Rollout
from trimtab.serving.spec import EndpointStatus

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

GOOD = (Evidence("errors", Verdict.OK, 0.0, 1.5, "no errors"),)
BAD = (Evidence("errors", Verdict.BREACH, 9.0, 1.5, "9 times the errors"),)
OPEN = (Evidence("errors", Verdict.INCONCLUSIVE, None, 1.5, "too few errors"),)

SHADOW = "strategy: {type: shadow, min_rows: 20}\n"
BLUE_GREEN = "strategy: {type: blue_green, bake: 10m, min_requests: 20}\n"
SPLIT = "strategy: {type: ab, weight_pct: 30, max_duration: 1h}\n"


@dataclass
class Told:
    """Sees what it is told: a server that takes everything up, and evidence. It counts how often it was asked."""

    world: World
    evidence: tuple[Evidence, ...] = GOOD
    requests: int = 100
    production: ServedState = ServedState.SERVED
    meanwhile: Callable[[], None] | None = None
    known: list[JsonObject] = field(default_factory=list)

    def look(self, rollout: Rollout, analysis: Analysis) -> Seen:
        self.known.append(analysis.content)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        observation = Observation(
            staging=StagingObservation(ready=True, smoke_rows=6),
            production=self.production,
            production_error="no space left" if self.production is ServedState.REFUSED else None,
            generation=rollout.state.generation,
            requests=self.requests,
            evidence=self.evidence,
        )
        counted = int(analysis.content.get("counted", 0)) + 1
        if not rollout.state.weight_pct:
            return Seen(observation)
        return Seen(observation, {"counted": counted}, {"blocks": counted})


def _deployment(world: World, text: str) -> None:
    (world.platform.project.root / "models" / MODEL / "deployment_config.yaml").write_text(text)


def _start(world: World, number: int) -> Rollout:
    world.version(number)
    with world.platform.database.transaction() as connection:
        return start_rollout(connection, world.platform, world.platform.files(MODEL), number, by="dana")


def _advance(world: World, told: Told, *, times: int = 1, apart: timedelta = timedelta(0)) -> None:
    for _time in range(times):
        apply_desired(world.platform)
        advance_rollouts(world.platform, told)
        world.clock.advance(apart)


def _canary(world: World, told: Told) -> Rollout:
    """Version 2 in the first step of a canary, beside version 1."""
    _start(world, 1)
    _advance(world, told, times=3)
    rollout = _start(world, 2)
    _advance(world, told, times=2)
    assert _now(world, rollout).state.phase is Phase.CANARY
    return rollout


def _now(world: World, rollout: Rollout) -> Rollout:
    return world.platform.database.read(lambda connection: store.load_rollout(connection, rollout.id))


def _looks(world: World, rollout: Rollout) -> list[Look]:
    return world.platform.database.read(lambda connection: analysis_store.list_looks(connection, rollout.id))


def _analysis(world: World, rollout: Rollout) -> Analysis:
    return world.platform.database.read(lambda connection: analysis_store.load_analysis(connection, rollout.id))


def _production(world: World) -> dict[str, tuple[int, VariantRole]]:
    spec = world.platform.database.read(lambda connection: endpoint_store.desired(connection, MODEL))
    assert spec is not None
    return {variant.name: (int(variant.weight_pct), variant.role) for variant in spec.variants}


def test_a_look_and_the_move_that_it_led_to_are_stored_with_what_was_known(world: World) -> None:
    told = Told(world)
    rollout = _canary(world, told)
    world.clock.advance(timedelta(seconds=2))
    _advance(world, told)
    assert _now(world, rollout).state.weight_pct == 50
    last = _looks(world, rollout)[-1]
    assert (last.phase, last.step_index, last.verdict) == (Phase.CANARY, 0, Verdict.OK)
    assert (last.content["weight_pct"], last.content["requests"], last.content["blocks"]) == ("20", 100, 1)
    assert [piece["name"] for piece in last.content["evidence"]] == ["requests", "errors"]
    kept = _analysis(world, rollout)
    assert (kept.content, kept.looks) == ({"counted": 1}, 3), "two moves before it: to the smoke test, to the canary"
    assert [look.sequence for look in _looks(world, rollout)] == [1, 2, 3]


def test_what_was_counted_survives_a_restart_and_is_not_counted_twice(world: World) -> None:
    rollout = _canary(world, Told(world))
    held = Told(world, OPEN)
    _advance(world, held, times=4, apart=timedelta(seconds=6))
    restarted = Told(world, OPEN)
    _advance(world, restarted)
    assert held.known == [{}, {"counted": 1}, {"counted": 2}, {"counted": 3}]
    assert restarted.known == [{"counted": 4}]
    assert _now(world, rollout).state.phase is Phase.CANARY


def test_a_clock_that_is_set_back_keeps_nothing_from_being_stored(world: World) -> None:
    rollout = _canary(world, Told(world))
    told = Told(world, OPEN)
    _advance(world, told, apart=timedelta(hours=-1))
    _advance(world, told, apart=timedelta(seconds=1))
    assert _analysis(world, rollout).content == {"counted": 2}
    assert _now(world, rollout).state.phase is Phase.CANARY


def test_looks_that_say_nothing_new_are_not_kept_more_often_than_a_plot_needs(world: World) -> None:
    rollout = _canary(world, Told(world))
    before = len(_looks(world, rollout))
    _advance(world, Told(world, OPEN), times=20, apart=timedelta(seconds=0.1))
    looks = _looks(world, rollout)[before:]
    assert len(looks) == 2, "one as the verdict changed, one a second later"
    _advance(world, Told(world, GOOD))
    assert [look.verdict for look in _looks(world, rollout)[before:]] == [Verdict.INCONCLUSIVE] * 2 + [Verdict.OK]


def test_one_that_waits_for_long_is_looked_at_ever_less_often(world: World) -> None:
    rollout = _canary(world, Told(world))
    world.clock.advance(timedelta(days=20))
    told = Told(world, OPEN)
    _advance(world, told, times=2)
    before = len(_looks(world, rollout))
    _advance(world, told, times=20, apart=timedelta(minutes=2))
    assert len(_looks(world, rollout)) - before <= 2, "a thousandth of the time since its start lies between them"


def test_what_cannot_be_seen_keeps_neither_itself_nor_others_from_what_is_desired(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(world, 1)
    with world.platform.database.transaction() as connection:
        spec = endpoint_store.desired(connection, f"{MODEL}-staging")
        assert spec is not None
        other = replace_spec(spec, endpoint="another", generation=1)
        endpoint_store.desire(connection, other, model=MODEL, actor="dana", reason="", at_us=world.platform.now_us())
    observe = world.server.observe

    def broken(endpoint: str) -> EndpointStatus | None:
        if endpoint == "another":
            raise BackendError("its status is not what this version writes")
        return observe(endpoint)

    monkeypatch.setattr(world.server, "observe", broken)
    with pytest.raises(BackendError, match="not what this version writes"):
        apply_desired(world.platform)
    assert [spec.endpoint for spec in world.server.applied] == ["another", f"{MODEL}-staging"]


@pytest.mark.parametrize("beyond", [44, 1], ids=["ahead", "of the same number"])
def test_what_the_platform_was_asked_for_by_another_copy_of_the_database_is_overtaken(
    world: World, tmp_path: Path, beyond: int
) -> None:
    """A backup was restored, or somebody wrote the spec by hand: what is decided now must reach the callers."""
    rollout = _canary(world, Told(world))
    deployer = LocalDeployer(tmp_path)
    platform = replace(world.platform, deployer=deployer)
    before = platform.database.read(lambda connection: endpoint_store.desired(connection, MODEL))
    assert before is not None
    deployer.apply(replace_spec(before, generation=before.generation + beyond))
    with platform.database.transaction() as connection:
        operate_rollout(connection, platform, _now(world, rollout), Operation.ABORT, by="dana", reason="bad")
    for _time in range(2):
        apply_desired(platform)
    assert deployer.desired(MODEL) == platform.database.read(lambda c: endpoint_store.desired(c, MODEL))
    [newest, *_] = platform.database.read(lambda c: endpoint_store.endpoint_generations(c, MODEL))
    assert (newest.spec.generation, newest.rollout_id) == (before.generation + beyond + 1, rollout.id)
    assert _production(world) == {"v1": (100, VariantRole.LIVE)}
    told = platform.database.read(lambda c: audit.show(c, subject=f"endpoint:{MODEL}"))
    assert [(entry.actor, entry.action) for entry in told] == [("conductor", "endpoint.overtaken")]


def test_what_somebody_else_decides_meanwhile_is_not_overtaken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = _canary(world, Told(world))
    stale = world.platform.database.read(endpoint_store.list_desired)
    with world.platform.database.transaction() as connection:
        operate_rollout(connection, world.platform, _now(world, rollout), Operation.ABORT, by="dana", reason="bad")
    apply_desired(world.platform)
    after = world.platform.database.read(endpoint_store.list_desired)
    monkeypatch.setattr(endpoint_store, "list_desired", lambda _connection: stale)
    apply_desired(world.platform)
    monkeypatch.undo()
    assert world.platform.database.read(endpoint_store.list_desired) == after


def test_a_rollout_that_cannot_be_read_keeps_no_other_from_going_back_and_is_aborted(world: World) -> None:
    rollout = _canary(world, Told(world))
    other = replace(rollout.spec, endpoint="other", staging_endpoint="other-staging", model="other")
    with world.platform.database.transaction() as connection:
        store.create_rollout(connection, "0" * 36, other, now_us=world.platform.now_us() + 1)
        stored = rollout_table.c.id == "0" * 36
        content = connection.execute(select(rollout_table.c.spec).where(stored)).scalar_one()
        content["spec"]["strategy"]["limits"]["max_degradation"] = {"accuracy": None}
        connection.execute(update(rollout_table).where(stored).values(spec=content))
    _advance(world, Told(world, BAD))
    assert _now(world, rollout).state.phase is Phase.ROLLED_BACK
    dana = Actor("dana", Role.APPROVER)
    listed = perform(world.platform, dana, "rollouts.list", {"limit": 9})["rollouts"]
    told = {row["rollout_id"]: (row["phase"], row["reason"]) for row in listed}
    phase, reason = told["0" * 36]
    assert (phase, "max_degradation.accuracy" in reason) == ("staging", True)
    asked = {"rollout_id": "0" * 36, "reason": "it cannot be read"}
    with pytest.raises(IllegalTransitionError, match=r"cannot be read .* abort it"):
        perform(world.platform, dana, "rollouts.operate", {**asked, "operation": "pause"})
    assert perform(world.platform, dana, "rollouts.operate", {**asked, "operation": "abort"})["phase"] == "rolled_back"


def test_status_says_that_callers_do_not_get_yet_what_they_shall(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = _canary(world, Told(world))
    vera = Actor("vera", Role.VIEWER)
    assert perform(world.platform, vera, "status.show", {})["models"][0]["not_served"] is None
    with world.platform.database.transaction() as connection:
        operate_rollout(connection, world.platform, _now(world, rollout), Operation.ABORT, by="dana", reason="bad")
    shown = perform(world.platform, vera, "status.show", {})
    assert shown["models"][0]["not_served"] == "generation 2 is served, 3 is to be"
    assert "tiny: not served yet: generation 2 is served, 3 is to be" in str(shown["next"])
    monkeypatch.setattr(world.server, "observe", _unreadable)
    assert "status: no JSON" in perform(world.platform, vera, "status.show", {})["models"][0]["not_served"]


def _unreadable(_endpoint: str) -> EndpointStatus | None:
    raise BackendError("status: no JSON")


def test_a_breach_in_the_middle_of_a_step_takes_the_traffic_back_at_once(world: World) -> None:
    rollout = _canary(world, Told(world))
    _advance(world, Told(world, BAD, requests=1))
    assert (_now(world, rollout).state.phase, _production(world)) == (
        Phase.ROLLED_BACK,
        {"v1": (100, VariantRole.LIVE)},
    )
    assert _looks(world, rollout)[-1].verdict is Verdict.BREACH


@pytest.mark.parametrize("text", [SHADOW, BLUE_GREEN, SPLIT], ids=["shadow", "blue_green", "ab"])
def test_what_production_refuses_is_taken_back(world: World, text: str) -> None:
    told = Told(world)
    _start(world, 1)
    _advance(world, told, times=3)
    _deployment(world, text)
    rollout = _start(world, 2)
    _advance(world, told, times=2)
    _advance(world, Told(world, production=ServedState.REFUSED))
    stored = _now(world, rollout)
    assert (stored.state.phase, _production(world)) == (Phase.ROLLED_BACK, {"v1": (100, VariantRole.LIVE)})
    assert "no space left" in str(stored.log[-1]["reason"])


def test_a_shadow_comes_beside_the_live_version_and_goes_when_it_takes_over(world: World) -> None:
    told = Told(world)
    _start(world, 1)
    _advance(world, told, times=3)
    _deployment(world, SHADOW)
    rollout = _start(world, 2)
    _advance(world, told, times=2)
    assert _production(world) == {"v1": (100, VariantRole.LIVE), "v2": (100, VariantRole.SHADOW)}
    _advance(world, told)
    assert (_now(world, rollout).state.phase, _production(world)) == (Phase.PROMOTED, {"v2": (100, VariantRole.LIVE)})


def test_an_aborted_shadow_leaves_production_without_it(world: World) -> None:
    told = Told(world)
    _start(world, 1)
    _advance(world, told, times=3)
    _deployment(world, SHADOW)
    rollout = _start(world, 2)
    _advance(world, told, times=2)
    with world.platform.database.transaction() as connection:
        operate_rollout(connection, world.platform, _now(world, rollout), Operation.ABORT, by="dana", reason="no")
    assert _production(world) == {"v1": (100, VariantRole.LIVE)}


@pytest.mark.parametrize("operation", [Operation.ABORT, Operation.PROMOTE, Operation.PAUSE])
def test_what_a_person_does_while_a_look_is_taken_counts_and_is_done_once(world: World, operation: Operation) -> None:
    rollout = _canary(world, Told(world))
    kept = _analysis(world, rollout)

    def act() -> None:
        with world.platform.database.transaction() as connection:
            operate_rollout(connection, world.platform, _now(world, rollout), operation, by="dana", reason="now")

    told = Told(world, OPEN, meanwhile=act)
    _advance(world, told)
    after = _now(world, rollout)
    assert after.log[-1]["actor"] == "dana", "the look was of a state that is over"
    assert _analysis(world, rollout) == kept
    _advance(world, told, times=3, apart=timedelta(seconds=6))
    assert _now(world, rollout).state == after.state
    told_once = [entry["to"] for entry in _now(world, rollout).log].count(after.state.phase.value)
    assert told_once == 1


def test_a_rollout_that_an_earlier_program_left_behind_goes_on(world: World) -> None:
    rollout = _canary(world, Told(world))
    stored = world.platform.database.read(
        lambda c: c.execute(select(rollout_table.c.spec).where(rollout_table.c.id == rollout.id)).scalar_one()
    )
    for name in ("task", "metrics"):
        del stored["spec"][name]
    for name in ("alpha", "alpha_ok", "required", "max_error_ratio", "max_latency_increase"):
        del stored["spec"]["strategy"]["limits"][name]
    del stored["state"]["generation"]
    with world.platform.database.transaction() as connection:
        connection.execute(update(rollout_table).where(rollout_table.c.id == rollout.id).values(spec=stored))
    world.clock.advance(timedelta(seconds=2))
    _advance(world, Told(world))
    assert _now(world, rollout).state.weight_pct == 50


def test_what_cannot_be_asked_holds_its_rollout_and_is_asked_again(world: World) -> None:
    rollout = _canary(world, Told(world))
    world.clock.advance(timedelta(seconds=2))

    def fail() -> None:
        raise BackendError("server: said what nobody can read")

    told = Told(world, meanwhile=fail)
    _advance(world, told)
    assert _now(world, rollout).state.weight_pct == 20
    _advance(world, told)
    assert _now(world, rollout).state.weight_pct == 50


def test_a_rollout_that_breaks_the_loop_does_not_keep_another_from_going_back(world: World) -> None:
    rollout = _canary(world, Told(world))
    broken = replace(rollout.spec, endpoint="other", staging_endpoint="other-staging")
    with world.platform.database.transaction() as connection:
        store.create_rollout(connection, "broken", broken, now_us=world.platform.now_us() + 1)
    told = Told(world, BAD)

    class Breaking:
        def look(self, seen: Rollout, analysis: Analysis) -> Seen:
            if seen.id != rollout.id:
                raise ArithmeticError("a fault in the program")
            return told.look(seen, analysis)

    with pytest.raises(ArithmeticError, match="a fault"):
        advance_rollouts(world.platform, Breaking())
    assert _now(world, rollout).state.phase is Phase.ROLLED_BACK


def test_each_move_is_told_once(world: World) -> None:
    told = Told(world)
    rollout = _canary(world, told)
    _advance(world, told, times=6, apart=timedelta(seconds=2))
    events = world.platform.database.read(
        lambda c: c.execute(select(event.c.kind, event.c.payload).where(event.c.kind.like("rollout.%"))).all()
    )
    phases = [row.payload["phase"] for row in events if row.payload["rollout_id"] == rollout.id]
    assert phases == ["smoke", "canary", "canary", "promoted"]
    shown = perform(world.platform, Actor("vera", Role.VIEWER), "rollouts.show", {"rollout_id": rollout.id})
    assert shown["phase"] == "promoted"
