"""One outcome, or one limit, that breaks arithmetic: it is told, and everything else is judged."""

from __future__ import annotations

import math
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.enums import Task, Verdict
from trimtab.core.errors import ConfigError
from trimtab.loop.block_news import news_of, together
from trimtab.measures.asymptotic import AsymptoticMean
from trimtab.rollout.analysis_plan import PlannedLimits, plan_of
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import AnsweredUnit, Block, LossUnit, Tally
from trimtab.rollout.judgement import judge
from trimtab.rollout.state import Evidence

LIMITS = PlannedLimits(max_degradation={"mae": 0.1, "rmse": 0.1}, max_prediction_shift=0.2)
PLAN = plan_of(LIMITS, Task.REGRESSION)
PAIRED = plan_of(LIMITS, Task.REGRESSION, paired=True)
ANY = st.floats(allow_nan=True, allow_infinity=True)


def units(*losses: float) -> tuple[LossUnit, ...]:
    return tuple(LossUnit(0.5, bool(place % 2), loss) for place, loss in enumerate(losses))


def block(*losses: float, failed: int = 0) -> Block:
    return Block(
        generation=2,
        probability=0.5,
        candidate=Tally(drawn=200, failed=failed, requests=200, errors=failed),
        stable=Tally(drawn=200, requests=200),
        losses={"mae": units(*losses), "rmse": units(*losses)},
        pairs={"mae": tuple((loss, 1.0) for loss in losses)},
    )


def stored(state: AnalysisState) -> AnalysisState:
    """What the database gives back: there is no infinity in JSON."""
    return AnalysisState.from_json(orjson.loads(orjson.dumps(state.to_json())))


def found(state: AnalysisState) -> dict[str, Evidence]:
    return {piece.name: piece for piece in judge(PLAN, state)}


@pytest.mark.parametrize("poison", [1e200, 2e154, 1e101, -1e300, math.inf, math.nan])
def test_a_loss_that_cannot_be_squared_is_left_out_and_told(poison: float) -> None:
    state = stored(accumulate(PLAN, AnalysisState(), block(1.0, 2.0, poison, 3.0)))
    state = stored(accumulate(PLAN, state, block(4.0, 5.0)))
    piece = found(state)["degradation:mae"]
    assert (piece.candidate_n, piece.stable_n) == (3, 2)
    assert piece.why.endswith("(1 left out: no number, or too large a one)")


def test_a_limit_that_breaks_is_open_for_good_and_the_others_are_judged() -> None:
    huge = plan_of(replace(LIMITS, max_degradation={"mae": 1e305, "rmse": 1e305}), Task.REGRESSION)
    state = stored(accumulate(huge, AnalysisState(), block(1e9, 1e9, 1e9)))
    state = stored(accumulate(huge, state, block(1.0, 1.0, failed=150)))
    pieces = {piece.name: piece for piece in judge(huge, state)}
    for name in ("degradation:mae", "degradation:rmse"):
        assert pieces[name].verdict is Verdict.INCONCLUSIVE
        assert pieces[name].why.startswith(f"{name}: cannot be judged any more: ")
    assert pieces["errors"].verdict is Verdict.BREACH


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(ANY, max_size=6), max_size=4))
def test_whatever_outcomes_say_the_state_can_be_stored_and_the_errors_are_judged(blocks: list[list[float]]) -> None:
    for plan in (PLAN, PAIRED):
        state, news = AnalysisState(), news_of(())
        for losses in blocks:
            shown = replace(
                block(*losses), predictions=tuple(AnsweredUnit(0.5, place > 2, (x,)) for place, x in enumerate(losses))
            )
            state = accumulate(plan, state, shown)
            assert stored(state) == state
            news = together(orjson.loads(orjson.dumps(news)), news_of([shown]))
        judge(plan, state)
    every = [loss for losses in blocks for loss in losses]
    state = accumulate(PLAN, accumulate(PLAN, AnalysisState(), block(*every)), block(failed=150))
    assert found(state)["errors"].verdict is Verdict.BREACH


def test_a_state_that_was_stored_with_what_is_no_number_begins_anew() -> None:
    content = accumulate(PLAN, AnalysisState(), block(1.0, 2.0)).to_json()
    content["losses"]["degradation:mae"]["difference"]["squares"] = None
    assert AnalysisState.from_json(content) == AnalysisState()


@pytest.mark.parametrize("values", [[1e200, 1.0], [2e154, -2e154], [1e308] * 9])
def test_a_mean_whose_squares_are_infinite_is_refused(values: list[float]) -> None:
    seen = AsymptoticMean().with_values([1.0, 2.0])
    with pytest.raises(ConfigError, match="square is infinite"):
        seen.with_values(values)
