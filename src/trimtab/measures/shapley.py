"""What each feature contributes to single answers: Shapley values by sampling, of any model that can be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Value", "sampled_shapley"]

Value = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]], NDArray[Any]]
"""Answers to mixed rows: places in the explained rows ``(k,)``, places in the background ``(k,)``, and which features
``(k, F)`` come from the explained row; ``(k,)`` numbers."""

_BATCH = 65_536
_MOST_ASKED = 400_000
_MOST_ORDERS = 64
_FEWEST_ORDERS = 2


def sampled_shapley(
    value: Value, *, rows: int, background: int, features: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the contribution of each feature to the answer to each row, ``(rows, features)``.

    For a random order of the features and a random row of the background, each feature in turn takes the explained
    row's value: what the answer changes by is its contribution [1]. Mean over up to 64 orders, each also backwards,
    which takes out much of the noise. Contributions of a row add up to its answer less that to the background rows
    drawn. At most about 400 000 answers are asked for, in batches of 65 536: with many rows and features there are
    fewer orders, but two at least. No rows, no background or no feature give zeros.

    [1] E. Štrumbelj, I. Kononenko, "Explaining prediction models and individual predictions with feature
        contributions", Knowledge and Information Systems 41 (2014).

    >>> weights, x = np.array([1.0, -2.0]), np.array([[3.0, 1.0]])
    >>> def answer(rows, background, own):
    ...     return np.where(own, x[rows], 0.0) @ weights
    >>> sampled_shapley(answer, rows=1, background=1, features=2, rng=np.random.default_rng(0)).tolist()
    [[3.0, -2.0]]
    """
    found = np.zeros((rows, features))
    if not rows or not background or not features:
        return found
    pairs = int(np.clip(_MOST_ASKED // (rows * (features + 1)), _FEWEST_ORDERS, _MOST_ORDERS)) // 2
    step = max(_BATCH // (features + 1), 1)
    for _ in range(pairs):
        order = rng.permuted(np.tile(np.arange(features), (rows, 1)), axis=1)
        drawn = rng.integers(0, background, rows)
        for way in (order, order[:, ::-1]):
            for start in range(0, rows, step):
                part = slice(start, start + step)
                found[part] += _walked(value, np.arange(rows)[part], drawn[part], way[part])
    return found / (2 * pairs)


def _walked(
    value: Value, rows: NDArray[np.int64], background: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what each feature adds, ``(k, F)``, where they come in ``order`` ``(k, F)``."""
    count, features = order.shape
    place = np.argsort(order, axis=1)
    # Step s has the first s features of the order.
    own = place[:, None, :] < np.arange(features + 1)[None, :, None]
    asked = value(np.repeat(rows, features + 1), np.repeat(background, features + 1), own.reshape(-1, features))
    added = np.diff(np.asarray(asked, dtype=np.float64).reshape(count, features + 1), axis=1)
    return np.take_along_axis(added, place, axis=1)
