"""What people do to a rollout, and when one asks for them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.rollout.rollouts import (
    BAD,
    GOOD,
    INITIAL,
    MINUTE,
    OPEN,
    START,
    after_smoke,
    canary,
    judged,
    seen,
    spec,
    split,
)

from trimtab.core.enums import Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.rollout.machine import Operation, operate, step
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import (
    Observation,
    RolloutState,
)
from trimtab.rollout.strategies import Strategy
from trimtab.rollout.traffic import production_weights


def test_a_paused_canary_waits_resumes_its_step_anew_and_still_rolls_back_on_a_breach() -> None:
    state = after_smoke(spec())
    paused = operate(spec(), state, Operation.PAUSE, START, "lunch").state
    assert production_weights(spec(), paused) == {"v1": 90, "v2": 10}
    assert step(spec(), paused, seen(paused, GOOD), START + 60 * MINUTE).state == paused
    assert step(spec(), paused, seen(paused, BAD), START).state.phase is Phase.ROLLED_BACK
    resumed = operate(spec(), paused, Operation.RESUME, START + 60 * MINUTE, "").state
    assert (resumed.phase, resumed.step_index, resumed.weight_pct) == (Phase.CANARY, 0, Decimal(10))
    assert resumed.generation == state.generation, "nothing changed in production: what was seen still counts"
    assert step(spec(), resumed, seen(resumed, GOOD), START + 61 * MINUTE).state == resumed


def test_abort_before_real_traffic_changes_nothing_in_production() -> None:
    aborted = operate(spec(), INITIAL, Operation.ABORT, START, "")
    assert (aborted.state.phase, aborted.weights) == (Phase.ROLLED_BACK, None)


def test_a_person_may_promote_a_canary_that_waits() -> None:
    waiting = step(spec(), after_smoke(spec()), Observation(), START + 90 * MINUTE).state
    promoted = operate(spec(), waiting, Operation.PROMOTE, START + 91 * MINUTE, "labels are late")
    assert (promoted.state.phase, promoted.weights, promoted.verdict) == (
        Phase.PROMOTED,
        {"v2": Decimal(100)},
        None,
    )


SHIFTED = judged(Verdict.BREACH, "half of the candidate's are 'yes'", name="prediction_shift", required=False)


@pytest.mark.parametrize("strategy", [canary(), split()], ids=lambda strategy: strategy.type)
def test_predictions_that_have_shifted_ask_a_person_once_and_take_nothing_back(strategy: Strategy) -> None:
    rollout = spec(strategy)
    state = after_smoke(rollout)
    asked = step(rollout, state, seen(state, GOOD, SHIFTED), START)
    assert (asked.state.phase, asked.weights, asked.verdict) == (Phase.WAITING_FOR_PERSON, None, Verdict.BREACH)
    assert asked.reason.startswith("a person decides: ")
    assert asked.reason.endswith("half of the candidate's are 'yes'")
    stored = RolloutState.from_json(asked.state.to_json())
    assert step(rollout, stored, seen(stored, GOOD, SHIFTED), START).state == stored, "nothing is taken back"
    resumed = operate(rollout, stored, Operation.RESUME, START, "it is meant to").state
    gone_on = step(rollout, resumed, seen(resumed, GOOD, SHIFTED), START + 11 * MINUTE)
    assert gone_on.state.phase is resumed.phase, "whoever resumed it has answered"
    assert gone_on.state.step_index == (1 if resumed.phase is Phase.CANARY else 0)


def test_a_limit_that_takes_back_does_so_beside_predictions_that_have_shifted_also_while_held() -> None:
    state = after_smoke(spec())
    assert step(spec(), state, seen(state, BAD, SHIFTED), START).state.phase is Phase.ROLLED_BACK
    held = step(spec(), state, seen(state, GOOD, SHIFTED), START).state
    assert step(spec(), held, seen(held, BAD, SHIFTED), START).state.phase is Phase.ROLLED_BACK


def test_a_pause_outlasts_predictions_that_have_shifted_and_a_person_is_asked_when_it_ends() -> None:
    paused = operate(spec(), after_smoke(spec()), Operation.PAUSE, START, "").state
    assert step(spec(), paused, seen(paused, GOOD, SHIFTED), START).state == paused
    resumed = operate(spec(), paused, Operation.RESUME, START, "").state
    assert step(spec(), resumed, seen(resumed, GOOD, SHIFTED), START).state.phase is Phase.WAITING_FOR_PERSON


@pytest.mark.parametrize(
    "state",
    [
        RolloutState(Phase.CANARY, 0, step_index=7, weight_pct=Decimal(35), generation=5),
        RolloutState(Phase.SPLIT, 0, weight_pct=Decimal(35), generation=5),
        RolloutState(Phase.BAKING, 0, weight_pct=Decimal(100), generation=5),
        RolloutState(Phase.SHADOW, 0, generation=5),
    ],
    ids=lambda state: state.phase,
)
def test_a_rollout_that_stands_where_its_strategy_does_not_lead_asks_a_person(state: RolloutState) -> None:
    rollout = spec(canary())
    decided = step(rollout, state, seen(state, GOOD), START)
    assert (decided.state.phase, decided.weights) == (Phase.WAITING_FOR_PERSON, None)
    assert production_weights(rollout, decided.state) == production_weights(rollout, state)
    held = step(rollout, decided.state, seen(decided.state, BAD), START)
    assert held.state == decided.state
    assert operate(rollout, held.state, Operation.ABORT, START, "").state.phase is Phase.ROLLED_BACK


def test_a_canary_that_an_older_version_left_at_all_traffic_goes_on() -> None:
    rollout = spec(canary(10, 100))
    state = RolloutState(Phase.CANARY, 0, step_index=1, weight_pct=Decimal(100), generation=5)
    assert production_weights(rollout, state) == {"v1": 0, "v2": 100}
    assert step(rollout, state, seen(state, OPEN), START).state.phase is Phase.PROMOTED
    assert step(rollout, state, seen(state, BAD), START).state.phase is Phase.ROLLED_BACK


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
