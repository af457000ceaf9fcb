"""Labelled rows as one version answers them now, with the loss of each: what the ledger is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Task
from trimtab.measures.answers import Answers
from trimtab.measures.row_losses import RowLoss, row_loss
from trimtab.retraining.ledger import PeriodLoss, block_sums
from trimtab.retraining.twins import Rows, twins

__all__ = ["LARGEST_LOSS", "LARGEST_VALUE", "Judge", "JudgedRows", "blocks_in"]

Floats = NDArray[np.float64]

_DAY_US = 86_400_000_000
_FEWEST_BLOCKS, _MOST_BLOCKS = 7, 28
_LEAST_SHARE = 1e-3

LARGEST_VALUE = 1e50
"""An outcome beyond it measures nothing: its row is left out, for all versions alike. An answer beyond it is cut.""" ""

LARGEST_LOSS = 1e100
"""What a row loses at most, the square of `LARGEST_VALUE`: sums of squares of more would be infinite."""


def blocks_in(period_us: int) -> int:
    """Return how many blocks a period is cut into: days, at least 7, at most 28.

    Hours of a day repeat each other: blocks shorter than a day are summed by the day before they are weighed, see
    `trimtab.retraining.weeks`.

    >>> blocks_in(7 * 86_400_000_000), blocks_in(86_400_000_000)
    (7, 7)
    """
    return min(max(period_us // _DAY_US, _FEWEST_BLOCKS), _MOST_BLOCKS)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """Rows of one period as one version answers them, in order of time.

    ``answered`` as `Rows.answers`; ``truth`` (n,): numbers, or places of classes, −1 for one the version does not
    know. ``features``: the few that it leans on most. ``weight`` is how many rows each stands for.
    """

    rows: Rows
    event_us: NDArray[np.int64]
    start_us: int
    end_us: int
    weight: float = 1.0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.event_us)


@dataclass(frozen=True, slots=True)
class Judge:
    """How rows are judged: by the metric's row loss, where it has one; else by absolute error, or by log loss."""

    task: Task
    metric: str
    classes: tuple[str, ...] = ()

    @property
    def measured_by(self) -> str:
        """The metric whose row loss is summed."""
        if self.task is Task.REGRESSION:
            return self.metric if row_loss(self.metric, self.task) is not None else "mae"
        # Chances are what twins correct; a changed answer is only the last consequence of a changed chance.
        return self.metric if self.metric in {"brier", "log_loss"} else "log_loss"

    def losses(self, answers: Floats, truth: Floats) -> Floats:
        """Return the loss of each row (n,), at most `LARGEST_LOSS`; NaN where the metric leaves the row out."""
        if self.task is Task.REGRESSION:
            with np.errstate(over="ignore", invalid="ignore"):
                losses = self._loss.compute(Answers(self.task, truth, answers, None, None))
            worst = 1.0 if self._loss.bounded else LARGEST_LOSS
            # What is no number is no answer: as NaN it would count for nothing, and be the best of all.
            return np.where(np.isfinite(answers), np.minimum(losses, worst), worst)
        names = np.array([*self.classes, ""], dtype=np.str_)
        # As many classes, whatever their number: the chance of the truth stands in the matrix.
        found = Answers(
            task=Task.MULTICLASS,
            truth=names[truth.astype(np.intp)],
            prediction=names[answers.argmax(axis=1)],
            probability=answers.max(axis=1),
            positive_class=None,
            probabilities=answers,
            classes=self.classes,
        )
        return self._loss.compute(found)

    @property
    def _loss(self) -> RowLoss:
        found = row_loss(self.measured_by, self.task if self.task is Task.REGRESSION else Task.MULTICLASS)
        if found is None:  # pragma: no cover - measured_by names one that has
            raise TypeError(self.measured_by)
        return found

    def period(self, judged: JudgedRows, answers: Floats) -> PeriodLoss:
        """Return the loss of these answers to the rows of a period."""
        truth = judged.rows.truth
        sums = self._sums(judged, self.losses(answers, truth))
        hardness = float(np.nansum(self.losses(self._constant(truth), truth))) * judged.weight
        rows = round(len(judged) * judged.weight)
        return PeriodLoss(judged.start_us, judged.end_us, rows, tuple(sums.tolist()), hardness)

    def twins(self, past: Rows, judged: JudgedRows) -> dict[str, PeriodLoss]:
        """Return the losses of the twins that ``past`` teaches, by name."""
        with np.errstate(over="ignore", invalid="ignore"):
            return {name: self.period(judged, answers) for name, answers in twins(past, judged.rows)}

    def _sums(self, judged: JudgedRows, losses: Floats) -> Floats:
        start_us, end_us = judged.start_us, judged.end_us
        blocks = blocks_in(end_us - start_us)
        return judged.weight * block_sums(losses, judged.event_us, start_us=start_us, end_us=end_us, blocks=blocks)

    def _constant(self, truth: Floats) -> Floats:
        if self.task is Task.REGRESSION:
            return np.full(len(truth), np.median(truth)) if len(truth) else truth
        known = truth[truth >= 0].astype(np.intp)
        shares = np.clip(np.bincount(known, minlength=len(self.classes)) / max(len(known), 1), _LEAST_SHARE, None)
        return np.tile(shares / shares.sum(), (len(truth), 1))
