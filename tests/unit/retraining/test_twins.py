"""Twins see the rows before, never the outcomes they are judged on, and gain nothing where nothing has changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.retraining.twins import LEVEL, Rows, cells_by_rank, cells_by_value, twins

Floats = NDArray[np.float64]


def numbers(seed: int, count: int = 600, *, factor: float = 1.0, turned: float = 1.0) -> Rows:
    """Return rows of a version that answers 20 + 3a, where 20·factor + 3·turned·a plus noise comes true."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=count)
    truth = 20 * factor + 3 * turned * effect + rng.normal(size=count)
    return Rows(20 + 3 * effect, truth, {"effect": effect})


def loss(answers: Floats, rows: Rows) -> float:
    if answers.ndim == 1:
        return float(np.abs(answers - rows.truth).mean())
    return float(-np.log(answers[np.arange(len(answers)), rows.truth.astype(int)]).mean())


def gains(past: Rows, now: Rows) -> dict[str, float]:
    return {name: 1 - loss(answers, now) / loss(now.answers, now) for name, answers in twins(past, now)}


def test_a_level_that_has_moved_is_seen_by_all_twins() -> None:
    found = gains(numbers(1, factor=1.3), numbers(2, factor=1.3))
    assert set(found) == {"level", "levels", "by effect"}
    assert all(gain > 0.5 for gain in found.values())


def test_an_effect_that_has_turned_is_seen_by_the_twins_that_look_at_parts_and_not_by_the_level() -> None:
    found = gains(numbers(1, turned=-1.0), numbers(2, turned=-1.0))
    assert abs(found[LEVEL]) < 0.05
    assert found["by effect"] > 0.3


def test_one_value_of_a_feature_that_has_moved_is_seen_where_a_quarter_of_them_would_hide_it() -> None:
    rng = np.random.default_rng(4)
    place = np.repeat(np.arange(32.0), 60)
    # Neighbours that move against each other leave every quarter where it was.
    moved = np.where(place == 9, 20.0, np.where(place == 10, -20.0, 0.0))
    rows = Rows(np.full(len(place), 100.0), 100 + moved + rng.normal(size=len(place)), {"place": place})

    found = gains(rows, rows)

    assert abs(found["levels"]) < 0.02
    assert found["by place"] > 0.25


def test_many_values_are_corrected_by_quarter_and_few_each_alone() -> None:
    few, many = np.arange(32.0), np.arange(33.0)
    assert len(set(cells_by_value(few, few)[0])) == 32
    assert len(set(cells_by_value(many, many)[0])) == 4


def test_a_feature_that_nobody_knew_has_one_cell() -> None:
    unknown = np.full(3, np.nan)
    past, now = cells_by_value(unknown, np.array([1.0, np.nan]))
    assert (past.tolist(), now.tolist()) == ([0, 0, 0], [0, 0])


def test_on_rows_that_have_not_changed_no_twin_gains_in_the_mean() -> None:
    runs = [gains(numbers(seed), numbers(seed + 1000)) for seed in range(40)]
    for name in runs[0]:
        assert -0.05 < np.mean([run[name] for run in runs]) < 0.002


def test_answers_on_both_sides_of_zero_are_moved_and_not_stretched() -> None:
    past = Rows(np.array([-1.0, 1.0] * 100), np.array([1.0, 3.0] * 100), {})
    answers = dict(twins(past, Rows(np.array([10.0]), np.array([0.0]), {})))[LEVEL]
    assert answers == pytest.approx([10 + 400 / 220])


def chances(seed: int, share: float, count: int = 800) -> Rows:
    """Return rows whose version answers 0.3 on average, and of which ``share`` comes true at that chance."""
    rng = np.random.default_rng(seed)
    score = rng.normal(-1, 1, size=count)
    told = 1 / (1 + np.exp(-score))
    true = rng.random(count) < 1 / (1 + np.exp(-(score + share)))
    return Rows(np.column_stack([1 - told, told]), true.astype(np.float64), {"score": score})


def test_classes_that_have_become_more_frequent_are_seen_by_their_odds() -> None:
    found = gains(chances(1, 2.0), chances(2, 2.0))
    assert all(gain > 0.1 for gain in found.values())
    calm = gains(chances(3, 0.0), chances(4, 0.0))
    assert all(gain < 0.02 for gain in calm.values())


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.booleans())
def test_corrected_chances_are_chances(seed: int, leans: bool) -> None:
    past, now = chances(seed, 3.0 if leans else -3.0, count=30), chances(seed + 1, 0.0, count=10)
    for _, answers in twins(past, now):
        assert answers.shape == now.answers.shape
        assert (answers >= 0).all()
        assert np.allclose(answers.sum(axis=1), 1)


def test_what_came_true_now_is_not_looked_at() -> None:
    past, now = numbers(1, factor=2.0), numbers(2)
    blind = Rows(now.answers, np.full(len(now.truth), np.nan), now.features)
    for (name, seen), (other, unseen) in zip(twins(past, now), twins(past, blind), strict=True):
        assert name == other
        assert (seen == unseen).all()


def test_without_rows_before_there_is_no_twin_and_missing_values_have_a_part_of_their_own() -> None:
    empty = Rows(np.empty(0), np.empty(0), {})
    assert dict(twins(empty, numbers(1))) == {}
    holes = numbers(1)
    holes.features["effect"][:100] = np.nan
    assert np.isfinite(dict(twins(holes, holes))["by effect"]).all()
    nothing = np.full(3, np.nan)
    assert cells_by_rank(nothing, nothing, 4)[0].tolist() == [4, 4, 4]


def test_a_feature_of_one_value_and_one_row_are_no_trouble() -> None:
    one = Rows(np.array([2.0]), np.array([4.0]), {"a": np.array([1.0])})
    assert all(np.isfinite(answers).all() for _, answers in twins(one, one))
