from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from trimtab.core.errors import ConfigError
from trimtab.measures.betting import BetProcess


@pytest.mark.parametrize(("limit", "rate"), [(0.01, 0.01), (0.3, 0.3), (0.3, 0.1), (0.9, 0.9)])
def test_the_expected_e_value_of_errors_within_their_limit_is_at_most_one(limit: float, rate: float) -> None:
    events = 12
    total = 0.0
    for errors in range(events + 1):
        chance = math.comb(events, errors) * rate**errors * (1 - rate) ** (events - errors)
        process = BetProcess.start(-limit, 1 - limit).with_counts([(1 - limit, errors), (-limit, events - errors)])
        total += chance * math.exp(float(process.log_e))

    assert total <= 1 + 1e-9
    if rate == limit:
        assert total == pytest.approx(1)


def test_it_is_seldom_above_a_bound_at_any_look() -> None:
    values, alpha = (-0.5, 0.5), 0.2
    crossed = 0
    for path in itertools.product(values, repeat=12):
        seen = [BetProcess.start(-0.5, 0.5).with_values(path[: n + 1]).log_e for n in range(12)]
        crossed += int(max(seen) >= math.log(1 / alpha))

    assert crossed / 2**12 <= alpha


def test_a_loss_of_a_randomised_split_has_no_expected_win_under_equal_versions() -> None:
    # Z = A (1 − p) (L − (1 + m) c) − (1 + m) (1 − A) p (L − c), with L 0 or 1 and any guess c of the mean before.
    for p, margin, guess, wrong in itertools.product((0.05, 0.5), (0.0, 0.1), (0.0, 0.2, 0.7), (0.1, 0.5)):
        process = BetProcess.start(-(1 + margin), 1 + margin)
        expected = 0.0
        for drawn, loss in itertools.product((0, 1), (0, 1)):
            chance = (p if drawn else 1 - p) * (wrong if loss else 1 - wrong)
            z = (1 - p) * (loss - (1 + margin) * guess) if drawn else -(1 + margin) * p * (loss - guess)
            expected += chance * math.exp(float(process.with_values([z]).log_e))
        assert expected <= 1 + 1e-9


def test_counts_and_values_tell_the_same_in_any_order() -> None:
    values = np.array([0.4, -0.6, 0.4, 0.4, -0.6])
    one = BetProcess.start(-0.6, 0.4).with_values(values)
    parts = BetProcess.start(-0.6, 0.4).with_values(values[3:]).with_values(values[:3]).with_values([])
    counts = BetProcess.start(-0.6, 0.4).with_counts([(0.4, 3), (-0.6, 2)])

    assert float(one.log_e) == pytest.approx(float(parts.log_e)) == pytest.approx(float(counts.log_e))


def test_no_error_at_all_is_proof_of_a_limit_after_a_few_times_its_inverse() -> None:
    def safe(requests: int) -> float:
        return float(BetProcess.start(-0.99, 0.01).with_counts([(0.01, requests)]).log_e)

    assert safe(200) < math.log(20) < safe(600)


@pytest.mark.parametrize("value", [math.nan, 0.5, -0.7, math.inf])
def test_a_value_outside_the_bounds_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="NaN or outside"):
        BetProcess.start(-0.6, 0.4).with_values([0.0, value])


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 0.0), (math.nan, 1.0), (-math.inf, 1.0)])
def test_bounds_that_leave_nothing_to_bet_on_are_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="on either side of 0"):
        BetProcess.start(low, high)
