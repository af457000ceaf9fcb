from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from trimtab.measures.cell_distances import Measure, cell_distances


def test_every_distance_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(1, 50, (4, 8)), rng.integers(1, 50, (4, 8))
    p, q = left / left.sum(1, keepdims=True), right / right.sum(1, keepdims=True)
    ks = cell_distances(left, right, measure=Measure.KS, ordered=True)
    assert ks == pytest.approx(np.abs(np.cumsum(p, 1) - np.cumsum(q, 1)).max(1))
    js = cell_distances(left, right, measure=Measure.JS, ordered=False)
    assert js == pytest.approx(jensenshannon(p, q, axis=1, base=2))
    assert cell_distances(left, right, measure=Measure.KS, ordered=False) == pytest.approx(js)
    psi = cell_distances(left, right, measure=Measure.PSI, ordered=False)
    assert psi == pytest.approx(((p - q) * np.log(p / q)).sum(1))


def test_numbers_are_grouped_into_tenths_of_the_reference_for_shares() -> None:
    reference, window = np.r_[np.full(100, 10), 0], np.r_[np.zeros(50), np.full(50, 2), 0]
    found = cell_distances(window, reference, measure=Measure.JS, ordered=True)
    expected = jensenshannon(np.r_[np.zeros(5), np.full(5, 0.2)], np.full(10, 0.1), base=2)
    assert found == pytest.approx([expected])


def test_missing_values_count_as_a_cell_of_their_own() -> None:
    found = cell_distances(np.array([[5, 5, 10]]), np.array([[10, 10, 0]]), measure=Measure.KS, ordered=True)
    assert found == pytest.approx([0.5])


@pytest.mark.parametrize("measure", list(Measure))
@pytest.mark.parametrize("ordered", [True, False])
def test_the_same_is_no_distance_and_nothing_is_none(measure: Measure, ordered: bool) -> None:
    counts = np.array([[3, 0, 7, 1], [0, 0, 0, 0]])
    found = cell_distances(counts, counts[:1], measure=measure, ordered=ordered)
    assert found[0] == pytest.approx(0.0)
    assert np.isnan(found[1])
