from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.retraining.gain import Advice, Costs, Standing, weigh
from trimtab.retraining.ledger import PeriodLoss, VersionLosses, block_sums
from trimtab.retraining.pool import best_kept
from trimtab.retraining.weeks import in_weeks, periods_in_a_week

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
COSTS = Costs(retrain=0.0, release=0.0)


def _periods(hours: NDArray[np.float64], *, days_each: int = 1) -> dict[int, PeriodLoss]:
    """Cut hourly losses into periods, each with seven blocks."""
    length = days_each * DAY_US
    found = {}
    for place, losses in enumerate(hours.reshape(-1, 24 * days_each)):
        start = place * length
        at_us = start + np.arange(len(losses), dtype=np.int64) * HOUR_US
        sums = block_sums(losses, at_us, start_us=start, end_us=start + length, blocks=7)
        found[start] = PeriodLoss(start, start + length, len(losses), tuple(sums.tolist()), float(len(losses)))
    return found


def _standing(own: dict[int, PeriodLoss], other: dict[int, PeriodLoss], *, twin: bool) -> Standing:
    champion = VersionLosses(1, own, {"level": other} if twin else {})
    versions = {1: champion} if twin else {1: champion, 2: VersionLosses(2, other)}
    return Standing(1, versions, dict.fromkeys(own, 1))


def _noise(rng: np.random.Generator, days: int, *, memory: float = 0.9) -> NDArray[np.float64]:
    """Hourly AR(1) rows, begun in their stationary distribution, of variance 1."""
    shocks = rng.normal(size=24 * days) * np.sqrt(1 - memory**2)
    shocks[0] = rng.normal()
    found = np.empty(len(shocks), dtype=np.float64)
    value = 0.0
    for place, shock in enumerate(shocks):
        value = memory * value + shock if place else shock
        found[place] = value
    return found


def _false_share(*, weeks: bool) -> float:
    """The share of evaluations by the day that find an equally good version surely better, on hours that remember."""
    rng, surely = np.random.default_rng(3), 0
    runs = 300
    for _ in range(runs):
        calm = np.full(24 * 14, 10.0)
        standing = _standing(_periods(calm), _periods(calm + _noise(rng, 14)), twin=False)
        judged = in_weeks(standing, DAY_US) if weeks else standing
        surely += best_kept(judged, COSTS, (2,)) is not None
    return surely / runs


def test_hours_that_remember_each_other_are_no_evidence_by_the_day() -> None:
    # One standard error leaves out 16 % where blocks are independent.
    assert _false_share(weeks=False) > 0.28
    assert _false_share(weeks=True) < 0.24


def test_what_a_twin_saves_is_weighed_by_whole_weeks() -> None:
    rng = np.random.default_rng(5)
    fired = {True: 0, False: 0}
    for _ in range(200):
        calm = np.full(24 * 21, 10.0)
        standing = _standing(_periods(calm), _periods(calm + _noise(rng, 21)), twin=True)
        for weeks in fired:
            judged = in_weeks(standing, DAY_US) if weeks else standing
            # An error of a day's noise: what a training costs where hardly anything is lost.
            fired[weeks] += weigh(judged, Costs(retrain=10.0, release=0.0)).advice is Advice.RETRAIN
    assert fired[True] < fired[False] / 1.5


def test_a_break_by_the_day_is_found_within_a_week() -> None:
    rng = np.random.default_rng(7)
    worse = np.repeat([0.0, 4.0], [24 * 21, 24 * 4])
    twin = 10 + _noise(rng, 25)
    standing = in_weeks(_standing(_periods(twin + worse), _periods(twin), twin=True), DAY_US)

    reading = weigh(standing, Costs(retrain=100.0, release=0.0))

    assert reading.advice is Advice.RETRAIN
    assert reading.saved == pytest.approx(4 * 24 * 4, rel=0.7)


def test_periods_of_a_week_stay_as_they_are() -> None:
    losses = _periods(np.arange(24.0 * 28), days_each=7)
    standing = _standing(losses, losses, twin=True)
    assert in_weeks(standing, 7 * DAY_US) is standing


def test_nothing_is_lost_between_days_and_weeks() -> None:
    hours = np.random.default_rng(1).uniform(size=24 * 14)
    weeks = in_weeks(_standing(_periods(hours), _periods(hours), twin=True), DAY_US).versions[1]

    assert list(weeks.answers) == [0, 7 * DAY_US]
    assert sum(one.total for one in weeks.answers.values()) == pytest.approx(hours.sum())
    assert weeks.answers[0].blocks == pytest.approx(hours[: 24 * 7].reshape(7, 24).sum(axis=1))
    assert weeks.twins["level"] == weeks.answers


@pytest.mark.parametrize("days", [1, 2, 3, 6])
def test_a_week_that_has_only_begun_is_left_out(days: int) -> None:
    many = periods_in_a_week(days * DAY_US)
    losses = _periods(np.ones(24 * days * (2 * many - 1)), days_each=days)
    standing = in_weeks(_standing(losses, losses, twin=True), days * DAY_US)
    assert list(standing.versions[1].answers) == [(many - 1) * days * DAY_US]
    assert set(standing.line) == set(standing.versions[1].answers)


def test_a_version_counts_only_in_weeks_that_it_has_answered_as_the_others_have() -> None:
    both = _periods(np.ones(24 * 14))
    late = {start: loss for start, loss in both.items() if start >= 3 * DAY_US}
    versions = in_weeks(_standing(both, late, twin=False), DAY_US).versions
    assert list(versions[1].answers) == [0, 7 * DAY_US]
    assert list(versions[2].answers) == [7 * DAY_US]


def test_a_day_without_outcomes_leaves_its_week_to_be_judged() -> None:
    gap = {start: loss for start, loss in _periods(np.ones(24 * 14)).items() if start != 9 * DAY_US}
    week = in_weeks(_standing(gap, gap, twin=True), DAY_US).versions[1].answers[7 * DAY_US]
    assert week.rows == 6 * 24
    assert week.total == pytest.approx(6 * 24)


def test_nothing_known_stays_nothing() -> None:
    assert in_weeks(Standing(1, {}, {}), DAY_US) == Standing(1, {}, {})
