from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal

from trimtab.measures.max_t import benjamini_yekutieli, max_t
from trimtab.measures.tail import FLOOR, tail_share


def test_p_is_uniform_on_windows_like_those_of_the_null() -> None:
    rng = np.random.default_rng(0)
    joint = multivariate_normal(np.zeros(5), 0.5 + 0.5 * np.eye(5))
    found = []
    for _turn in range(40):
        null, live = joint.rvs(1000, random_state=rng), joint.rvs(50, random_state=rng)
        found += [max_t(window, null, independent=1000).p_window for window in live]
    assert len(found) == 2000
    assert kstest(found, "uniform").pvalue > 0.01


def test_p_stays_honest_far_beyond_what_was_seen() -> None:
    rng = np.random.default_rng(1)
    shares = [tail_share(rng.exponential(size=200), rng.exponential(size=30), independent=30) for _turn in range(500)]
    found = np.concatenate(shares)
    for level in (0.05, 0.01, 0.001):
        assert (found <= level).mean() <= 1.15 * level


def test_step_down_names_what_moved_and_nothing_else() -> None:
    rng = np.random.default_rng(2)
    null = rng.normal(size=(500, 10))
    observed = np.zeros(10)
    observed[[3, 7]] = [9.0, 6.0]
    found = max_t(observed, null, independent=500)
    assert np.flatnonzero(found.p_columns <= 0.05).tolist() == [3, 7]
    assert found.greatest == 3
    assert found.p_columns[3] <= found.p_columns[7]
    assert found.p_window == found.p_columns[3]


def test_step_down_is_never_less_than_the_single_p_value() -> None:
    rng = np.random.default_rng(3)
    for _turn in range(50):
        found = max_t(rng.normal(size=6), rng.normal(size=(80, 6)), independent=80)
        assert (found.p_columns >= found.p_single - 1e-12).all()


def test_columns_that_were_not_measured_are_left_out() -> None:
    null = np.random.default_rng(4).normal(size=(100, 3))
    found = max_t(np.array([np.nan, 8.0, np.nan]), null, independent=100)
    assert (found.greatest, found.p_columns[0], found.p_columns[2]) == (1, 1.0, 1.0)
    assert max_t(np.full(3, np.nan), null, independent=100).p_window == 1.0


def test_a_constant_null_has_no_tail_to_speak_of() -> None:
    assert tail_share(np.array([5.0]), np.zeros(9), independent=9)[0] == pytest.approx(0.1)
    assert tail_share(np.array([1e9]), np.random.default_rng(0).normal(size=1000), independent=1000)[0] == FLOOR


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        max_t(np.zeros(2), np.zeros((0, 2)), independent=1)
    with pytest.raises(ValueError, match="expected"):
        max_t(np.zeros(2), np.zeros((5, 3)), independent=1)
    with pytest.raises(ValueError, match="expected"):
        tail_share(np.zeros(1), np.zeros(0), independent=1)


def test_false_discoveries_are_held_under_any_dependence() -> None:
    assert benjamini_yekutieli(np.zeros(0), 0.05).tolist() == []
    # 0.05 · i / (3 · 11/6): limits 0.0091, 0.0182, 0.0273.
    assert benjamini_yekutieli(np.array([0.02, 0.009, 0.026]), 0.05).tolist() == [True, True, True]
    assert benjamini_yekutieli(np.array([0.02, 0.0095, 0.028]), 0.05).tolist() == [False, False, False]
