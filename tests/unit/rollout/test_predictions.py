"""Predictions side by side: a shift beyond the limit is found, in either direction, and is no matter of luck."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import Generator

from trimtab.core.enums import Task, Verdict
from trimtab.rollout.analysis_plan import AnalysisPlan, PlannedLimits, plan_of
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import AnsweredUnit, Block
from trimtab.rollout.judgement import judge
from trimtab.rollout.predictions import PredictionState, with_predictions
from trimtab.rollout.state import Evidence

Draw = Callable[[Generator, float], str | float]
"""What is answered, by a version whose distribution is moved by so much (0: the stable one's)."""


def _yes(rng: Generator, shift: float) -> str:
    return "yes" if rng.random() < 0.3 + shift else "no"


def _of_six(rng: Generator, shift: float) -> str:
    return "a" if rng.random() < 0.3 + shift else str(rng.choice(list("bcdef")))


def _number(rng: Generator, shift: float) -> float:
    """Above the median of the stable version's with a chance of 50 % + ``shift``."""
    return float(rng.random() + shift)


EVERY_TASK = pytest.mark.parametrize(
    ("task", "draw"), [(Task.BINARY, _yes), (Task.MULTICLASS, _of_six), (Task.REGRESSION, _number)]
)


def _plan(task: Task, most: float = 0.1, *, sticky: bool = False) -> AnalysisPlan:
    return plan_of(PlannedLimits(max_prediction_shift=most), task, sticky=sticky)


def _block(rng: Generator, draw: Draw, shift: float, *, units: int = 200, segment: int = 0) -> Block:
    drawn = [bool(rng.random() < 0.25) for _ in range(units)]
    answered = tuple(AnsweredUnit(0.25, mine, (draw(rng, shift if mine else 0.0),)) for mine in drawn)
    return Block(generation=2 + segment, probability=0.25, segment=segment, predictions=answered)


def _told(plan: AnalysisPlan, state: AnalysisState) -> Evidence:
    return next(piece for piece in judge(plan, state) if piece.name == "prediction_shift")


def _first_told(plan: AnalysisPlan, draw: Draw, shift: float, *, seed: int, looks: int = 60) -> Evidence:
    """Return the first evidence that is not open, else the last."""
    rng, state = np.random.default_rng(seed), AnalysisState()
    for _ in range(looks):
        state = AnalysisState.from_json(accumulate(plan, state, _block(rng, draw, shift)).to_json())
        found = _told(plan, state)
        if found.verdict is not Verdict.INCONCLUSIVE:
            break
    return found


@EVERY_TASK
@pytest.mark.parametrize("shift", [0.25, -0.25])
def test_a_shift_beyond_the_limit_is_found_in_either_direction(task: Task, draw: Draw, shift: float) -> None:
    found = _first_told(_plan(task), draw, shift, seed=1)
    assert (found.verdict, found.required) == (Verdict.BREACH, False)
    assert found.value is not None
    assert found.value == pytest.approx(0.25, abs=0.08)
    assert "differ by more than 10 points; a better model may well answer otherwise" in found.why


@EVERY_TASK
def test_versions_that_predict_alike_are_found_to(task: Task, draw: Draw) -> None:
    found = _first_told(_plan(task), draw, 0.0, seed=2)
    assert (found.verdict, found.required) == (Verdict.OK, False)


@EVERY_TASK
def test_a_shift_at_the_limit_is_seldom_a_breach(task: Task, draw: Draw) -> None:
    plan = _plan(task)
    told = [_first_told(plan, draw, 0.09, seed=seed, looks=15).verdict for seed in range(8)]
    assert Verdict.BREACH not in told


def test_the_sentence_names_the_answer_and_both_shares() -> None:
    found = _first_told(_plan(Task.MULTICLASS), _of_six, 0.4, seed=3)
    assert found.why.startswith("predictions: ")
    assert "of the candidate's and" in found.why
    assert "of the stable version's are 'a' (" in found.why
    found = _first_told(_plan(Task.REGRESSION), _number, 0.4, seed=3)
    assert "lie above the stable version's median, 0." in found.why


def test_a_shift_that_begins_late_is_found_too() -> None:
    rng, plan, state = np.random.default_rng(4), _plan(Task.BINARY), AnalysisState()
    for _ in range(50):
        state = accumulate(plan, state, _block(rng, _yes, 0.0))
    assert _told(plan, state).verdict is Verdict.OK
    for _ in range(25):
        state = accumulate(plan, state, _block(rng, _yes, 0.5))
    assert _told(plan, state).verdict is Verdict.BREACH


def _expected(task: Task, answers: tuple[str | float, str | float], chances: tuple[float, float]) -> list[float]:
    """Return E[e] that the first answer is given too often, and too seldom, over all of 4 requests, in two blocks.

    ``chances``: of the first answer, at the candidate and at the stable version.
    """
    p, found = 0.3, np.zeros(2)
    warm = [AnsweredUnit(p, False, (answers[place % 2],)) for place in range(200)]
    start = with_predictions(PredictionState(), warm if task is Task.REGRESSION else warm[:1], 0.2, task, segment=0)
    for drawn in itertools.product(itertools.product((True, False), (0, 1)), repeat=4):
        weight, units = 1.0, [AnsweredUnit(p, mine, (answers[place],)) for mine, place in drawn]
        for mine, place in drawn:
            chance = chances[0] if mine else chances[1]
            weight *= (p if mine else 1 - p) * (chance if place == 0 else 1 - chance)
        state = start
        for block in (units[:2], units[2:]):
            state = with_predictions(state, block, 0.2, task, segment=0)
        (question,) = state.segments[0].questions
        found += weight * np.exp([question.more.log_e, question.less.log_e])
    return [float(each) for each in found]


@pytest.mark.parametrize(("task", "answers"), [(Task.BINARY, ("yes", "no")), (Task.REGRESSION, (9.0, 1.0))])
def test_the_evidence_is_expected_to_grow_beyond_the_limit_alone(
    task: Task, answers: tuple[str | float, str | float]
) -> None:
    at_limit, least = _expected(task, answers, (0.5, 0.3))
    assert at_limit == pytest.approx(1)
    assert least < 1
    assert _expected(task, answers, (0.3, 0.5))[1] == pytest.approx(1)
    assert max(_expected(task, answers, (0.4, 0.4))) < 1
    assert _expected(task, answers, (0.9, 0.2))[0] > 1.01


def test_what_was_not_drawn_or_is_no_number_changes_nothing() -> None:
    rng, plan = np.random.default_rng(5), _plan(Task.REGRESSION)
    state = accumulate(plan, AnalysisState(), _block(rng, _number, 0.0, units=400))
    nothing = (
        AnsweredUnit(1.0, True, (9.0,)),
        AnsweredUnit(0.0, False, (9.0,)),
        AnsweredUnit(0.25, True, (math.nan,)),
        AnsweredUnit(0.25, True, ()),
    )
    after = accumulate(plan, state, Block(generation=2, probability=0.25, predictions=nothing))
    assert after.predictions == state.predictions
    empty = _told(plan, AnalysisState())
    assert (empty.verdict, empty.value, empty.candidate_n) == (Verdict.INCONCLUSIVE, None, 0)


def test_rows_of_one_request_count_as_one_unit() -> None:
    rng, plan = np.random.default_rng(6), _plan(Task.BINARY)
    block = _block(rng, _yes, 0.3, units=300)
    many = replace(block, predictions=tuple(replace(each, answers=each.answers * 7) for each in block.predictions))
    once, often = (_told(plan, accumulate(plan, AnalysisState(), each)) for each in (block, many))
    assert (once.e_harm, once.candidate_n, once.value) == (often.e_harm, often.candidate_n, often.value)


def test_with_sticky_keys_each_segment_gathers_its_own_evidence() -> None:
    rng, plan = np.random.default_rng(7), _plan(Task.BINARY, sticky=True)
    first = accumulate(plan, AnalysisState(), _block(rng, _yes, 0.25, units=800))
    second = accumulate(plan, first, _block(rng, _yes, 0.25, units=800, segment=1))
    alone = accumulate(plan, AnalysisState(), _block(np.random.default_rng(7), _yes, 0.25, units=800))
    assert first.predictions == alone.predictions
    assert second.predictions.segments[0] == first.predictions.segments[0]
    e_first, e_second = (_told(plan, state).e_harm for state in (first, second))
    assert e_first is not None
    assert e_second is not None
    assert e_second < e_first**2, "evidence of the same keys is not multiplied"
    assert e_second >= e_first, "nor lost"


def test_of_many_classes_eight_are_asked_for() -> None:
    units = [AnsweredUnit(0.5, place % 3 == 0, (f"c{place % 12}",)) for place in range(60)]
    state = with_predictions(PredictionState(), units, 0.1, Task.MULTICLASS, segment=0)
    assert [question.answer for question in state.segments[0].questions] == [f"c{place}" for place in range(8)]
