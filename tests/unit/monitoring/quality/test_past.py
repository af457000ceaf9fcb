"""Past windows take turns: the newest at once, and none waits for ever."""

from __future__ import annotations

import numpy as np

from trimtab.core.canonical import canonical_json
from trimtab.monitoring.check import Window
from trimtab.monitoring.quality.model_quality import ModelQualityMonitor, ModelQualitySettings
from trimtab.monitoring.quality.past import MOST_AT_ONCE, MOST_WAITING, PastMemory, PastQuestion

HOUR_US = 3_600_000_000


def hour(number: int) -> Window:
    return Window(number * HOUR_US, (number + 1) * HOUR_US)


def test_a_backfill_is_looked_at_whole_while_new_outcomes_touch_more_windows_than_one_look_takes() -> None:
    """Hourly windows, outcomes that trickle in over 30 hours, and news of 1 000 old windows at once."""
    monitor = ModelQualityMonitor(ModelQualitySettings(max_degradation=0.2))
    memory, looked_at, longest = PastMemory(0), set[int](), 0
    for look in range(120):
        now = hour(5000 + look)
        touched = [now.start_us - (2 + back) * HOUR_US for back in range(30)]
        touched += [hour(3000 + back).start_us for back in range(1000)] if look == 0 else []
        question = PastQuestion(None, np.array(touched), now, HOUR_US, 0)
        turn, memory = memory.turn(monitor.past_windows(question))
        assert len(turn) <= MOST_AT_ONCE
        assert Window(touched[0], touched[0] + HOUR_US) in turn, "the newest is looked at each time"
        looked_at |= {window.start_us // HOUR_US for window in turn}
        memory = PastMemory.of({"past": memory.to_json()}) or memory
        longest = max(longest, len(memory.waiting)) if look > 110 else 0
    assert looked_at >= set(range(3000, 4000))
    assert longest < 30, "and nobody is left waiting"


def test_too_many_are_not_kept_waiting_and_the_oldest_are_counted_as_left_out() -> None:
    turn, memory = PastMemory(7).turn([hour(number) for number in range(MOST_WAITING + 126)])
    assert (len(turn), len(memory.waiting), memory.left_out) == (MOST_AT_ONCE, MOST_WAITING, 100)
    assert min(window.start_us for window in memory.waiting) == (100 + MOST_AT_ONCE // 2) * HOUR_US
    assert len(canonical_json(memory.to_json())) < 100_000


def test_a_window_that_waits_is_not_put_at_the_end_when_it_is_touched_again() -> None:
    _, memory = PastMemory(0).turn([hour(1), hour(2), hour(3)], most=0)
    turn, memory = memory.turn([hour(9), hour(1)], most=2)
    assert turn == (hour(9), hour(1))
    assert memory.waiting == (hour(2), hour(3))


def test_nothing_is_remembered_of_an_empty_state() -> None:
    assert PastMemory.of(None) is None
    assert PastMemory.of({"judged": []}) is None
