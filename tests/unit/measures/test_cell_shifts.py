"""A distance of counts is the Wasserstein distance of the rows, as far as its clipping lets it be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.measures.cell_shifts import shift_scale
from trimtab.measures.wasserstein import wasserstein_of_steps
from trimtab.profiles.ruler import Ruler, ruler_of_numbers


def counts(ruler: Ruler, values: np.ndarray) -> np.ndarray:
    return np.bincount(ruler.code_numbers(values), minlength=ruler.cells + 1)


def exact(first: np.ndarray, second: np.ndarray, *, low: float = -math.inf, high: float = math.inf) -> float:
    first, second = np.sort(first), np.sort(second)
    return wasserstein_of_steps(first, np.ones(len(first)), second, np.ones(len(second)), low=low, high=high)


@pytest.mark.parametrize("seed", range(5))
def test_of_few_values_it_is_exact_also_beyond_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, window = rng.integers(0, 50, 400).astype(float), rng.integers(-20, 75, 90).astype(float)
    ruler = ruler_of_numbers(reference)
    assert ruler.edges is not None
    scale = shift_scale(ruler.edges, counts(ruler, reference))
    assert scale is not None
    found = float(scale.of_cells(counts(ruler, window), counts(ruler, reference))[0])
    found += scale.beyond(np.sort(window), np.ones(len(window)))
    assert found * scale.range == pytest.approx(exact(window, reference, low=scale.low, high=scale.high), rel=1e-5)


def test_of_many_values_it_is_near() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=20_000)
    ruler = ruler_of_numbers(reference)
    assert ruler.edges is not None
    scale = shift_scale(ruler.edges, counts(ruler, reference))
    assert scale is not None
    for shift in (0.1, 0.5, 2.0):
        window = rng.normal(shift, 1, 5000)
        found = float(scale.of_cells(counts(ruler, window), counts(ruler, reference))[0])
        found += scale.beyond(window, np.ones(len(window)))
        assert found * scale.range == pytest.approx(exact(window, reference), rel=0.05)


def test_one_absurd_value_says_nothing_and_another_unit_much() -> None:
    reference = np.random.default_rng(1).normal(10, 3, 5000)
    ruler = ruler_of_numbers(np.r_[reference, 1e9])
    assert ruler.edges is not None
    scale = shift_scale(ruler.edges, counts(ruler, np.r_[reference, 1e9]))
    assert scale is not None
    sound, absurd = reference[:200], np.r_[reference[:199], -1e12]

    def shift(window: np.ndarray) -> float:
        within = float(scale.of_cells(counts(ruler, window), counts(ruler, reference))[0])
        return within + scale.beyond(window, np.ones(len(window)))

    assert scale.range < 20
    assert shift(absurd) - shift(sound) < 0.02
    assert shift(sound * 1.8 + 32) > 20 * shift(sound)


def test_what_chance_moves_is_what_it_says() -> None:
    rng = np.random.default_rng(2)
    reference = rng.gamma(2, size=30_000)
    ruler = ruler_of_numbers(reference)
    assert ruler.edges is not None
    scale = shift_scale(ruler.edges, counts(ruler, reference))
    assert scale is not None
    parts = np.array([counts(ruler, rng.gamma(2, size=100)) for _turn in range(400)])
    found = scale.of_cells(parts, counts(ruler, reference))
    assert scale.least == pytest.approx(found.std() * 10, rel=0.25)


def test_without_two_values_there_is_no_scale_and_without_rows_no_distance() -> None:
    constant = ruler_of_numbers(np.full(9, 7.0))
    assert constant.edges is not None
    assert shift_scale(constant.edges, counts(constant, np.full(9, 7.0))) is None
    edges = np.array([0.0, 1.0, 2.0])
    assert shift_scale(edges, np.zeros(5)) is None
    scale = shift_scale(edges, np.array([1, 1, 1, 0, 0]))
    assert scale is not None
    assert np.isnan(scale.of_cells(np.array([[0, 0, 0, 0, 9]]), np.array([[1, 1, 1, 0, 0]]))).all()
    assert scale.beyond(np.zeros(0), np.zeros(0)) == 0.0


def test_a_rare_event_has_the_whole_range() -> None:
    values = np.r_[np.zeros(5000), np.ones(3)]
    ruler = ruler_of_numbers(values)
    assert ruler.edges is not None
    scale = shift_scale(ruler.edges, counts(ruler, values))
    assert scale is not None
    assert scale.range == pytest.approx(1.0)
    assert scale.of_cells(counts(ruler, np.ones(4)), counts(ruler, values))[0] == pytest.approx(1.0, abs=1e-3)
