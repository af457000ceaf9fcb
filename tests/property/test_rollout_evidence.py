from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.enums import Task
from trimtab.rollout.analysis_plan import PlannedLimits, plan_of
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import Block, LossUnit, Tally
from trimtab.rollout.judgement import judge
from trimtab.rollout.state import Evidence

PLAN = plan_of(
    PlannedLimits(
        max_degradation={"accuracy": 0.02}, max_estimated_degradation={"brier": 0.1}, max_run_time_increase=None,
        max_latency_increase=None,
    ),
    Task.BINARY,
)  # fmt: skip
TALLIES = st.builds(
    lambda answered, failed, refused: Tally(
        drawn=answered + failed + refused,
        failed=failed,
        refused=refused,
        requests=answered + failed + refused,
        errors=failed,
    ),
    st.integers(0, 500),
    st.integers(0, 40),
    st.integers(0, 40),
)
UNITS = st.lists(
    st.builds(
        LossUnit, st.sampled_from([0.0, 0.1, 0.1, 0.5]), st.booleans(), st.floats(0, 1), st.booleans()
    ),
    max_size=12,
).map(tuple)  # fmt: skip
WEIGHTS = {1: 0.05, 2: 0.1, 3: 0.5, 4: 1.0}


@st.composite
def _blocks(draw: st.DrawFn) -> list[Block]:
    generations = sorted(draw(st.lists(st.sampled_from(sorted(WEIGHTS)), min_size=1, max_size=6)))
    return [
        Block(
            generation=generation,
            probability=WEIGHTS[generation],
            candidate=draw(TALLIES),
            stable=draw(TALLIES),
            losses={"accuracy": (units := draw(UNITS)), "brier": units},
        )
        for generation in generations
    ]


def _judged(blocks: list[Block]) -> tuple[Evidence, ...]:
    state = AnalysisState()
    for block in blocks:
        state = accumulate(PLAN, state, block)
    assert AnalysisState.from_json(state.to_json()) == state
    return judge(PLAN, state)


def _but_harm(evidence: tuple[Evidence, ...]) -> list[float]:
    return [
        number
        for piece in evidence
        for number in (piece.e_safe, piece.value, piece.lower, piece.upper)
        if number is not None
    ]


def _harms(evidence: tuple[Evidence, ...]) -> list[float]:
    return [piece.e_harm for piece in evidence if piece.e_harm is not None]


def _joined(first: Block, second: Block) -> Block:
    def both(one: Tally, other: Tally) -> Tally:
        names = ("drawn", "failed", "refused", "requests", "errors")
        return Tally(**{name: getattr(one, name) + getattr(other, name) for name in names})

    losses = {metric: (*first.losses[metric], *second.losses[metric]) for metric in first.losses}
    return replace(
        first,
        candidate=both(first.candidate, second.candidate),
        stable=both(first.stable, second.stable),
        losses=losses,
    )


@settings(deadline=None, max_examples=60)
@given(_blocks())
def test_how_traffic_is_cut_into_blocks_changes_nothing_but_when_bets_on_harm_begin(blocks: list[Block]) -> None:
    coarse: list[Block] = []
    for block in blocks:
        if coarse and coarse[-1].generation == block.generation:
            coarse[-1] = _joined(coarse[-1], block)
        else:
            coarse.append(block)

    assert _but_harm(_judged(coarse)) == pytest.approx(_but_harm(_judged(blocks)), rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(_blocks(), st.integers(1, 3))
def test_a_look_at_which_nothing_is_new_changes_no_evidence(blocks: list[Block], times: int) -> None:
    looked = [
        each
        for block in blocks
        for each in (*[Block(block.generation, block.probability)] * times, block)
    ]  # fmt: skip

    assert _harms(_judged(looked)) == pytest.approx(_harms(_judged(blocks)), rel=1e-9)
    assert _but_harm(_judged(looked)) == pytest.approx(_but_harm(_judged(blocks)), rel=1e-6, abs=1e-9)
