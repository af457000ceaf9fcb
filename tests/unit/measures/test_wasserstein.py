"""The distance is SciPy's; bounds cut off what lies outside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trimtab.measures.wasserstein import wasserstein_of_steps

values = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30)


def steps(sample: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(np.array(sample)), np.ones(len(sample))


@given(values, values)
def test_it_is_scipys(first: list[float], second: list[float]) -> None:
    found = wasserstein_of_steps(*steps(first), *steps(second))
    assert found == pytest.approx(stats.wasserstein_distance(first, second), rel=1e-9, abs=1e-9)


@given(values, values, st.floats(-1e3, 1e3))
def test_the_parts_below_and_above_a_bound_make_the_whole(first: list[float], second: list[float], at: float) -> None:
    whole = wasserstein_of_steps(*steps(first), *steps(second))
    below = wasserstein_of_steps(*steps(first), *steps(second), high=at)
    above = wasserstein_of_steps(*steps(first), *steps(second), low=at)
    assert below + above == pytest.approx(whole, rel=1e-9, abs=1e-9)


def test_an_empty_sample_has_no_distance() -> None:
    assert math.isnan(wasserstein_of_steps(np.empty(0), np.empty(0), *steps([1.0])))
