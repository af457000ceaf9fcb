"""What a rollout sees: counts are taken once, survive whoever looks, and without them nothing is promoted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.counted import CountedRequests
from tests.unit.loop.going import CANARY, Going
from tests.unit.loop.projects import MODEL, World
from tests.unit.loop.shipping import Asked, Shipping

from trimtab.core.enums import Verdict
from trimtab.core.errors import BackendError
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, operate_rollout
from trimtab.rollout import analysis_store
from trimtab.rollout.machine import Operation
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import ServedState
from trimtab.serving.spec import EndpointStatus

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)


def test_a_candidate_like_the_stable_version_goes_out_step_by_step(world: World) -> None:
    going = Going(world)
    assert going.now.state.phase is Phase.CANARY
    going.busy()
    assert {
        name for name, piece in going.evidence().items() if piece.verdict is not Verdict.OK and piece.required
    } == set()
    assert going.advance(after=timedelta(hours=1)) is Phase.CANARY
    assert going.now.state.weight_pct == 50
    assert going.look().observation.requests == 0, "the next step asks for requests of its own"
    going.counted.ask_both(100)
    assert going.advance(after=timedelta(hours=1)) is Phase.BAKING
    assert going.look().observation.production is ServedState.SERVED
    going.counted.ask("v2", 1_000)
    assert going.advance(after=timedelta(hours=1)) is Phase.PROMOTED


def _erring(counted: CountedRequests) -> None:
    counted.ask("v2", 150, status=500)


def _slow(counted: CountedRequests) -> None:
    counted.ask("v2", 3_000, latency_ms=2.0)


@pytest.mark.parametrize("worse", [_erring, _slow], ids=["erring", "slow"])
def test_a_worse_candidate_is_taken_back_in_the_middle_of_a_step(
    world: World, worse: Callable[[CountedRequests], None]
) -> None:
    going = Going(world)
    for _ in range(4):
        going.counted.ask_both(2_000)
        assert going.advance(after=timedelta(seconds=10)) is Phase.CANARY
    worse(going.counted)
    assert going.advance() is Phase.ROLLED_BACK
    assert going.advance(after=timedelta(hours=1)) is Phase.ROLLED_BACK


def test_what_was_counted_outlives_whoever_looks_and_the_server(world: World) -> None:
    going = Going(world)
    going.counted.ask_both(1_000)
    assert going.look().observation.requests == 200
    going.advance(after=timedelta(seconds=10))
    going.look_again()
    assert going.look().observation.requests == 200
    assert going.evidence()["errors"].candidate_n == 200
    going.counted.restart()
    assert going.look().observation.requests == 200, "what the server forgot is still known"
    going.counted.ask_both(500)
    assert (going.look().observation.requests, going.evidence()["errors"].stable_n) == (300, 1_200)
    going.advance(after=timedelta(seconds=10))
    going.advance(after=timedelta(seconds=10))
    assert (going.look().observation.requests, going.evidence()["errors"].stable_n) == (300, 1_200)


def test_looking_without_storing_changes_nothing(world: World) -> None:
    going = Going(world)
    going.counted.ask_both(1_000)
    first = going.look()
    assert going.look() == first
    assert going.look().analysis == first.analysis


def test_a_rollout_whose_counts_cannot_be_read_is_held_and_says_so(world: World) -> None:
    going = Going(world)
    going.busy()
    going.advance(after=timedelta(minutes=58))
    going.counted.hindered = "the server talks nonsense"
    assert going.advance(after=timedelta(minutes=2)) is Phase.CANARY
    assert going.evidence()["counts"].why == "the server talks nonsense"
    going.counted.hindered, going.counted.answers = None, False
    assert going.advance(after=timedelta(minutes=1)) is Phase.CANARY
    assert going.evidence()["counts"].verdict is Verdict.INCONCLUSIVE
    assert going.now.state.weight_pct == 20
    going.counted.answers = True
    going.advance()
    assert going.now.state.weight_pct == 50


def test_a_second_try_of_a_version_does_not_inherit_the_first_ones_counts(world: World) -> None:
    going = Going(world)
    going.counted.ask_both(1_000)
    going.advance(after=timedelta(seconds=10))
    with world.platform.database.transaction() as connection:
        operate_rollout(connection, world.platform, going.now, Operation.ABORT, by="dana", reason="not now")
    going.advance()
    with world.platform.database.transaction() as connection:
        going.id = start_rollout(connection, world.platform, world.platform.files(MODEL), 2, by="dana").id
    assert going.advance() is Phase.CANARY
    assert going.look().observation.requests == 0
    going.counted.ask_both(100)
    assert going.look().observation.requests == 20


def test_looks_tell_of_all_that_was_new_also_of_what_was_stored_between_them(world: World) -> None:
    going = Going(world)
    for _ in range(20):
        going.counted.ask_both(100)
        going.counted.ask("v1", 4, status=422)
        going.counted.ask("v2", 1, status=422)
        going.keep()
        going.counted.ask("v1", 1)
        going.advance(after=timedelta(seconds=12))
    looks = world.platform.database.read(lambda connection: analysis_store.list_looks(connection, going.id))
    blocks = [block for look in looks for block in look.content.get("blocks", [])]
    assert sum(block["candidate"]["drawn"] for block in blocks) == 420
    assert sum(block["candidate"]["refused"] for block in blocks) == 20
    assert sum(block["stable"]["requests"] for block in blocks) == 1_700
    going.advance(after=timedelta(minutes=1))
    count = len(looks) + 1
    for _ in range(5):
        going.advance(after=timedelta(minutes=1))
        looks = world.platform.database.read(lambda connection: analysis_store.list_looks(connection, going.id))
        assert len(looks) == count, "where nothing is new there is nothing to keep"


def test_a_candidate_that_is_wrong_more_often_is_taken_back_once_the_outcomes_say_so(world: World) -> None:
    limited = CANARY.rstrip() + "\n  limits: {{max_degradation: {{accuracy: 0.02}}}}\n"
    going = Going(world, limited)
    shipping = Shipping(world)
    drawn = [2 if number % 5 == 0 else 1 for number in range(400)]
    asked = [
        Asked(1 + number // 100, version, place=number, chance=0.2, prediction="no" if number % 10 == 0 else "yes")
        for number, version in enumerate(drawn)
    ]
    shipping.rows(*asked)
    going.counted.ask_both(400)
    assert going.advance(after=timedelta(seconds=10)) is Phase.CANARY
    assert going.evidence()["degradation:accuracy"].candidate_n == 0
    shipping.outcomes("yes", *asked)
    going.look_again()
    found = going.evidence()["degradation:accuracy"]
    assert (found.candidate_n, found.stable_n) == (80, 320)
    assert found.verdict is Verdict.BREACH
    assert going.advance() is Phase.ROLLED_BACK


_BAKED = """
strategy:
  type: canary
  steps: [{{weight_pct: 20, duration: 1h, min_requests: 20}}, {{weight_pct: 100, duration: 1h, min_requests: 20}}]
  limits: {{max_degradation: {{accuracy: 0.02}}, required: {{quality: {waits}}}}}
"""


def _answers(number: int) -> Asked:
    chosen = 2 if number % 5 == 0 else 1
    return Asked(1, chosen, place=number, chance=0.2, prediction="no" if number % 10 == 0 else "yes")


def test_outcomes_of_the_steps_that_come_in_the_bake_still_take_the_candidate_back(world: World) -> None:
    going, shipping = Going(world, _BAKED.replace("{waits}", "false")), Shipping(world)
    asked = [_answers(number) for number in range(400)]
    shipping.rows(*asked)
    going.busy()
    assert going.advance(after=timedelta(hours=1)) is Phase.BAKING
    shipping.outcomes("yes", *asked)
    going.look_again()
    assert going.advance() is Phase.ROLLED_BACK


def test_a_candidate_that_answers_otherwise_stays_where_it_is_until_a_person_decides(world: World) -> None:
    going, shipping = Going(world, f"{CANARY}  limits: {{{{max_prediction_shift: 0.1}}}}\n"), Shipping(world)
    asked = [_answers(number) for number in range(1000)]
    shipping.rows(*[replace(each, prediction="yes" if each.version == 2 else "no") for each in asked])
    going.look_again()
    assert going.advance(after=timedelta(minutes=1)) is Phase.WAITING_FOR_PERSON
    going.look_again()
    found = going.evidence()["prediction_shift"]
    assert (found.verdict, found.candidate_n + found.stable_n) == (Verdict.BREACH, 999)


def test_outcomes_that_say_nothing_of_a_metric_do_not_end_the_comparison(world: World) -> None:
    described = world.platform.project.root / "models" / MODEL / "model.yaml"
    described.write_text(described.read_text().replace("f1", "recall"))
    going = Going(world, _BAKED.replace("{waits}", "true").replace("accuracy", "recall"))
    shipping = Shipping(world)
    asked = [_answers(number) for number in range(400)]
    shipping.rows(*asked)
    shipping.outcomes("no", *asked)
    going.counted.ask_both(400)
    going.advance(after=timedelta(seconds=10))
    assert {"errors", "latency_p50", "degradation:recall"} <= set(going.evidence())


def test_a_lake_that_cannot_be_read_holds_a_rollout_and_does_not_hinder_the_way_back(world: World) -> None:
    going, shipping = Going(world, _BAKED.replace("{waits}", "true")), Shipping(world)
    shipping.rows(*[_answers(number) for number in range(40)])
    for path in world.platform.lake.root.rglob("*.parquet"):
        path.write_bytes(b"not what was written")
    going.look_again()
    going.counted.ask_both(2_000)
    assert going.advance(after=timedelta(hours=1)) is Phase.CANARY
    assert going.evidence()["outcomes"].verdict is Verdict.INCONCLUSIVE
    going.counted.ask("v2", 300, status=500)
    assert going.advance() is Phase.ROLLED_BACK


def test_however_slow_the_lake_is_errors_and_latency_are_judged_at_every_look(world: World) -> None:
    going, asked = Going(world, _BAKED.replace("{waits}", "true")), list[Callable[[], None]]()
    going.look_again(beside=asked.append)
    going.busy()
    assert len(asked) == 1, "asked once, it is not asked again before it has answered"
    going.advance(after=timedelta(hours=1))
    assert going.now.state.phase is Phase.CANARY, "it waits for outcomes"
    going.counted.ask("v2", 300, status=500)
    assert going.advance() is Phase.ROLLED_BACK


def test_what_the_lake_says_late_is_taken_once_at_the_next_look(world: World) -> None:
    going, shipping = Going(world, _BAKED.replace("{waits}", "true")), Shipping(world)
    asked: list[Callable[[], None]] = []
    rows = [_answers(number) for number in range(100)]
    shipping.rows(*rows)
    shipping.outcomes("yes", *rows)
    world.clock.advance(timedelta(seconds=30))
    going.look_again(beside=asked.append)
    assert going.evidence()["degradation:accuracy"].candidate_n == 0
    asked.pop()()
    assert going.evidence()["degradation:accuracy"].candidate_n == 20
    going.keep()
    going.now_s += 5
    assert going.evidence()["degradation:accuracy"].candidate_n == 20
    asked.pop()()
    assert going.evidence()["degradation:accuracy"].candidate_n == 20


def test_a_lake_that_never_answers_holds_a_rollout_and_is_told_of(world: World) -> None:
    going = Going(world, _BAKED.replace("{waits}", "true"))
    going.look_again(beside=lambda _work: None)
    assert "outcomes" not in going.evidence()
    going.now_s += 60
    found = going.evidence()["outcomes"]
    assert (found.verdict, found.required) == (Verdict.INCONCLUSIVE, True)
    assert found.why.endswith("the lake has not answered within 60 s")


def test_without_a_thread_for_the_lake_a_rollout_is_held_and_says_so(world: World) -> None:
    def none_left(_work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    going = Going(world, _BAKED.replace("{waits}", "true"))
    going.look_again(beside=none_left)
    assert going.evidence()["outcomes"].why.endswith("can't start new thread")
    going.look_again()
    assert "outcomes" not in going.evidence()


def test_a_version_goes_back_only_once_production_has_refused_it_for_longer_than_a_moment(world: World) -> None:
    going = Going(world)
    going.production_says("no memory is left")
    assert going.advance() is Phase.CANARY
    going.now_s += 2
    going.production_says(None)
    assert going.look().observation.production is ServedState.SERVED
    going.production_says("no memory is left")
    going.now_s += 2
    seen = going.look().observation
    assert (seen.production, seen.production_error) == (ServedState.ARRIVING, None), "it was served in between"
    assert going.advance() is Phase.CANARY
    going.now_s += 3
    assert going.advance() is Phase.ROLLED_BACK
    assert "no memory is left" in str(going.now.log[-1]["reason"])


@pytest.mark.parametrize("unread", [f"{MODEL}-staging", MODEL])
def test_a_status_that_cannot_be_read_keeps_no_breach_from_being_judged(
    world: World, monkeypatch: pytest.MonkeyPatch, unread: str
) -> None:
    going = Going(world)
    observe = world.server.observe

    def broken(endpoint: str) -> EndpointStatus | None:
        if endpoint == unread:
            raise BackendError("its status is no JSON")
        return observe(endpoint)

    monkeypatch.setattr(world.server, "observe", broken)
    for _time in range(2):
        advance_rollouts(world.platform, going.watch)
    told = str((going.now.last or {})["reason"])
    assert (going.now.state.phase, "no JSON" in told) == (Phase.CANARY, unread == MODEL)
    going.counted.ask("v1", 400)
    going.counted.ask("v2", 100, status=500)
    advance_rollouts(world.platform, going.watch)
    assert going.now.state.phase is Phase.ROLLED_BACK
