"""Where no table says when rows come, earlier windows do: silence is noticed, and what is usual is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tests.unit.monitoring.windows import window_of

from trimtab.core.canonical import JsonObject, canonical_json
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.data_quality import DataQualityMonitor, DataQualitySettings
from trimtab.monitoring.window import TrafficShare
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MONDAY_US = 1_861_920_000_000_000
ALL = TrafficShare(100.0, 0)
EMPTY = replace(window_of({}), columns={})

Traffic = Callable[[int], float]
"""How many rows come in an hour on average, by the number of the hour since a Monday."""


@dataclass
class Watch:
    """A monitor that looks at rows by the hour, and is given with each window what it said to remember."""

    rows: np.ndarray
    length: int
    every: int
    settings: DataQualitySettings = field(default_factory=lambda: DataQualitySettings(volume_factor=2))
    share: TrafficShare | None = ALL
    state: JsonObject | None = None
    is_over: bool = True

    def look(self, end: float, length: int | None = None) -> Check:
        """Look at the window that ends so many hours after the Monday."""
        length = length or self.length
        # As they are kept: the period that is not over has the rows of its first minutes.
        hours = range(max(0, int(np.ceil(end - length))), min(int(np.ceil(end)), len(self.rows)))
        data = replace(
            EMPTY,
            window=Window(at_us(end - length), at_us(end)),
            periods=tuple(
                PeriodProfile(
                    "heart", "stable", 1, at_us(hour), 3600, Profile(int(self.rows[hour] * min(1, end - hour)), {})
                )
                for hour in hours
                if self.rows[hour]
            ),
            state=self.state,
            share=self.share,
            is_over=self.is_over,
            period_us=HOUR_US,
        )
        judged = DataQualityMonitor(self.settings).check(data)
        if judged.state is not None:
            self.state = json.loads(canonical_json(judged.state))
        return judged.checks[-1]

    def looks(self, since: int, until: int) -> Iterator[tuple[int, Check]]:
        """Look as often as it does, behind one hour and until another."""
        for end in range(since + self.every, until + 1, self.every):
            yield end, self.look(end)

    def verdicts(self, since: int, until: int) -> list[Verdict]:
        return [check.verdict for _, check in self.looks(since, until)]


def at_us(hours: float) -> int:
    return MONDAY_US + round(hours * HOUR_US)


def wave(hour: int) -> float:
    """A day's wave between 2 and 118 rows an hour, a third of it at the weekend."""
    level = 60 - 58 * np.cos(2 * np.pi * (hour % 24 - 3) / 24)
    return float(level * (0.33 if hour // 24 % 7 >= 5 else 1.0))


def drawn(traffic: Traffic, days: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson([traffic(hour) for hour in range(days * 24)])


def steady(days: int, rows: int = 10) -> np.ndarray:
    return np.full(days * 24, rows)


@pytest.mark.parametrize(("length", "every"), [(24, 24), (1, 1), (48, 24), (8, 8), (8, 2), (168, 24)])
@pytest.mark.parametrize("seed", range(2))
def test_a_rhythm_is_no_breach_and_silence_is_one_in_its_first_whole_window(length: int, every: int, seed: int) -> None:
    weeks = 8
    rows = drawn(wave, weeks * 7 + 60, seed)
    stops = weeks * 168 + 24 + 11
    rows[stops:] = 0
    watch = Watch(rows, length, every)
    assert Verdict.BREACH not in watch.verdicts(0, weeks * 168)
    assert Verdict.OK in watch.verdicts(weeks * 168, stops)
    partly = dict(watch.looks(stops, stops + length - 1))
    whole = next(watch.looks((stops + length - 1) // every * every, len(rows)))[1]
    assert whole.verdict is Verdict.BREACH
    assert whole.value == 0
    assert whole.threshold is not None
    assert whole.threshold > 0
    assert whole.detail["usual"][0] > 0
    assert all(
        check.verdict is not Verdict.BREACH or (check.value or 0) < 0.5 * 120 * length for check in partly.values()
    )


@pytest.mark.parametrize("every", [1, 24])
def test_working_days_know_nothing_of_a_saturday(every: int) -> None:
    def closed(hour: int) -> float:
        return 20.0 if hour // 24 % 7 >= 5 else 200.0

    watch = Watch(drawn(closed, 35, 5), every, every)
    found = {end: check.verdict for end, check in watch.looks(0, 35 * 24)}
    assert Verdict.BREACH not in found.values()
    assert {found[end] for end in range(24 * 9, 24 * 35 + 1, 24)} == {Verdict.OK}


def test_windows_from_before_the_first_row_are_neither_judged_nor_usual() -> None:
    rows = steady(40)
    rows[: 3 * 24 + 5] = 0
    watch = Watch(rows, 24, 24)
    found = dict(watch.looks(0, 40 * 24))
    assert {found[end].verdict for end in range(24, 24 * 12, 24)} == {Verdict.INCONCLUSIVE}
    assert "before the first row" in found[96].explanation
    assert found[24 * 14].verdict is Verdict.OK
    assert found[24 * 14].detail["usual"] == [240, 240]


def test_silence_never_becomes_usual_and_rows_that_come_again_are_ok_at_once() -> None:
    rows = steady(140)
    rows[30 * 24 + 12 : 100 * 24 + 12] = 0
    watch = Watch(rows, 24, 24)
    found = dict(watch.looks(0, 140 * 24))
    assert {found[24 * day].verdict for day in range(32, 101)} == {Verdict.BREACH}
    assert {found[24 * day].verdict for day in range(102, 141)} == {Verdict.OK}
    assert found[24 * 140].detail["usual"] == [240, 240]


@pytest.mark.parametrize(
    ("length", "every", "level"), [(24, 24, 3), (24, 24, 40), (24, 6, 3), (1, 1, 3), (48, 24, 3), (48, 24, 40)]
)
def test_another_level_is_usual_after_two_weeks_and_the_next_silence_is_seen(
    length: int, every: int, level: int
) -> None:
    scale = 10 if length == 1 else 1
    rows = steady(75, 10 * scale)
    rows[35 * 24 :] = level * scale
    rows[70 * 24 :] = 0
    watch = Watch(rows, length, every)
    found = dict(watch.looks(0, 70 * 24 + 2 * length))
    first = 35 * 24 + length
    assert {check.verdict for end, check in found.items() if first <= end < 49 * 24} == {Verdict.BREACH}
    assert any("taken as usual" in check.explanation for check in found.values())
    assert {check.verdict for end, check in found.items() if 53 * 24 <= end <= 70 * 24} == {Verdict.OK}
    assert found[70 * 24 + length].verdict is Verdict.BREACH


def test_a_level_below_min_volume_is_never_usual() -> None:
    rows = steady(75)
    rows[35 * 24 :] = 3
    watch = Watch(rows, 24, 24, DataQualitySettings(volume_factor=2, min_volume=100))
    assert set(watch.verdicts(0, 75 * 24)[36:]) == {Verdict.BREACH}


def test_a_variant_that_is_given_another_share_of_the_callers_is_no_outage() -> None:
    rows = steady(60)
    for since, until, share in ((20, 25, 0.9), (25, 30, 0.5)):
        rows[since * 24 : until * 24] = (rows[since * 24 : until * 24] * share).astype(int)
    rows[45 * 24 :] = 0
    watch = Watch(rows, 24, 24)
    said = watch.verdicts(0, 20 * 24)
    for since, until, pct in ((20, 25, 90.0), (25, 30, 50.0), (30, 46, 100.0)):
        watch.share = TrafficShare(pct, at_us(since * 24) + 1)
        said += watch.verdicts(since * 24, until * 24)
    assert Verdict.BREACH not in said[:45]
    # What came to all callers before counts again when it has them all.
    assert set(said[31:45]) == {Verdict.OK}
    assert said[45] is Verdict.BREACH


@pytest.mark.parametrize("share", [None, TrafficShare(10.0, MONDAY_US + 30 * DAY_US)])
def test_whose_share_is_not_known_or_new_is_not_judged(share: TrafficShare | None) -> None:
    rows = steady(32)
    rows[30 * 24 :] = 1
    watch = Watch(rows, 24, 24)
    watch.verdicts(0, 30 * 24)
    before = watch.state
    watch.share = share
    check = watch.look(31 * 24)
    assert (check.verdict, "share" in check.explanation or "too few" in check.explanation) == (
        Verdict.INCONCLUSIVE,
        True,
    )
    assert before is not None
    watch.share = ALL
    assert watch.look(32 * 24).verdict is Verdict.BREACH


def test_a_window_that_is_not_over_is_not_judged_low_and_not_remembered() -> None:
    rows = steady(31)
    rows[30 * 24 :] = 0
    watch = Watch(rows, 24, 24)
    watch.verdicts(0, 30 * 24)
    before, watch.is_over = watch.state, False
    check = watch.look(31 * 24)
    assert (check.verdict, "until the window is over" in check.explanation) == (Verdict.INCONCLUSIVE, True)
    assert watch.state == before
    watch.settings = DataQualitySettings(min_volume=10)
    assert watch.look(31 * 24).verdict is Verdict.INCONCLUSIVE


def test_looks_at_the_past_at_odd_moments_and_over_other_lengths_change_nothing() -> None:
    rows = drawn(wave, 42, 3)
    watch, disturbed = Watch(rows, 24, 24), Watch(rows, 24, 24)
    for end, check in watch.looks(0, 42 * 24):
        for odd in (end - 30 * 24 + 5, end - 9, end - 24):
            disturbed.look(odd)
        kept = disturbed.state
        assert disturbed.look(end - 1, length=7).verdict is not Verdict.BREACH
        disturbed.state = kept
        after = disturbed.look(end)
        # One who looks more often knows enough sooner.
        assert after.verdict is check.verdict or end < 10 * 24


def test_a_look_between_is_judged_by_the_days_on_both_sides() -> None:
    rows = drawn(wave, 60, 4)
    rows[50 * 24 :] = 0
    watch = Watch(rows, 24, 24)
    watch.verdicts(0, 49 * 24)
    assert watch.look(49 * 24 + 14.6).verdict is Verdict.OK
    assert watch.look(51 * 24 + 14.6).verdict is Verdict.BREACH


def test_a_window_that_has_the_first_minutes_of_a_period_alone_is_no_outage() -> None:
    watch = Watch(steady(21, 600), 1, 1)
    watch.verdicts(0, 20 * 24)
    check = watch.look(20 * 24 + 0.05)
    assert (check.verdict, check.value) == (Verdict.INCONCLUSIVE, 30)
    assert watch.look(20 * 24 + 1).verdict is Verdict.OK


def test_where_few_come_chance_is_not_called_a_breach() -> None:
    rows = np.random.default_rng(8).poisson(4.0, 50 * 24)
    rows[40 * 24 :] = 0
    watch = Watch(rows, 1, 1)
    assert Verdict.BREACH not in watch.verdicts(0, 42 * 24)
    daily = Watch(rows, 24, 24)
    assert Verdict.BREACH not in daily.verdicts(0, 40 * 24)
    assert set(daily.verdicts(41 * 24, 50 * 24)) == {Verdict.BREACH}


def test_callers_who_come_in_bursts_are_no_breach() -> None:
    rows = np.zeros(60 * 24, dtype=int)
    rows[::97] = 500
    assert Verdict.BREACH not in Watch(rows, 24, 24).verdicts(0, 60 * 24)


def test_what_is_remembered_stays_small_however_often_one_looks() -> None:
    watch = Watch(drawn(wave, 28, 6), 1, 1)
    for step in range(28 * 24 * 3):
        watch.look(1 + step / 3)
    assert len(canonical_json(watch.state or {})) < 50_000


def test_what_another_program_remembered_is_no_memory() -> None:
    watch = Watch(steady(3), 24, 24)
    for state in ({"windows": 7}, {"length_us": DAY_US, "born_us": None, "windows": [[1]]}, {"length_us": DAY_US}):
        watch.state = state
        assert watch.look(48).verdict is Verdict.INCONCLUSIVE


def test_without_a_factor_nothing_is_remembered() -> None:
    watch = Watch(steady(20), 24, 24, DataQualitySettings())
    watch.verdicts(0, 20 * 24)
    assert watch.state is None
