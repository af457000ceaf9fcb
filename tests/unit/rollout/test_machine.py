from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.rollout.rollouts import (
    BAD,
    GOOD,
    INITIAL,
    LIMITS,
    MINUTE,
    OPEN,
    READY,
    START,
    after_smoke,
    blue_green,
    canary,
    desired,
    judged,
    recreate,
    seen,
    shadow,
    spec,
    split,
    version,
)

from trimtab.core.canonical import canonical_json
from trimtab.core.enums import VariantRole, Verdict
from trimtab.core.errors import ConfigError
from trimtab.rollout.limits import Family
from trimtab.rollout.machine import Operation, operate, step
from trimtab.rollout.phases import MOVES, Phase, as_mermaid
from trimtab.rollout.plan import production_spec
from trimtab.rollout.state import (
    Evidence,
    Observation,
    RolloutSpec,
    RolloutState,
    ServedState,
    StagingObservation,
    Transition,
)
from trimtab.rollout.strategies import CanaryConfig, Strategy
from trimtab.rollout.traffic import production_weights


def weights_over_time(rollout: RolloutSpec, *, end: Phase) -> list[dict[str, int]]:
    """The weights of a rollout whose evidence is good throughout, ten minutes between looks."""
    state, now, weights = INITIAL, START, []
    for _look in range(12):
        observation = replace(seen(state, GOOD), staging=READY.staging)
        decided = step(rollout, state, observation, now)
        if decided.weights is not None:
            weights.append({name: int(weight) for name, weight in decided.weights.items()})
        state, now = desired(decided.state), now + 10 * MINUTE
    assert state.phase is end
    return weights


def test_a_good_canary_goes_up_step_by_step_and_is_promoted() -> None:
    assert weights_over_time(spec(), end=Phase.PROMOTED) == [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


def test_a_last_step_of_all_traffic_is_a_bake_with_the_stable_version_standing_by() -> None:
    expected = [{"v1": 90, "v2": 10}, {"v1": 0, "v2": 100}, {"v2": 100}]
    assert weights_over_time(spec(canary(10, 100)), end=Phase.PROMOTED) == expected


def test_blue_green_switches_at_once_and_keeps_the_old_version_loaded_while_it_bakes() -> None:
    for strategy in (blue_green(), canary(100)):
        assert weights_over_time(spec(strategy), end=Phase.PROMOTED) == [{"v1": 0, "v2": 100}, {"v2": 100}]
        assert after_smoke(spec(strategy)).phase is Phase.BAKING


def test_a_shadow_gets_copies_and_takes_over_once_it_agrees() -> None:
    rollout = spec(shadow())
    state = after_smoke(rollout)
    production = production_spec(rollout, state, generation=5)
    assert [(each.name, int(each.weight_pct), each.role) for each in production.variants] == [
        ("v1", 100, VariantRole.LIVE),
        ("v2", 25, VariantRole.SHADOW),
    ]
    assert weights_over_time(rollout, end=Phase.PROMOTED) == [{"v1": 100}, {"v2": 100}]
    baked = weights_over_time(spec(shadow(10 * MINUTE)), end=Phase.PROMOTED)
    assert baked == [{"v1": 100}, {"v1": 0, "v2": 100}, {"v2": 100}]


@pytest.mark.parametrize(("evidence", "verdict"), [((BAD,), Verdict.BREACH), ((), Verdict.INCONCLUSIVE)])
def test_a_shadow_that_disagrees_or_says_nothing_asks_a_person(
    evidence: tuple[Evidence, ...], verdict: Verdict
) -> None:
    rollout = spec(shadow())
    state = after_smoke(rollout)
    decided = step(rollout, state, seen(state, *evidence), START + 61 * MINUTE)
    assert (decided.state.phase, decided.verdict, decided.weights) == (Phase.WAITING_FOR_PERSON, verdict, None)
    assert step(rollout, decided.state, seen(decided.state, BAD), START + 62 * MINUTE).state == decided.state
    promoted = operate(rollout, decided.state, Operation.PROMOTE, START, "it is better")
    assert promoted.weights == {"v2": Decimal(100)}
    aborted = operate(rollout, decided.state, Operation.ABORT, START, "it is not")
    assert aborted.weights == {"v1": Decimal(100)}, "production is told, so that the shadow goes"


def test_a_split_never_promotes_by_itself_and_ends_with_a_person() -> None:
    rollout = spec(split())
    state = after_smoke(rollout)
    assert production_weights(rollout, state) == {"v1": 70, "v2": 30}
    assert step(rollout, state, seen(state, GOOD), START + 99 * MINUTE).state == state
    over = step(rollout, state, seen(state, GOOD), START + 100 * MINUTE)
    assert (over.state.phase, over.weights, over.state.weight_pct) == (Phase.WAITING_FOR_PERSON, None, Decimal(30))
    assert operate(rollout, state, Operation.PROMOTE, START, "").state.phase is Phase.PROMOTED
    resumed = operate(rollout, over.state, Operation.RESUME, START + 101 * MINUTE, "longer")
    assert (resumed.state.phase, resumed.weights) == (Phase.SPLIT, None)


def test_the_first_version_is_promoted_as_soon_as_it_is_served_and_goes_if_it_cannot_be() -> None:
    for strategy in (canary(), blue_green(), shadow(), split(), recreate()):
        rollout = spec(strategy, stable=None)
        state = after_smoke(rollout)
        assert production_weights(rollout, state) == {"v2": Decimal(100)}
        assert step(rollout, state, seen(state, production=ServedState.ARRIVING), START).state == state
        promoted = step(rollout, state, seen(state, BAD, requests=0), START)
        assert (promoted.state.phase, promoted.weights) == (Phase.PROMOTED, None), "there is nothing to go back to"
        refused = step(rollout, state, seen(state, production=ServedState.REFUSED), START)
        assert (refused.state.phase, refused.weights) == (Phase.ROLLED_BACK, {})


def test_recreate_replaces_the_stable_version_at_once_and_lets_it_go_when_the_new_one_is_served() -> None:
    rollout = spec(recreate())
    assert weights_over_time(rollout, end=Phase.PROMOTED) == [{"v1": 0, "v2": 100}, {"v2": 100}]
    state = after_smoke(rollout)
    assert step(rollout, state, seen(state, production=ServedState.ARRIVING), START).state == state
    assert step(rollout, state, seen(state, requests=0), START).reason == "all traffic: it is served; promoted"


@pytest.mark.parametrize(
    "staging",
    [
        StagingObservation(ready=True, smoke_rows=64, smoke_max_abs_difference=0.1),
        StagingObservation(ready=True, smoke_rows=64, smoke_max_abs_difference=math.nan),
        StagingObservation(ready=True, smoke_rows=0),
        StagingObservation(ready=False, error="digest differs"),
    ],
)
def test_a_failed_smoke_test_leaves_production_alone(staging: StagingObservation) -> None:
    smoke = step(spec(), INITIAL, READY, START).state
    decided = step(spec(), smoke, Observation(staging=staging), START)
    assert (decided.state.phase, decided.verdict, decided.weights) == (Phase.FAILED, Verdict.BREACH, None)


def test_a_bundle_that_does_not_load_fails_the_rollout() -> None:
    broken = Observation(staging=StagingObservation(ready=False, error="digest differs"))
    decided = step(spec(), INITIAL, broken, START)
    assert decided.state.phase is Phase.FAILED
    assert "digest differs" in decided.reason


def test_a_canary_with_too_few_requests_holds_whatever_the_verdict() -> None:
    state = after_smoke(spec())
    decided = step(spec(), state, seen(state, GOOD, requests=99), START + 30 * MINUTE)
    assert (decided.state, decided.verdict) == (state, Verdict.INCONCLUSIVE)
    assert "99 of 100 requests" in decided.reason


def test_a_canary_within_its_limits_still_lasts_its_duration() -> None:
    state = after_smoke(spec())
    decided = step(spec(), state, seen(state, GOOD), START + 4 * MINUTE)
    assert (decided.state, decided.verdict) == (state, Verdict.OK)
    assert "6m left" in decided.reason


def test_a_canary_without_a_verdict_for_too_long_asks_a_person_and_keeps_its_weight() -> None:
    state = after_smoke(spec())
    decided = step(spec(), state, seen(state, OPEN), START + 71 * MINUTE)
    assert (decided.state.phase, decided.weights) == (Phase.WAITING_FOR_PERSON, None)
    assert decided.state.weight_pct == 10
    good = step(spec(), decided.state, seen(decided.state, GOOD), START + 200 * MINUTE)
    assert good.state == decided.state


def test_what_is_not_required_is_not_waited_for_but_may_breach() -> None:
    state, late = after_smoke(spec()), START + 11 * MINUTE
    unknown = judged(Verdict.INCONCLUSIVE, name="quality", required=False)
    assert step(spec(), state, seen(state, GOOD, unknown), late).state.step_index == 1
    held = step(spec(), state, seen(state, GOOD, OPEN, unknown), late)
    assert held.reason.endswith(OPEN.why), "what is not waited for is no reason to hold"
    worse = judged(Verdict.BREACH, name="quality", required=False)
    assert step(spec(), state, seen(state, GOOD, worse), late).state.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("errors", Family.ERRORS),
        ("latency_p50", Family.LATENCY),
        ("error_rate", Family.ABSOLUTE),
        ("degradation:mape", Family.QUALITY),
    ],
)
def test_a_group_of_limits_that_is_not_required_is_not_waited_for_and_says_so(name: str, family: Family) -> None:
    state, late = after_smoke(spec()), START + 11 * MINUTE
    unknown = judged(Verdict.INCONCLUSIVE, name=name)
    assert step(spec(), state, seen(state, unknown), late).state == state
    lenient = spec(canary(10, 50, limits=LIMITS.model_copy(update={"required": {family: False}})))
    decided = step(lenient, state, seen(state, unknown), late)
    assert decided.state.step_index == 1
    assert decided.evidence[-1].why == "as judged; not required: it is not waited for"
    worse = judged(Verdict.BREACH, name=name)
    assert step(lenient, state, seen(state, worse), late).state.phase is Phase.ROLLED_BACK


def test_quality_is_not_within_its_limit_below_the_floor_of_labels() -> None:
    state, late = after_smoke(spec()), START + 11 * MINUTE
    for labels, index in ((29, 0), (30, 1)):
        good = replace(judged(Verdict.OK, name="degradation:mape"), candidate_n=labels, stable_n=500)
        assert step(spec(), state, seen(state, good), late).state.step_index == index


@pytest.mark.parametrize("strategy", [canary(), split(), blue_green()], ids=lambda strategy: strategy.type)
@pytest.mark.parametrize("minutes", [0, 5, 500])
def test_a_breach_takes_the_traffic_back_at_once(strategy: Strategy, minutes: int) -> None:
    state = after_smoke(spec(strategy))
    decided = step(spec(strategy), state, seen(state, BAD, OPEN, requests=3), START + minutes * MINUTE)
    assert (decided.state.phase, decided.weights) == (Phase.ROLLED_BACK, {"v1": Decimal(100)})
    assert decided.reason == "limit breached: 3 times the errors"


@pytest.mark.parametrize(
    "strategy", [canary(), split(), blue_green(), shadow(), recreate()], ids=lambda strategy: strategy.type
)
@pytest.mark.parametrize("held", [False, True])
def test_a_spec_that_production_refuses_is_taken_back_at_once(strategy: Strategy, held: bool) -> None:
    rollout = spec(strategy)
    state = after_smoke(rollout)
    if held:
        state = operate(rollout, state, Operation.PAUSE, START, "").state
    refused = replace(seen(state, production=ServedState.REFUSED), production_error="no space left")
    decided = step(rollout, state, refused, START)
    assert (decided.state.phase, decided.weights) == (Phase.ROLLED_BACK, {"v1": Decimal(100)})
    assert "no space left" in decided.reason


@pytest.mark.parametrize("strategy", [canary(), split(), blue_green(), shadow()], ids=lambda strategy: strategy.type)
def test_what_is_seen_while_it_is_held_stays_in_the_evidence(strategy: Strategy) -> None:
    rollout = spec(strategy)
    state = operate(rollout, after_smoke(rollout), Operation.PAUSE, START, "").state
    decided = step(rollout, state, seen(state, GOOD, OPEN), START)
    assert (decided.state, decided.weights, decided.verdict) == (state, None, Verdict.INCONCLUSIVE)
    assert {piece.name for piece in decided.evidence} >= {GOOD.name, OPEN.name}


def test_a_shadow_that_is_held_and_differs_stays_held_and_says_so() -> None:
    rollout = spec(shadow())
    state = operate(rollout, after_smoke(rollout), Operation.PAUSE, START, "").state
    decided = step(rollout, state, seen(state, BAD), START)
    assert (decided.state, decided.evidence) == (state, (BAD,))


def test_a_refusal_of_what_was_desired_before_says_nothing_of_this_step() -> None:
    state = after_smoke(spec())
    before = replace(seen(state, production=ServedState.REFUSED), generation=4, production_error="no space left")
    assert step(spec(), state, before, START).state == state


def test_a_bake_waits_for_absolute_limits_alone() -> None:
    rollout = spec(blue_green())
    state, late = after_smoke(rollout), START + 11 * MINUTE
    assert step(rollout, state, seen(state, OPEN), late).state.phase is Phase.PROMOTED
    for name in ("error_rate", "latency_p95_ms", "counts"):
        unknown = judged(Verdict.INCONCLUSIVE, name=name)
        assert step(rollout, state, seen(state, unknown), late).state == state
    assert step(rollout, state, seen(state, GOOD, requests=99), late).state == state


def test_an_observation_of_another_generation_judges_nothing() -> None:
    state, late = after_smoke(spec()), START + 20 * MINUTE
    older = replace(seen(state, GOOD), generation=4)
    older_bad = replace(seen(state, BAD), generation=4)
    arriving = seen(state, GOOD, production=ServedState.ARRIVING)
    for stale in (older, older_bad, arriving, Observation(), Observation(production=ServedState.SERVED)):
        decided = step(spec(), state, stale, late)
        assert (decided.state, decided.verdict) == (state, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("production", [ServedState.ARRIVING, ServedState.UNKNOWN])
@pytest.mark.parametrize("strategy", [canary(), blue_green(), split()])
def test_a_breach_counts_before_the_last_worker_has_taken_the_generation_up(
    production: ServedState, strategy: Strategy
) -> None:
    rollout = spec(strategy)
    state = after_smoke(rollout)
    decided = step(rollout, state, seen(state, BAD, GOOD, production=production), START)
    assert decided.state.phase is Phase.ROLLED_BACK
    assert decided.reason == "limit breached: 3 times the errors"


def test_why_production_cannot_be_read_is_what_a_step_holds_for() -> None:
    state = after_smoke(spec())
    unread = replace(seen(state, GOOD, production=ServedState.UNKNOWN), production_error="status: no JSON")
    decided = step(spec(), state, unread, START + 20 * MINUTE)
    assert (decided.state, "status: no JSON" in decided.reason) == (state, True)


@pytest.mark.parametrize("length", [200, 200_000])
def test_an_error_of_any_length_is_told_as_far_as_it_can_be_stored(length: int) -> None:
    rollout, error = spec(), "\x00" * length
    failed = step(rollout, INITIAL, Observation(staging=StagingObservation(ready=False, error=error)), START)
    assert failed.state.phase is Phase.FAILED
    [piece] = failed.evidence
    assert (len(piece.why), len(failed.reason)) == (min(length, 1_000), min(length + len("does not load: "), 4_000))
    assert len(canonical_json(failed.to_json())) < 64_000


def test_a_step_taken_twice_on_one_observation_moves_once() -> None:
    later = START + 20 * MINUTE
    state = after_smoke(spec())
    observation = seen(state, GOOD)
    once = step(spec(), state, observation, later)
    twice = step(spec(), once.state, observation, later + 20 * MINUTE)
    assert once.state.step_index == 1
    assert twice.state == once.state


def test_a_clock_that_jumps_back_only_prolongs_a_step() -> None:
    state = after_smoke(spec())
    assert step(spec(), state, seen(state, GOOD), START - timedelta(days=1)).state == state


def test_a_finished_rollout_stays_as_it_is() -> None:
    state = operate(spec(), INITIAL, Operation.ABORT, START, "").state
    assert step(spec(), state, READY, START + 10 * MINUTE) == Transition(state, None, "finished: rolled_back", None)


def test_a_version_cannot_replace_itself() -> None:
    with pytest.raises(ConfigError, match="serves already"):
        spec(stable=2)


def test_spec_state_and_transition_survive_json() -> None:
    rollout = spec(canary(10, 50, limits=LIMITS))
    state = operate(rollout, after_smoke(rollout), Operation.PAUSE, START, "").state
    assert RolloutState.from_json(state.to_json()) == state
    for strategy in (canary(), recreate(), blue_green(), shadow(10 * MINUTE), split()):
        assert RolloutSpec.from_json(spec(strategy).to_json()) == spec(strategy)
    assert version(2).variant == "v2"


def test_what_was_stored_before_there_were_other_strategies_is_read() -> None:
    stored = spec().to_json()
    del stored["task"], stored["metrics"]
    stored["strategy"] = {
        "type": "canary",
        "steps": [{"weight_pct": "10", "duration": "10m", "min_requests": 100}],
        "limits": {"max_error_rate": 0.01, "max_latency_p95_ms": None, "max_degradation": {}, "min_labels": 30},
        "max_hold": "1d",
    }
    read = RolloutSpec.from_json(stored).strategy
    assert isinstance(read, CanaryConfig)
    assert read.limits.max_error_rate == 0.01
    older = {"phase": "canary", "since_us": 5, "step_index": 0, "weight_pct": "10", "resumes_to": None}
    assert RolloutState.from_json(older).generation is None


def test_the_diagram_shows_every_move() -> None:
    diagram = as_mermaid()
    assert all(f"{move.source} --> {move.target}" in diagram for move in MOVES)
    assert len({(move.source, move.target) for move in MOVES}) == len(MOVES), "each move stands once, with its causes"


@pytest.mark.parametrize("strategy", [canary(), blue_green()])
def test_requests_that_got_no_answer_are_none_that_a_step_waits_for(strategy: Strategy) -> None:
    rollout = spec(strategy)
    state, late = after_smoke(rollout), START + 20 * MINUTE
    refused = replace(seen(state, GOOD, requests=99), refused=1_988, abandoned=17)
    decided = step(rollout, state, refused, late)
    assert (decided.state.phase, decided.verdict) == (state.phase, Verdict.INCONCLUSIVE)
    assert "99 of 100 requests answered: 1988 were refused, 17 were not waited for" in decided.reason
    assert step(rollout, state, replace(refused, requests=100), late).state != state


@pytest.mark.parametrize("strategy", [canary(), blue_green(), split(), shadow()])
@pytest.mark.parametrize("production", list(ServedState))
def test_an_outage_takes_the_candidate_back_whatever_production_says(
    strategy: Strategy, production: ServedState
) -> None:
    rollout = spec(strategy)
    state = after_smoke(rollout)
    down = replace(seen(state, production=production), generation=None, outages=(BAD,))
    paused = replace(state, phase=Phase.PAUSED, resumes_to=state.phase)
    for stands in (state, paused):
        decided = step(rollout, stands, down, START)
        assert (decided.state.phase, decided.verdict) == (Phase.ROLLED_BACK, Verdict.BREACH)
        assert decided.reason == BAD.why
    assert step(rollout, INITIAL, replace(down, staging=READY.staging), START).state.phase is Phase.SMOKE
