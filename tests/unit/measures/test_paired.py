from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.core.errors import ConfigError
from trimtab.measures.paired import paired_gain


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_clear_gain_has_a_positive_lower_bound() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 400))
    gain = paired_gain(1.5 + noise[0], 1.0 + noise[1], blocks=20, rng=rng())
    assert gain.lower > 0
    assert gain.lower < gain.mean < gain.upper


def test_swapping_the_models_mirrors_the_interval() -> None:
    old, new = np.random.default_rng(1).normal(size=(2, 100))
    there, back = paired_gain(old, new, blocks=10, rng=rng()), paired_gain(new, old, blocks=10, rng=rng())
    assert (back.mean, back.lower, back.upper) == pytest.approx((-there.mean, -there.upper, -there.lower))


def test_interval_covers_no_gain_on_rows_with_memory_where_independent_rows_would_mislead() -> None:
    seeds = np.random.default_rng(7)
    covered = {"blocks": 0, "rows": 0}
    for _ in range(100):
        steps = seeds.normal(size=600)
        series = np.empty(600)
        series[0] = steps[0]
        for place in range(1, 600):
            series[place] = 0.9 * series[place - 1] + steps[place]
        zero = np.zeros(600)
        for name, blocks in (("blocks", 12), ("rows", 600)):
            gain = paired_gain(series, zero, blocks=blocks, rng=rng(), resamples=300)
            covered[name] += gain.lower <= 0 <= gain.upper
    assert covered["blocks"] >= 85
    assert covered["rows"] <= 60


def test_one_block_says_nothing_of_the_spread() -> None:
    gain = paired_gain(np.ones(5), np.zeros(5), blocks=1, rng=rng())
    assert (gain.mean, gain.lower, gain.upper) == (1.0, -math.inf, math.inf)


def test_no_rows_and_nan_give_nan() -> None:
    assert math.isnan(paired_gain(np.array([]), np.array([]), blocks=3, rng=rng()).lower)
    assert math.isnan(paired_gain(np.array([1.0, np.nan]), np.zeros(2), blocks=3, rng=rng()).mean)


def test_different_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected the same rows"):
        paired_gain(np.ones(2), np.ones(3), blocks=2, rng=rng())
