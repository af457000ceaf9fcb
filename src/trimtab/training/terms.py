"""Which terms of a text column are counted: neither rare nor everywhere, and the ones that tell most of the target."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.words import terms_in, words_in

__all__ = ["choose_terms"]

_MOST_TEXTS = 50_000
_MOST_CANDIDATES = 20_000
_LEAST_TEXTS = 3
_LEAST_SHARE = 0.0005
_LARGEST_SHARE = 0.95


def choose_terms(texts: Sequence[str | None], target: NDArray[Any], count: int, *, classes: int) -> tuple[str, ...]:
    """Return at most ``count`` words and pairs of words, sorted by name.

    Of the terms that stand in at least 3 texts (and 0.05 %) and at most 95 % of them, those with the largest χ² between
    'stands in the text' and the class are taken, for regression (``classes`` 0) those with the largest squared
    correlation; ties by name. ``target`` (n,) holds class places, or values. Pass rows of the training part only. Of
    more than 50 000 texts, so many are looked at, evenly spread.

    >>> texts = ["good film", "bad film", "good one", "bad one", "so good", "so bad"]
    >>> choose_terms(texts, np.array([1, 0, 1, 0, 1, 0]), 2, classes=2)
    ('bad', 'good')
    """
    known = [row for row, text in enumerate(texts) if text is not None]
    if len(known) > _MOST_TEXTS:
        known = [known[place] for place in np.linspace(0, len(known) - 1, _MOST_TEXTS).astype(np.int64)]
    if not known or count < 1:
        return ()
    found = [set(terms_in(words_in(str(texts[row])))) for row in known]
    frequency = Counter(term for terms in found for term in terms)
    least = max(_LEAST_TEXTS, math.ceil(_LEAST_SHARE * len(known)))
    most = _LARGEST_SHARE * len(known)
    allowed = [term for term, number in frequency.items() if least <= number <= most]
    candidates = sorted(allowed, key=lambda term: (-frequency[term], term))[:_MOST_CANDIDATES]
    if not candidates:
        return ()
    scores = _scores(found, candidates, np.asarray(target)[known], classes)
    best = sorted(range(len(candidates)), key=lambda place: (-scores[place], candidates[place]))[:count]
    return tuple(sorted(candidates[place] for place in best))


def _scores(
    found: Sequence[set[str]], candidates: Sequence[str], target: NDArray[Any], classes: int
) -> NDArray[np.float64]:
    """Return n times the share of the target's spread that each term's presence explains, ``(terms,)``."""
    places = {term: place for place, term in enumerate(candidates)}
    term_of, row_of = [], []
    for row, terms in enumerate(found):
        present = [places[term] for term in terms if term in places]
        term_of += present
        row_of += [row] * len(present)
    width = len(candidates)
    number = np.bincount(term_of, minlength=width).astype(np.float64)
    absent_share = 1 - number / len(found)
    if classes:
        shares = np.bincount(target, minlength=classes) / len(target)
        cells = np.bincount(np.array(term_of) * classes + target[row_of], minlength=width * classes)
        wanted = np.outer(number, shares)
        off = (cells.reshape(width, classes) - wanted) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(wanted > 0, off / wanted, 0).sum(axis=1) / absent_share)
    spread = float(target.var())
    if not spread > 0:
        return np.zeros(width)
    sums = np.bincount(term_of, weights=target[row_of] - target.mean(), minlength=width)
    return np.asarray(sums**2 / (number * absent_share * spread))
