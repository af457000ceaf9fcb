"""The pictures of the winner, drawn in a worker while its bundle is written and compared."""

from __future__ import annotations

import time
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from trimtab.core.errors import TrimtabError
from trimtab.training.explain import Explanation
from trimtab.training.finishing import Winner
from trimtab.training.plan import Plan
from trimtab.training.plots import Pictures, PlotTask
from trimtab.training.stepbook import StepBook
from trimtab.training.steps import Step, step_key
from trimtab.training.workers import Workers, result_of

__all__ = ["Picturing"]


class Picturing:
    """Starts with its making; `finish` waits for the end."""

    def __init__(self, plan: Plan, winner: Winner, book: StepBook, workers: Workers) -> None:
        task = _task(plan, winner)
        self._book = book
        self._began = time.perf_counter()
        self._key = step_key(Step.PLOT, None, task)
        self._known = book.recall(Step.PLOT, self._key, Pictures)
        self._drawing: Future[Pictures] | None = None if self._known is not None else workers.draw(task)

    def finish(self) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """Return the pictures and their data by file name; or none, and a note that says why."""
        if self._known is not None:
            return self._known.files, ()
        assert self._drawing is not None
        try:
            pictures = result_of(self._drawing)
        except TrimtabError as error:
            return {}, (f"no pictures were drawn: {error}",)
        except Exception as error:  # noqa: BLE001 - a step of its own: a version stands without its pictures
            return {}, (f"no pictures were drawn ({type(error).__name__}: {error})",)
        self._book.keep(Step.PLOT, self._key, pictures, time.perf_counter() - self._began)
        return pictures.files, ()


def _task(plan: Plan, winner: Winner) -> PlotTask:
    finished = winner.finished
    return PlotTask(
        title=f"{plan.model.name}, {winner.outcome.candidate.type}",
        problem=finished.problem,
        target=plan.data.target[plan.split.test],
        held_out=finished.held_out,
        confusion=finished.confusion,
        importance=finished.importance,
        explanation=winner.explanation,
        looks=None if winner.explanation is None else _looks(plan, winner.explanation),
    )


def _looks(plan: Plan, explanation: Explanation) -> NDArray[np.float64]:
    """Return the explained rows' values of the numeric features (m, F), NaN for others: those have no high and low."""
    numeric = [feature.name for feature in plan.data.features if feature.kind.is_numeric]
    looks = np.full((len(explanation.rows), len(explanation.features)), np.nan)
    for place, name in enumerate(explanation.features):
        if name in numeric:
            looks[:, place] = plan.data.inputs.numeric[explanation.rows, numeric.index(name)]
    return looks
