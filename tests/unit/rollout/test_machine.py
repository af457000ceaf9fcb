from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.rollout.rollouts import LIMITS, MINUTE, READY, START, canary, recreate, seen, spec, version

from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError, IllegalTransitionError
from trimtab.rollout.machine import Operation, operate, production_weights, step
from trimtab.rollout.phases import MOVES, Phase, as_mermaid
from trimtab.rollout.settings import CanaryLimits
from trimtab.rollout.state import Observation, RolloutSpec, RolloutState, StagingObservation, Transition

INITIAL = RolloutState.initial(to_micros(START))


def in_canary(rollout: RolloutSpec) -> RolloutState:
    smoke = step(rollout, INITIAL, READY, START).state
    return step(rollout, smoke, READY, START).state


def test_a_good_canary_goes_up_step_by_step_and_is_promoted() -> None:
    rollout = spec()
    state, now, weights = INITIAL, START, []
    for observation in (READY, READY, seen(10), seen(50)):
        decided = step(rollout, state, observation, now)
        weights.append(dict(decided.weights or {}))
        state, now = decided.state, now + 10 * MINUTE
    assert state.phase is Phase.PROMOTED
    assert weights == [{}, {"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


def test_the_first_version_is_promoted_after_its_smoke_test() -> None:
    rollout = spec(stable=None)
    smoke = step(rollout, INITIAL, READY, START)
    promoted = step(rollout, smoke.state, READY, START)
    assert (promoted.state.phase, promoted.weights) == (Phase.PROMOTED, {"v2": Decimal(100)})


def test_recreate_replaces_the_stable_version_at_once() -> None:
    rollout = spec(recreate())
    smoke = step(rollout, INITIAL, READY, START)
    assert step(rollout, smoke.state, READY, START).weights == {"v2": Decimal(100)}


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


def test_a_canary_with_too_few_requests_holds() -> None:
    state = in_canary(spec())
    decided = step(spec(), state, seen(10, requests=99), START + 30 * MINUTE)
    assert (decided.state, decided.verdict) == (state, Verdict.INCONCLUSIVE)
    assert "99 of 100 requests" in decided.reason


def test_a_canary_within_its_limits_still_lasts_its_duration() -> None:
    state = in_canary(spec())
    decided = step(spec(), state, seen(10), START + 4 * MINUTE)
    assert (decided.state, decided.verdict) == (state, Verdict.OK)
    assert "6m left" in decided.reason


def test_a_canary_without_a_verdict_for_too_long_asks_a_person_and_keeps_its_weight() -> None:
    state = in_canary(spec())
    decided = step(spec(), state, seen(10, requests=5), START + 71 * MINUTE)
    assert (decided.state.phase, decided.weights) == (Phase.WAITING_FOR_PERSON, None)
    assert decided.state.weight_pct == 10
    good = step(spec(), decided.state, seen(10), START + 200 * MINUTE)
    assert good.state == decided.state


@pytest.mark.parametrize("minutes", [0, 5, 500])
def test_errors_beyond_the_limit_roll_back_at_once(minutes: int) -> None:
    decided = step(spec(), in_canary(spec()), seen(10, errors=3), START + minutes * MINUTE)
    assert (decided.state.phase, decided.weights) == (Phase.ROLLED_BACK, {"v1": Decimal(100)})
    assert "3 errors in 200 requests" in decided.reason


def test_one_early_error_is_no_breach_but_a_limit_beyond_reach_is() -> None:
    state = in_canary(spec())
    assert step(spec(), state, seen(10, requests=1, errors=1), START).state == state
    assert step(spec(), state, seen(10, requests=2, errors=2), START).state.phase is Phase.ROLLED_BACK


def test_a_slow_canary_is_rolled_back() -> None:
    decided = step(spec(), in_canary(spec()), seen(10, p95_ms=201), START)
    assert decided.state.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("metric", "new", "old", "phase"),
    [
        ("mape", 0.21, 0.20, Phase.CANARY),
        ("mape", 0.23, 0.20, Phase.ROLLED_BACK),
        ("accuracy", 0.70, 0.80, Phase.ROLLED_BACK),
        ("accuracy", 0.90, 0.80, Phase.CANARY),
        ("mape", 0.1, 0.0, Phase.ROLLED_BACK),
        ("mape", 0.0, 0.0, Phase.CANARY),
        ("roc_auc", math.nan, 0.8, Phase.CANARY),
    ],
)
def test_quality_is_judged_relative_to_the_stable_version(metric: str, new: float, old: float, phase: Phase) -> None:
    rollout = spec(canary(10, limits=CanaryLimits(max_degradation={metric: 0.1})))
    observation = seen(10, labelled=30, new={metric: new}, old={metric: old})
    assert step(rollout, in_canary(rollout), observation, START).state.phase is phase


def test_quality_without_labels_never_promotes() -> None:
    rollout = spec(canary(10, limits=CanaryLimits(max_degradation={"mape": 0.1})))
    decided = step(rollout, in_canary(rollout), seen(10, labelled=29), START + 11 * MINUTE)
    assert (decided.state.phase, decided.verdict) == (Phase.CANARY, Verdict.INCONCLUSIVE)


def test_an_observation_of_another_weight_or_generation_judges_nothing() -> None:
    state = in_canary(spec())
    late = START + 20 * MINUTE
    for stale in (seen(50), seen(10, served=False), Observation()):
        assert step(spec(), state, stale, late).verdict is Verdict.INCONCLUSIVE


def test_a_step_taken_twice_on_one_observation_moves_once() -> None:
    later = START + 20 * MINUTE
    once = step(spec(), in_canary(spec()), seen(10), later)
    twice = step(spec(), once.state, seen(10), later + 20 * MINUTE)
    assert once.state.step_index == 1
    assert twice.state == once.state


def test_a_clock_that_jumps_back_only_prolongs_a_step() -> None:
    state = in_canary(spec())
    assert step(spec(), state, seen(10), START - timedelta(days=1)).state == state


def test_a_paused_canary_waits_resumes_its_step_anew_and_still_rolls_back_on_a_breach() -> None:
    state = in_canary(spec())
    paused = operate(spec(), state, Operation.PAUSE, START, "lunch").state
    assert production_weights(spec(), paused) == {"v1": 90, "v2": 10}
    assert step(spec(), paused, seen(10), START + 60 * MINUTE).state == paused
    assert step(spec(), paused, seen(10, errors=50), START).state.phase is Phase.ROLLED_BACK
    resumed = operate(spec(), paused, Operation.RESUME, START + 60 * MINUTE, "").state
    assert (resumed.phase, resumed.step_index, resumed.weight_pct) == (Phase.CANARY, 0, Decimal(10))
    assert step(spec(), resumed, seen(10), START + 61 * MINUTE).state == resumed


def test_abort_before_real_traffic_changes_nothing_in_production() -> None:
    aborted = operate(spec(), INITIAL, Operation.ABORT, START, "")
    assert (aborted.state.phase, aborted.weights) == (Phase.ROLLED_BACK, None)


def test_a_person_may_promote_a_canary_that_waits() -> None:
    waiting = step(spec(), in_canary(spec()), Observation(), START + 90 * MINUTE).state
    promoted = operate(spec(), waiting, Operation.PROMOTE, START + 91 * MINUTE, "labels are late")
    assert (promoted.state.phase, promoted.weights, promoted.verdict) == (
        Phase.PROMOTED,
        {"v2": Decimal(100)},
        None,
    )


@pytest.mark.parametrize(
    ("before", "operation", "why"),
    [
        ((), Operation.RESUME, "nothing to resume"),
        ((), Operation.PROMOTE, "once it takes real traffic"),
        ((Operation.PAUSE,), Operation.PAUSE, "paused already"),
        ((Operation.PAUSE,), Operation.PROMOTE, "once it takes real traffic"),
        ((Operation.ABORT,), Operation.PROMOTE, "rolled_back already"),
        ((Operation.ABORT,), Operation.ABORT, "rolled_back already"),
    ],
)
def test_operations_that_have_no_meaning_are_refused(
    before: tuple[Operation, ...], operation: Operation, why: str
) -> None:
    state = INITIAL
    for earlier in before:
        state = operate(spec(), state, earlier, START, "").state
    with pytest.raises(IllegalTransitionError, match=why):
        operate(spec(), state, operation, START, "")


def test_a_finished_rollout_stays_as_it_is() -> None:
    state = operate(spec(), INITIAL, Operation.ABORT, START, "").state
    assert step(spec(), state, READY, START + 10 * MINUTE) == Transition(state, None, "finished: rolled_back", None)


def test_a_version_cannot_replace_itself() -> None:
    with pytest.raises(ConfigError, match="serves already"):
        spec(stable=2)


def test_spec_state_and_transition_survive_json() -> None:
    rollout = spec(canary(10, 50, limits=LIMITS))
    state = operate(rollout, in_canary(rollout), Operation.PAUSE, START, "").state
    assert RolloutSpec.from_json(rollout.to_json()) == rollout
    assert RolloutState.from_json(state.to_json()) == state
    assert spec(recreate()) == RolloutSpec.from_json(spec(recreate()).to_json())
    assert version(2).variant == "v2"


def test_the_diagram_shows_every_move() -> None:
    diagram = as_mermaid()
    assert all(f"{move.source} --> {move.target}" in diagram for move in MOVES)
