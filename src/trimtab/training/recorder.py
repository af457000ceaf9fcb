"""MLflow beside the training: it takes seconds to start, so it starts, and writes, on one thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from trimtab.core.errors import TrimtabError
from trimtab.training.request import TrainingRequest, TrainingResult
from trimtab.training.tune import Outcome

if TYPE_CHECKING:
    from trimtab.training.finishing import Winner
    from trimtab.training.tracking import Tracker

__all__ = ["Recorder"]


class Untold:
    """In place of MLflow where nobody is told of the training: in a simulation. The job's id stands for the run's."""

    def __init__(self, job_id: str) -> None:
        self.run_id = job_id

    def log_outcome(self, outcome: Outcome, step_key: str, *, reused: bool) -> None:
        """See `Tracker.log_outcome`."""

    def log_winner(self, winner: Winner) -> None:
        """See `Tracker.log_winner`."""

    def log_result(self, result: TrainingResult, pictures: Mapping[str, bytes]) -> None:
        """See `Tracker.log_result`."""

    def end(self, status: str, seconds: float) -> None:
        """See `Tracker.end`."""


class Recorder:
    """Hands a training to MLflow in the order of the calls. An error appears at the next call that waits."""

    def __init__(self, request: TrainingRequest, model: str, now: datetime) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._opening = self._thread.submit(_open, request, model, now)
        self._writes: list[Future[None]] = []

    @property
    def run_id(self) -> str:
        """The id of the run; waits until it is open.

        Raises:
            BackendError: MLflow does not answer, or refuses.
        """
        return self._opening.result().run_id

    def check(self) -> None:
        """Raise what went wrong so far: without MLflow there is no use in going on.

        Raises:
            BackendError: MLflow does not answer, or refuses.
        """
        if self._opening.done():
            self._opening.result()
        for write in self._writes:
            if write.done():
                write.result()

    def outcome(self, outcome: Outcome, step_key: str, *, reused: bool) -> None:
        """Write a tuned candidate's trials."""
        self._submit(lambda tracker: tracker.log_outcome(outcome, step_key, reused=reused))

    def write(self, writing: Callable[[Tracker | Untold], None]) -> None:
        """Let ``writing`` write into the run of the training."""
        self._submit(writing)

    def end(self, seconds: float) -> None:
        """Wait for all that is to be written, and close the run.

        Raises:
            BackendError: MLflow does not answer, or refuses.
        """
        self._submit(lambda tracker: tracker.end("FINISHED", seconds))
        for future in self._writes:
            future.result()
        self._thread.shutdown(wait=False)

    def abandon(self, status: str, seconds: float) -> None:
        """Close the run if it was opened; what went wrong matters more than whether this works."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._opening.done() and not self._opening.cancelled() and self._opening.exception() is None:
            with contextlib.suppress(TrimtabError):
                self._opening.result().end(status, seconds)

    def _submit(self, writing: Callable[[Tracker | Untold], None]) -> None:
        self._writes.append(self._thread.submit(lambda: writing(self._opening.result())))


def _open(request: TrainingRequest, model: str, now: datetime) -> Tracker | Untold:
    if request.mlflow_uri is None:
        return Untold(request.job_id)
    from trimtab.training.tracking import Tracker  # start-up cost: MLflow takes seconds, spent beside the tuning

    return Tracker(request, model, now, uri=request.mlflow_uri)
