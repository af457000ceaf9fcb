"""Which rows are learnt from, which are held out, and which score a trial.

``copies`` (n,), where it is given, has equal numbers for rows that are copies of one another: no function here puts
two of them on different sides, for what was learnt by heart would be taken for knowledge.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.errors import ConfigError, DataContractError
from trimtab.training.settings import CrossValidation, SplitSettings, TimeSplit

__all__ = ["Fold", "Split", "contiguous_folds", "split_rows", "validation_folds"]

_FEWEST_ROWS = 8

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of rows: ``train`` and ``test`` are disjoint, and together all. With time, both are in its order.

    With time and copies, later copies of rows in ``train`` are in neither.
    """

    train: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of rows to fit on, and of rows to score."""

    fit: Rows
    score: Rows


def split_rows(
    settings: SplitSettings,
    classes: NDArray[Any] | None,
    time_us: NDArray[np.int64] | None,
    rows: int,
    rng: np.random.Generator,
    copies: Rows | None = None,
) -> Split:
    """Return the held-out part and the rest.

    With a time split every held-out row is strictly later than every other one: rows of one moment stay together, and
    of copies only the first counts for the share. Else rows with the same number in ``copies`` stand on one side.

    Raises:
        ConfigError: a time split without event times.
        DataContractError: one part would be empty.

    >>> parts = split_rows(TimeSplit(test_share=0.5), None, np.array([3, 1, 2, 2]), 4, np.random.default_rng(0))
    >>> parts.train.tolist(), parts.test.tolist()
    ([1, 2, 3], [0])
    """
    if isinstance(settings, TimeSplit):
        if time_us is None:
            raise ConfigError("split: type time needs event times; name the time column in model.yaml")
        split = _split_by_time(settings.test_share, time_us, copies)
    else:
        split = _split_at_random(settings.test_share, classes, rows, rng, copies)
    if not len(split.train) or not len(split.test):
        raise DataContractError(
            f"split: {len(split.train)} rows to learn from and {len(split.test)} held out, of {rows}; expected some of "
            "each; deliver more rows, or change test_share"
        )
    return split


def validation_folds(
    cross_validation: CrossValidation | None,
    split: Split,
    classes: NDArray[Any] | None,
    time_us: NDArray[np.int64] | None,
    rng: np.random.Generator,
    copies: Rows | None = None,
) -> tuple[Fold, ...]:
    """Return what trials are scored on, within the training part. Pass ``time_us`` for a time split only.

    With time, each fold scores rows strictly later than those it fits on (growing windows), and no copies of them;
    otherwise each row is scored once, classes spread evenly over the folds. Without cross-validation there is one fold
    of a fifth.

    Raises:
        DataContractError: there are too few rows.
    """
    train = split.train
    folds = cross_validation.folds_for(len(train)) if cross_validation else 1
    chosen = cross_validation is not None and cross_validation.folds is not None
    fewest = max(0 if chosen else _FEWEST_ROWS, 2 * (folds + 1))
    if len(train) < fewest:
        raise DataContractError(
            f"training rows: {len(train)} to learn from, of {len(train) + len(split.test)}; expected {fewest} or more "
            f"({folds} folds); deliver more rows"
        )
    if time_us is not None:
        windows = _growing_windows(train, time_us[train], folds, cross_validation is None)
        found = [Fold(fit=fold.fit, score=_without_copies(fold.score, fold.fit, copies)) for fold in windows]
    else:
        strata = np.zeros(len(train), dtype=np.int64) if classes is None else classes[train]
        parts = _parts(strata, folds if cross_validation else 5, rng, None if copies is None else copies[train])
        places = range(folds) if cross_validation else [0]
        found = [Fold(fit=train[parts != part], score=train[parts == part]) for part in places]
    found = [fold for fold in found if len(fold.fit) and len(fold.score)]
    if not found and time_us is None:
        raise DataContractError("validation: all rows to learn from are copies of one; deliver rows that differ")
    if not found:
        raise DataContractError("validation: no rows are later than others; expected more than one moment of time")
    if time_us is not None and classes is not None and len(np.unique(classes[train])) > 1:
        # In order of time the first window may hold one class only, of which nothing can be learnt.
        found = [fold for fold in found if len(np.unique(classes[fold.fit])) > 1]
        if not found:
            raise DataContractError(
                "validation: the earliest rows are all of one class; expected each class from early on; set split to "
                "stratified, or deliver more rows"
            )
    return tuple(found)


def contiguous_folds(rows: Rows, folds: int, copies: Rows | None = None) -> tuple[Fold, ...]:
    """Return folds of neighbouring rows, each scored by a fit on the others: out-of-sample answers for every row.

    >>> [fold.score.tolist() for fold in contiguous_folds(np.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    blocks = [block for block in np.array_split(rows, folds) if len(block)]
    found = [Fold(fit=_without_copies(np.setdiff1d(rows, block), block, copies), score=block) for block in blocks]
    return tuple(fold for fold in found if len(fold.fit))


def _without_copies(rows: Rows, of: Rows, copies: Rows | None) -> Rows:
    """Return ``rows`` but for those that are copies of rows in ``of``."""
    return rows if copies is None else rows[~np.isin(copies[rows], copies[of])]


def _split_by_time(test_share: float, time_us: NDArray[np.int64], copies: Rows | None) -> Split:
    order = np.argsort(time_us, kind="stable")
    # Copies that came later must not fill the held-out part: of them, none would be left.
    firsts = order if copies is None else order[np.sort(np.unique(copies[order], return_index=True)[1])]
    cut = len(firsts) - max(1, round(test_share * len(firsts)))
    # Rows of the moment at the cut go to the training part, so that the held-out ones are strictly later.
    last = time_us[firsts[max(cut - 1, 0)]]
    cut = int(np.searchsorted(time_us[order], last, side="right"))
    return Split(train=order[:cut], test=_without_copies(order[cut:], order[:cut], copies))


def _split_at_random(
    test_share: float, classes: NDArray[Any] | None, rows: int, rng: np.random.Generator, copies: Rows | None
) -> Split:
    strata = np.zeros(rows, dtype=np.int64) if classes is None else classes
    first, place, sizes = _firsts(rows, copies)
    is_held = np.zeros(len(first), dtype=bool)
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        total = int(sizes[members].sum())
        most = min(round(test_share * total), total - 1)
        is_held[members[_fitting(sizes[members], most)]] = True
    test = np.flatnonzero(is_held[place])
    return Split(train=np.setdiff1d(np.arange(rows), test), test=test)


def _fitting(sizes: Rows, most: int) -> NDArray[np.bool_]:
    """Return which of the sets, in their order, are taken into ``most`` rows; one too large for what is left is not.

    >>> _fitting(np.array([1, 5, 2, 1]), 4).tolist()
    [True, False, True, True]
    """
    if not len(sizes) or sizes.max() == 1:
        return np.arange(len(sizes)) < most
    taken = np.zeros(len(sizes), dtype=np.bool_)
    room = most
    for place, size in enumerate(sizes.tolist()):
        if size <= room:
            taken[place] = True
            room -= size
    return taken


def _firsts(rows: int, copies: Rows | None) -> tuple[Rows, Rows, Rows]:
    """Return the first row of each set of copies, the place of each row's set among them, and the sizes of the sets."""
    if copies is None:
        return np.arange(rows), np.arange(rows), np.ones(rows, dtype=np.int64)
    _, first, place, sizes = np.unique(copies, return_index=True, return_inverse=True, return_counts=True)
    return first, place, sizes


def _parts(strata: NDArray[Any], parts: int, rng: np.random.Generator, copies: Rows | None = None) -> NDArray[np.int64]:
    """Deal the rows of each stratum out to ``parts`` in turn, going on where the last stratum ended."""
    first, place, _ = _firsts(len(strata), copies)
    dealt = np.empty(len(first), dtype=np.int64)
    start = 0
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        dealt[members] = (start + np.arange(len(members))) % parts
        start += len(members)
    return dealt[place]


def _growing_windows(train: Rows, times: NDArray[np.int64], folds: int, single: bool) -> list[Fold]:
    count = len(train)
    edges = [round(count * 0.8), count] if single else [round(count * k / (folds + 1)) for k in range(1, folds + 2)]
    # An edge moves on to where the moment changes: what is scored must be strictly later.
    moved = [int(np.searchsorted(times, times[edge - 1], side="right")) for edge in edges]
    return [Fold(fit=train[:start], score=train[start:end]) for start, end in itertools.pairwise(moved)]
