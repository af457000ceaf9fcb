from __future__ import annotations

import numpy as np
import pytest

from trimtab.monitoring.change_point import changed_periods


def steps(periods: int, begin: int, end: int, *, rows: int = 10, size: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    levels = 0.5 + rng.normal(0, 0.29 / np.sqrt(rows), periods)
    levels[begin:end] -= size
    return np.full(periods, float(rows)), levels


@pytest.mark.parametrize(("periods", "begin"), [(24, 15), (168, 100), (3000, 2113)])
def test_the_moment_of_a_step_is_found(periods: int, begin: int) -> None:
    found = changed_periods(*steps(periods, begin, periods), normal=0.5, spread=0.29)
    assert found is not None
    assert np.flatnonzero(found).tolist() == list(range(begin, periods))


@pytest.mark.parametrize(("periods", "begin", "end"), [(48, 10, 25), (3000, 1201, 1777)])
def test_a_passing_change_has_both_ends(periods: int, begin: int, end: int) -> None:
    found = changed_periods(*steps(periods, begin, end), normal=0.5, spread=0.29)
    assert found is not None
    places = np.flatnonzero(found)
    assert (places[0], places[-1] + 1) == (begin, end)


def test_without_a_change_there_is_no_moment() -> None:
    alarms = 0
    for seed in range(200):
        levels = np.random.default_rng(seed).uniform(size=(100, 5)).mean(axis=1)
        alarms += changed_periods(np.full(100, 5.0), levels, normal=0.5, spread=12**-0.5) is not None
    assert alarms <= 4


def test_periods_without_rows_are_passed_over() -> None:
    weights, levels = steps(24, 12, 24)
    levels[::3], weights[::3] = np.nan, 0
    found = changed_periods(weights, levels, normal=0.5, spread=0.29)
    assert found is not None
    assert abs(int(np.flatnonzero(found)[0]) - 12) <= 1


def test_one_period_or_none_has_no_moment() -> None:
    assert changed_periods(np.array([5.0]), np.array([0.0]), normal=0.5, spread=0.3) is None
    assert changed_periods(np.array([]), np.array([]), normal=0.5, spread=0.3) is None
