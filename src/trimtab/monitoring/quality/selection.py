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
_SMALL_SHARE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """How labels lie over the answers: by class, how many rows were answered so, and how many of these have labels.

    ``weights`` ``(n,)`` make the labelled rows stand for all answered ones: inverse coverage of their class, of mean 1.
    ``factor``: how many times as often the best covered class has labels as the worst one that is a twentieth of the
    answers at least; infinite where such a class has none.
    """

    answered: dict[str, int]
    labelled: dict[str, int]
    weights: NDArray[np.float64]
    factor: float

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
    normal approximation [1]).

    [1] E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", PNAS 17 (1931).
    """
    others = rows.unlabelled
    if others is None or not len(others) or not len(rows.truth):
        return None
    # Sized alike: joined texts of another width would be copied twice.
    names, codes = class_codes(np.concatenate([rows.prediction, others.prediction]))
    mine = codes[: len(rows.truth)]
    answered = np.bincount(codes, minlength=len(names)).astype(np.float64)
    labelled = np.bincount(mine, minlength=len(names)).astype(np.float64)
    if len(names) < 2 or not _differs(labelled, answered):
        return None
    coverage = labelled / answered
    large = answered >= _SMALL_SHARE * answered.sum()
    worst = float(coverage[large].min()) if large.any() else 0.0
    weights = (answered / np.maximum(labelled, 1.0))[mine]
    return Selection(
        answered={str(name): int(count) for name, count in zip(names, answered, strict=True)},
        labelled={str(name): int(count) for name, count in zip(names, labelled, strict=True)},
        weights=np.asarray(weights / weights.mean(), dtype=np.float64),
        factor=float(coverage[large].max()) / worst if worst else float("inf"),
    )


def _differs(labelled: NDArray[np.float64], answered: NDArray[np.float64]) -> bool:
    share = labelled.sum() / answered.sum()
    expected = answered * share
    square = float(((labelled - expected) ** 2 / (expected * (1 - share))).sum())
    freedom = len(answered) - 1
    middle, spread = 1 - 2 / (9 * freedom), (2 / (9 * freedom)) ** 0.5
    return bool(((square / freedom) ** (1 / 3) - middle) / spread > _SURELY)
