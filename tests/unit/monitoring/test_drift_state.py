from __future__ import annotations

import json
from dataclasses import replace

import pytest

from trimtab.core.canonical import JsonObject
from trimtab.monitoring.check import Window
from trimtab.monitoring.drift_state import LANES, DriftState

LENGTH = 800


def looks(state: DriftState, ps: list[float], *, first: int = 0, every: int = LENGTH) -> DriftState:
    for place, p in enumerate(ps):
        start = first + place * every
        state = state.looked(p, Window(start, start + LENGTH), mean_windows=50, alpha=0.05)
    return state


def steps(state: DriftState) -> list[int]:
    return [lane.detector.steps for lane in state.lanes]


def test_looks_at_windows_that_follow_each_other_step_one_detector() -> None:
    assert steps(looks(DriftState(), [0.5] * 5)) == [5]


def test_looks_in_between_step_others_and_never_more_than_eight() -> None:
    assert steps(looks(DriftState(), [0.5] * 16, every=LENGTH // LANES)) == [2] * LANES
    assert steps(looks(DriftState(), [0.5] * 400, every=LENGTH // 200)) == [2] * LANES


def test_a_look_that_is_repeated_changes_nothing() -> None:
    once = looks(DriftState(), [0.01])
    assert looks(once, [0.01]) == once


def test_a_p_that_comes_too_soon_says_when_it_is_counted_and_raises_the_alarm_then() -> None:
    state = looks(DriftState(), [0.5])
    soon = Window(10, 10 + LENGTH)
    assert state.looked(1e-9, soon, mean_windows=50, alpha=0.05).alarmed is False
    counted = state.waiting_until_us(1e-9, soon, 50)
    assert counted == LENGTH + LENGTH // LANES
    then = Window(counted - LENGTH, counted)
    assert state.waiting_until_us(1e-9, then, 50) is None
    assert state.looked(1e-9, then, mean_windows=50, alpha=0.05).alarmed
    assert state.waiting_until_us(0.05, soon, 50) is None
    assert looks(DriftState(), [1e-9]).waiting_until_us(1e-9, soon, 50) is None


def test_with_all_detectors_at_work_the_one_that_is_due_first_counts() -> None:
    state = looks(DriftState(), [0.5] * LANES, every=LENGTH // LANES)
    end = LENGTH + (LANES - 1) * (LENGTH // LANES)
    soon = Window(end + 1 - LENGTH, end + 1)
    assert len(state.lanes) == LANES
    assert state.waiting_until_us(1e-9, soon, 50) == 2 * LENGTH


def test_no_detector_steps_on_windows_that_overlap() -> None:
    state, ends = DriftState(), dict[int, int]()
    for start in range(0, 4000, 37):
        window = Window(start, start + LENGTH)
        after = state.looked(0.5, window, mean_windows=50, alpha=0.05)
        for place, lane in enumerate(after.lanes):
            if place >= len(state.lanes) or lane != state.lanes[place]:
                assert ends.get(place, 0) <= start
                ends[place] = window.end_us
        state = after
    assert len(ends) == LANES


def test_an_alarm_holds_while_p_is_low_and_until_a_window_without_any_of_it() -> None:
    state = looks(DriftState(), [0.5, 1e-6])
    assert (state.alarmed, state.since_us, state.alarm_us) == (True, LENGTH, 2 * LENGTH)
    overlapping = looks(state, [0.9], first=LENGTH + 100)
    assert overlapping.alarmed
    lower = looks(state, [0.03], first=2 * LENGTH)
    assert lower == replace(state, low_us=3 * LENGTH, seen_us=3 * LENGTH)
    assert looks(lower, [0.9], first=2 * LENGTH + 100).alarmed
    assert looks(lower, [0.9], first=3 * LENGTH) == DriftState(seen_us=4 * LENGTH)


def test_evidence_says_how_near_the_alarm_is() -> None:
    assert DriftState().evidence(50) == 0.0
    near, nearer = looks(DriftState(), [0.02]), looks(DriftState(), [0.02, 0.02])
    assert 0 < near.evidence(50) < nearer.evidence(50) < 1
    assert looks(DriftState(), [1e-9]).evidence(50) == 1.0


@pytest.mark.parametrize("ps", [[], [0.5, 0.01], [1e-9], [1e-9, 0.01]])
def test_a_state_reads_back_from_json(ps: list[float]) -> None:
    state = looks(DriftState(), ps)
    assert DriftState.from_json(json.loads(json.dumps(state.to_json(), allow_nan=False))) == state


@pytest.mark.parametrize(
    "content", [None, {}, {"lanes": [[1]]}, {"lanes": 5}, {"other": 1}, {"lanes": [["a", 1, 2, 3]]}]
)
def test_what_is_no_state_is_the_start(content: JsonObject | None) -> None:
    assert DriftState.from_json(content) == DriftState()
