"""One trial of a tuning, as it is written down."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.training.estimators import Scalar
from trimtab.training.evaluate import Confusion

__all__ = ["Trial"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: what was tried, and how it did on the validation rows.

    ``error`` tells why it has no metrics. ``by_fold``: the primary metric on the rows scored so far, after each fold.
    ``pruned``: it was given up after the last of them, since half of the trials before did better; it has no metrics.
    ``threshold``: binary, the probability from which its answers were read as the positive class.
    """

    number: int
    params: dict[str, Scalar]
    metrics: dict[str, float]
    confusion: Confusion | None
    importance: dict[str, float]
    seconds: float
    error: str | None = None
    by_fold: tuple[float, ...] = ()
    pruned: bool = False
    threshold: float = 0.5
