from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, ks_2samp

from trimtab.measures.distances import (
    chi_square_quantile,
    jensen_shannon,
    jensen_shannon_critical,
    ks_critical,
    ks_of_steps,
    ks_sorted,
    psi,
    psi_critical,
    shares,
)
from trimtab.measures.memory import memory_of


@pytest.mark.parametrize("seed", range(5))
def test_ks_equals_scipys_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = np.sort(rng.integers(0, 12, 70)), np.sort(rng.integers(1, 14, 110))
    assert ks_sorted(first, second) == pytest.approx(ks_2samp(first, second).statistic)


def test_weights_count_like_repeated_rows() -> None:
    weighted = ks_of_steps(np.array([1.0, 2.0]), np.array([3, 1]), np.array([2.0]), np.array([5]))
    assert weighted == ks_sorted(np.array([1.0, 1.0, 1.0, 2.0]), np.array([2.0]))


def test_ks_of_nothing_is_nan() -> None:
    assert math.isnan(ks_sorted(np.array([]), np.array([1.0])))


@pytest.mark.parametrize("seed", range(5))
def test_jensen_shannon_equals_scipys(seed: int) -> None:
    first, second = np.random.default_rng(seed).dirichlet(np.ones(6), size=2)
    assert jensen_shannon(first, second) == pytest.approx(jensenshannon(first, second, base=2))


def test_psi_is_finite_where_a_cell_is_empty() -> None:
    first, second = shares({"a": 5}, {"a": 5, "b": 5})
    assert psi(first, second) == pytest.approx(0.5 * math.log(2) + (0.5 - 1e-4) * math.log(0.5 / 1e-4))


def test_distances_of_empty_counts_are_nan() -> None:
    first, second = shares({}, {"a": 1})
    assert math.isnan(psi(first, second))
    assert math.isnan(jensen_shannon(first, second))
    assert math.isnan(psi(*shares({}, {})))


@pytest.mark.parametrize("degrees", [1, 3, 10, 50])
@pytest.mark.parametrize("probability", [0.9, 0.95, 0.999])
def test_chi_square_quantile_is_near_scipys(degrees: int, probability: float) -> None:
    assert chi_square_quantile(probability, degrees) == pytest.approx(chi2.ppf(probability, degrees), rel=0.02)


def test_critical_values_are_exceeded_by_chance_about_as_often_as_stated() -> None:
    rng = np.random.default_rng(11)
    weights = np.array([0.4, 0.3, 0.2, 0.1])
    over = {"ks": 0, "psi": 0, "js": 0}
    rounds, rows, reference_rows, alpha = 400, 150, 500, 0.05
    for _ in range(rounds):
        first, second = np.sort(rng.normal(size=rows)), np.sort(rng.normal(size=reference_rows))
        over["ks"] += ks_sorted(first, second) > ks_critical(rows, reference_rows, alpha)
        left, right = rng.multinomial(rows, weights) / rows, rng.multinomial(reference_rows, weights) / reference_rows
        over["psi"] += psi(left, right) > psi_critical(rows, reference_rows, 4, alpha)
        over["js"] += jensen_shannon(left, right) > jensen_shannon_critical(rows, reference_rows, 4, alpha)
    for name, count in over.items():
        assert 0.005 * rounds <= count <= 0.09 * rounds, name


def test_no_rows_make_every_distance_possible() -> None:
    assert ks_critical(0, 10, 0.05) == 1.0
    assert jensen_shannon_critical(0, 10, 3, 0.05) == 1.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_memory_of_ar1_rows_is_what_theory_says(phi: float) -> None:
    steps = np.random.default_rng(2).normal(size=20_000)
    series = np.empty_like(steps)
    series[0] = steps[0]
    for place in range(1, len(steps)):
        series[place] = phi * series[place - 1] + steps[place]
    memory = memory_of(series, np.repeat(np.arange(10), 2000))
    assert memory == pytest.approx((1 + phi) / (1 - phi), rel=0.3)


def test_memory_ignores_what_changes_from_block_to_block() -> None:
    blocks = np.repeat(np.arange(10), 200)
    rows = blocks * 5.0 + np.random.default_rng(4).normal(size=2000)
    assert memory_of(rows, blocks) < 1.6
    assert memory_of(rows, np.zeros(2000)) > 50


def test_constant_and_short_series_have_no_memory() -> None:
    assert memory_of(np.ones(100), np.zeros(100)) == 1.0
    assert memory_of(np.arange(5.0), np.zeros(5)) == 1.0
