from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.ruler import MAX_CELLS, ruler_of_categories, ruler_of_numbers


def test_a_value_that_is_stuck_just_below_a_constant_is_another_cell() -> None:
    ruler = ruler_of_numbers(np.full(50, 7.0))
    assert len(set(ruler.code_numbers(np.array([6.5, 7.0, 7.5])).tolist())) == 3
    # Rounding to single precision is no change.
    assert ruler.code_numbers(np.array([np.float32(7.0000001), 7.0])).tolist() == [1, 1]


def test_single_precision_does_not_move_a_value_out_of_its_cell() -> None:
    values = np.array([0.1, 0.2, 0.3])
    ruler = ruler_of_numbers(values)
    lower = values * (1 - 5e-8)
    assert ruler.code_numbers(lower).tolist() == ruler.code_numbers(values).tolist()


def test_cells_fit_into_a_byte_however_many_values_there_are() -> None:
    ruler = ruler_of_numbers(np.random.default_rng(0).normal(size=10_000))
    assert ruler.cells <= MAX_CELLS
    names = ruler_of_categories([(f"n{place}", 1) for place in range(1000)])
    assert names.cells == 64


def test_missing_and_infinite_values_share_the_last_cell() -> None:
    ruler = ruler_of_numbers(np.arange(5.0))
    assert set(ruler.code_numbers(np.array([np.nan, np.inf, -np.inf])).tolist()) == {ruler.cells}
    counts = ruler.counts(NumberProfile.of(np.array([1.0, np.nan, np.inf])))
    assert (counts.sum(), counts[-1]) == (3, 2)


def test_a_profile_of_categories_is_counted_as_its_rows_are() -> None:
    ruler = ruler_of_categories([("a", 5), ("b", 3), ("x" * 300, 9)])
    assert ruler.names == ("a", "b")
    values = ["a", "b", "b", "new", "x" * 300, None]
    codes = ruler.code_categories(pa.chunked_array([pa.array(values, pa.string())]))
    assert codes.tolist() == [0, 1, 1, 2, 2, 3]
    counts = ruler.counts(CategoryProfile.of(values))
    assert counts.tolist() == np.bincount(codes, minlength=4).tolist()


def test_a_profile_of_the_other_type_is_refused() -> None:
    numbers, categories = NumberProfile.of(np.ones(3)), CategoryProfile.of(["a"])
    assert not ruler_of_numbers(np.ones(3)).fits(categories)
    with pytest.raises(TypeError, match="CategoryProfile on a ruler of numbers"):
        ruler_of_numbers(np.ones(3)).counts(categories)
    with pytest.raises(TypeError, match="NumberProfile on a ruler of categories"):
        ruler_of_categories([("a", 1)]).counts(numbers)


def test_no_number_at_all_makes_one_cell() -> None:
    ruler = ruler_of_numbers(np.full(4, np.nan))
    assert ruler.cells == 1
    assert ruler.code_numbers(np.array([1.0, np.nan])).tolist() == [0, 1]
