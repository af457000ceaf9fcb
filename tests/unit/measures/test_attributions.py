"""Sampled Shapley values, and how far two rankings of features agree."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.measures.ndcg import rank_agreement
from trimtab.measures.shapley import Value, sampled_shapley

RNG = np.random.default_rng(0)
ROWS, BACKGROUND = RNG.normal(size=(40, 3)), RNG.normal(size=(30, 3))


def model(rows: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(3 * rows[:, 0] + rows[:, 1] * rows[:, 2], dtype=np.float64)


def mixing(rows: NDArray[Any], background: NDArray[Any]) -> Value:
    return lambda mine, other, taken: model(np.where(taken, rows[mine], background[other]))


def exactly(row: NDArray[Any]) -> NDArray[np.float64]:
    """All orders of three features, and all of the background."""
    found = np.zeros(3)
    for order in itertools.permutations(range(3)):
        mixed = BACKGROUND.copy()
        for feature in order:
            before = model(mixed).mean()
            mixed[:, feature] = row[feature]
            found[feature] += (model(mixed).mean() - before) / math.factorial(3)
    return found


def test_sampled_values_are_shapleys() -> None:
    many = np.repeat(ROWS[:2], 400, axis=0)
    rng = np.random.default_rng(1)
    found = sampled_shapley(mixing(many, BACKGROUND), rows=len(many), background=len(BACKGROUND), features=3, rng=rng)
    for place in range(2):
        mean = found[400 * place : 400 * (place + 1)].mean(axis=0)
        assert mean == pytest.approx(exactly(ROWS[place]), abs=0.1)


def test_contributions_add_up_to_the_answer_less_that_to_the_background() -> None:
    one = BACKGROUND[:1]
    found = sampled_shapley(mixing(ROWS, one), rows=40, background=1, features=3, rng=np.random.default_rng(2))
    assert found.sum(axis=1) == pytest.approx(model(ROWS) - model(one)[0], abs=1e-9)


def test_what_is_asked_is_bounded() -> None:
    asked: list[int] = []

    def counted(mine: NDArray[np.int64], other: NDArray[np.int64], taken: NDArray[np.bool_]) -> NDArray[np.float64]:
        asked.append(len(mine))
        return np.zeros(len(mine))

    found = sampled_shapley(counted, rows=200, background=9, features=500, rng=np.random.default_rng(0))
    assert not found.any()
    assert sum(asked) <= 2 * 200 * 501
    assert max(asked) <= 65_536


@pytest.mark.parametrize(("rows", "background", "features"), [(0, 5, 3), (5, 0, 3), (5, 5, 0)])
def test_nothing_contributes_where_there_is_nothing(rows: int, background: int, features: int) -> None:
    found = sampled_shapley(
        mixing(ROWS, BACKGROUND), rows=rows, background=background, features=features, rng=np.random.default_rng(0)
    )
    assert found.shape == (rows, features)
    assert not found.any()


def test_agreement_falls_with_what_has_changed_places() -> None:
    then = np.array([0.5, 0.3, 0.1, 0.07, 0.03])
    assert rank_agreement(then * 7, then) == 1.0
    below = rank_agreement(then[[0, 1, 2, 4, 3]], then)
    above = rank_agreement(then[[2, 1, 0, 3, 4]], then)
    assert above < 0.9 < below < 1.0
    assert rank_agreement(then[::-1], then) < above


@pytest.mark.parametrize(("now", "then"), [([], []), ([1, 2], [0, 0]), ([1, np.nan], [1, 2])])
def test_there_is_no_agreement_about_nothing(now: list[float], then: list[float]) -> None:
    assert np.isnan(rank_agreement(np.array(now), np.array(then)))
