"""Whether the rows that have labels are like those that were answered, and what to do where they are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.measures.class_codes import class_codes
from trimtab.monitoring.answered import LabelledRows

__all__ = ["Selection", "selection_of"]

_SURELY = 2.326  # of a normal variable: 1 % lie beyond
_MOST_SELECTIVE = 5.0
_SMALL_SHARE = 0.05
_ENOUGH = 5
_BY_CHANCE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """How labels lie over the answers: by class, how many rows were answered so, and how many of these have labels.

    ``weights`` ``(n,)`` make the labelled rows stand for all answered ones: inverse coverage of their class, of mean 1.
    ``factor``: how many times as often the best covered class has labels as the worst one, of those that are a
    twentieth of the answers or would have five labels if all were covered alike; infinite where such a class has none.
    """

    answered: dict[str, int]
    labelled: dict[str, int]
    weights: NDArray[np.float64]
    factor: float

    @property
    def is_too_selective(self) -> bool:
        """Whether no weights mend it: a class has labels more than five times as often as another."""
        return self.factor > _MOST_SELECTIVE

    def to_json(self) -> JsonObject:
        """Return the counts as JSON: of each class, how many of how many rows have labels."""
        return {name: [self.labelled[name], count] for name, count in self.answered.items()}

    @property
    def told(self) -> str:
        """The coverage of each class, in words."""
        parts = [f"{self.labelled[name]} of {count} answers {name!r}" for name, count in self.answered.items()]
        return ", ".join(parts[:5])


def selection_of(rows: LabelledRows) -> Selection | None:
    """Return how selective the labels of classes are; None where they may well be a random part of the answers.

    They are not when a chi-square test of labelled by answered class says so at 1 % (by Wilson's and Hilferty's
    normal approximation [1]), nor when a class has no label at all, and chance would leave any class without one in
    less than 1 %: no weight can make the others stand for it, however seldom it was answered.

    [1] E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", PNAS 17 (1931).
    """
    total = sum(rows.answered_as.values())
    if len(rows.answered_as) < 2 or not len(rows.truth) or total <= len(rows.truth):
        return None
    names = sorted(rows.answered_as)
    answered = np.array([rows.answered_as[name] for name in names], dtype=np.float64)
    found, codes = class_codes(rows.prediction)
    mine = np.searchsorted(np.array(names), found)[codes]
    labelled = np.bincount(mine, minlength=len(names)).astype(np.float64)
    expected = answered * (len(rows.truth) / total)
    missing = (labelled == 0) & (np.exp(-expected) < _BY_CHANCE / len(names))
    if not missing.any() and not _differs(labelled, answered):
        return None
    coverage = labelled / answered
    counts = missing | (answered >= _SMALL_SHARE * total) | (expected >= _ENOUGH)
    worst = float(coverage[counts].min()) if counts.any() else 0.0
    weights = (answered / np.maximum(labelled, 1.0))[mine]
    return Selection(
        answered={name: int(count) for name, count in zip(names, answered, strict=True)},
        labelled={name: int(count) for name, count in zip(names, labelled, strict=True)},
        weights=np.asarray(weights / weights.mean(), dtype=np.float64),
        factor=float(coverage[counts].max()) / worst if worst else float("inf"),
    )


def _differs(labelled: NDArray[np.float64], answered: NDArray[np.float64]) -> bool:
    share = labelled.sum() / answered.sum()
    expected = answered * share
    square = float(((labelled - expected) ** 2 / (expected * (1 - share))).sum())
    freedom = len(answered) - 1
    middle, spread = 1 - 2 / (9 * freedom), (2 / (9 * freedom)) ** 0.5
    return bool(((square / freedom) ** (1 / 3) - middle) / spread > _SURELY)
