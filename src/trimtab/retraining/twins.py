"""Twins: a version's answers, corrected by what its latest labelled rows say; what they gain, staleness has cost.

No estimator is fitted: a twin knows sums of the rows before it. So it is free to make for every version at every
decision, and on rows that have not changed it gains nothing in the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVEL", "Rows", "cells_by_rank", "cells_by_value", "twins"]

Floats = NDArray[np.float64]
Cells = NDArray[np.intp]

LEVEL = "level"
_LEVELS = "levels"
_SHRINKAGE = 20
"""Rows that a cell's correction is diluted with: as many rows that say that nothing is to be corrected."""
_FEW_VALUES = 32
"""A feature of so many different values, or fewer, is corrected value by value: a shop, an hour of the day."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that one version answered.

    ``answers`` has shape (n,) for numbers, (n, K) for the chances of K classes. ``truth`` (n,) holds numbers, or the
    places of classes. ``features`` are columns (n,) of numbers, NaN where missing: the few that the version leans on
    most.
    """

    answers: Floats
    truth: Floats
    features: Mapping[str, Floats]


def twins(past: Rows, now: Rows) -> Iterator[tuple[str, Floats]]:
    """Answer ``now`` once more by each twin that ``past`` teaches; nothing of ``now.truth`` is looked at.

    ``level`` moves all answers: numbers by the ratio Σy/Σŷ where neither answers nor outcomes fall below zero, else by
    the mean residual; chances by the odds that the classes' shares ask for. ``levels`` moves each fifth of the answers
    besides, ``by NAME`` each quarter of a feature, or each value of one with few of them, by the mean residual that the
    level leaves there, Σr/(n + 20). With no row in ``past`` there is no twin. Permuting rows changes nothing but the
    order of the answers.

    >>> import numpy as np
    >>> past = Rows(np.array([1.0, 3.0]), np.array([2.0, 6.0]), {})
    >>> dict(twins(past, Rows(np.array([5.0]), np.array([0.0]), {})))["level"]
    array([10.])
    """
    if not len(past.truth):
        return
    if past.answers.ndim == 1:
        before, after = _levelled(past, now)
    else:
        before, after = (
            _reweighted(past.answers, past.truth, past.answers),
            _reweighted(past.answers, past.truth, now.answers),
        )
    yield LEVEL, after
    rank_past, rank_now = _score(past.answers), _score(now.answers)
    yield _LEVELS, _by_cell(before, past.truth, after, *cells_by_rank(rank_past, rank_now, 5))
    for name, column in past.features.items():
        if name not in now.features:
            continue
        yield f"by {name}", _by_cell(before, past.truth, after, *cells_by_value(column, now.features[name]))


def cells_by_rank(past: Floats, now: Floats, cells: int) -> tuple[Cells, Cells]:
    """Return in which of ``cells`` parts of ``past``, of equally many rows, each row falls; NaN has a part of its own.

    >>> import numpy as np
    >>> cells_by_rank(np.array([1.0, 2, 3, 4]), np.array([0.0, 9, np.nan]), 2)
    (array([0, 0, 1, 1]), array([0, 1, 2]))
    """
    known = past[~np.isnan(past)]
    edges = np.unique(np.quantile(known, np.arange(1, cells) / cells)) if len(known) else np.empty(0)
    found = [np.where(np.isnan(one), cells, np.searchsorted(edges, one)).astype(np.intp) for one in (past, now)]
    return found[0], found[1]


def cells_by_value(past: Floats, now: Floats) -> tuple[Cells, Cells]:
    """Return in which cell each row falls: one for each value where ``past`` has few of them, else quarters of it.

    A value that ``past`` does not have falls to the nearest that it has; NaN has a cell of its own.

    >>> import numpy as np
    >>> cells_by_value(np.array([8.0, 9.0, 8.0, 17.0]), np.array([9.0, 17.0, 18.0, np.nan]))
    (array([0, 1, 0, 2]), array([1, 2, 2, 3]))
    """
    values = np.unique(past[~np.isnan(past)])
    if len(values) > _FEW_VALUES:
        return cells_by_rank(past, now, 4)
    edges = (values[1:] + values[:-1]) / 2
    found = [np.where(np.isnan(one), len(values), np.searchsorted(edges, one)).astype(np.intp) for one in (past, now)]
    return found[0], found[1]


def _levelled(past: Rows, now: Rows) -> tuple[Floats, Floats]:
    answered, happened = float(past.answers.sum()), float(past.truth.sum())
    if min(float(past.answers.min()), float(past.truth.min())) >= 0 and min(answered, happened) > 0:
        ratio = happened / answered
        return past.answers * ratio, now.answers * ratio
    shift = (happened - answered) / (len(past.truth) + _SHRINKAGE)
    return past.answers + shift, now.answers + shift


def _score(answers: Floats) -> Floats:
    return answers if answers.ndim == 1 else np.asarray(answers[:, -1], dtype=np.float64)


def _by_cell(before: Floats, truth: Floats, after: Floats, cells: Cells, cells_now: Cells) -> Floats:
    """Correct ``after`` by what ``truth`` asks of ``before`` in each cell."""
    if before.ndim == 1:
        many = int(max(cells.max(), cells_now.max(initial=0))) + 1
        residual = np.bincount(cells, truth - before, many) / (np.bincount(cells, minlength=many) + _SHRINKAGE)
        return np.asarray(after + residual[cells_now], dtype=np.float64)
    corrected = after.copy()
    for cell in np.unique(cells_now):
        there, here = cells == cell, cells_now == cell
        corrected[here] = _reweighted(before[there], truth[there], after[here])
    return corrected


def _reweighted(answers: Floats, truth: Floats, now: Floats) -> Floats:
    """Return chances ∝ p·(times that the class came true + s)/(times that it was expected + s)."""
    classes = answers.shape[1]
    share = answers.mean(axis=0) if len(answers) else np.full(classes, 1 / classes)
    happened = np.bincount(truth.astype(np.intp), minlength=classes)[:classes] + _SHRINKAGE * share
    weighted = now * (happened / np.maximum(answers.sum(axis=0) + _SHRINKAGE * share, 1e-12))
    return np.asarray(weighted / np.maximum(weighted.sum(axis=1, keepdims=True), 1e-12), dtype=np.float64)
