"""Processes that tune and finish candidates side by side. They see the rows through memory-mapped files."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.core.errors import BackendError
from trimtab.training.estimators import modules_of
from trimtab.training.explain import Explained, ExplainTask, explain
from trimtab.training.finish import Finished, FinishTask, Unseen, answer_unseen, finish, fit_for_good
from trimtab.training.journal import TrialJournal
from trimtab.training.plots import Pictures, PlotTask, draw, prepare
from trimtab.training.settings import Algorithm
from trimtab.training.tune import Outcome, TuneTask, tune

__all__ = ["FinalFit", "Workers", "result_of", "store_rows"]

ResultT = TypeVar("ResultT")

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class FinalFit:
    """The fit that will serve, packed for another worker of ours, and its explanation if one was asked for."""

    packed: bytes
    explained: Explained | None


def store_rows(folder: Path, inputs: Inputs, target: NDArray[Any]) -> None:
    """Leave the matrices where `Workers` find them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("numeric", inputs.numeric), ("codes", inputs.codes), ("target", target)):
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


def result_of(future: Future[ResultT]) -> ResultT:
    """Return the future's result; a process that died becomes an error that tells what to do.

    Raises:
        BackendError: the worker was killed.
        TrimtabError: what the task raised.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise BackendError(
            "training worker: ended abruptly (killed, or out of memory); lower workers in training_config.yaml and "
            "train again"
        ) from error


class Workers:
    """A pool of worker processes; they end with this process, however it ends.

    A server process imports the libraries once and forks the workers from there: so each starts at once, and none
    inherits threads or connections of ours.
    """

    def __init__(self, count: int, folder: Path, algorithms: tuple[Algorithm, ...]) -> None:
        # Every process has one core: thread pools inside the libraries would only fight over it.
        os.environ.update({name: value for name, value in _ONE_THREAD.items() if name not in os.environ})
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["trimtab.training.workers", "optuna", *modules_of(algorithms)])
        self._done = context.Value("i", 0)
        self._pool = ProcessPoolExecutor(
            max_workers=count, mp_context=context, initializer=_start_with_rows, initargs=(str(folder), self._done)
        )
        self._drawing = ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_start_process)

    @property
    def trials_done(self) -> int:
        """How many trials have ended, in all workers."""
        return int(self._done.value)

    def tune(self, task: TuneTask, journal: Path) -> Future[Outcome]:
        """Tune in a worker, behind the trials that ``journal`` holds."""
        return _submit(self._pool, _tune, task, journal)

    def fit_for_good(self, task: FinishTask, explaining: ExplainTask | None) -> Future[FinalFit]:
        """Fit as it will serve, and explain that fit if asked to, in a worker."""
        return _submit(self._pool, _fit_for_good, task, explaining)

    def answer_unseen(self, task: FinishTask) -> Future[Unseen]:
        """Answer rows out of sample in a worker."""
        return _submit(self._pool, _answer_unseen, task)

    def finish(self, task: FinishTask, final: FinalFit, answered: Unseen) -> Future[Finished]:
        """Finish in a worker."""
        return _submit(self._pool, _finish, task, final.packed, answered)

    def prepare_drawing(self) -> None:
        """Let the process that draws import what it needs, which takes a second, while others are at work."""
        _submit(self._drawing, prepare)

    def draw(self, task: PlotTask) -> Future[Pictures]:
        """Draw in a process of its own."""
        return _submit(self._drawing, draw, task)

    def close(self, *, wait: bool) -> None:
        """Take no more work; with ``wait`` return when the processes have ended."""
        for pool in (self._pool, self._drawing):
            pool.shutdown(wait=wait, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, task: Callable[..., ResultT], *arguments: Any) -> Future[ResultT]:
    with _heard_afterwards(signal.SIGTERM, signal.SIGINT):
        return pool.submit(task, *arguments)


@contextmanager
def _heard_afterwards(*signals: signal.Signals) -> Iterator[None]:
    """Hold ``signals`` back: a worker whose start one of them cuts short tells the job's log so with a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in signals}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for told in heard:
            signal.raise_signal(told)


class _Rows:
    """What a worker process holds."""

    inputs: Inputs
    target: NDArray[Any]
    after_trial: Callable[[], None]


def _start_process() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _start_with_rows(folder: str, done: Any) -> None:
    _start_process()
    try:
        arrays = {
            name: np.asarray(np.load(Path(folder) / f"{name}.npy", mmap_mode="r", allow_pickle=False))
            for name in ("numeric", "codes", "target")
        }
    except FileNotFoundError:
        # The training has ended while this process was being made: its log is no place for our complaint.
        os._exit(1)
    _Rows.inputs = Inputs(arrays["numeric"], arrays["codes"])
    _Rows.target = arrays["target"]

    def count() -> None:
        with done.get_lock():
            done.value += 1

    _Rows.after_trial = staticmethod(count)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _tune(task: TuneTask, journal: Path) -> Outcome:
    return tune(task, _Rows.inputs, _Rows.target, _Rows.after_trial, TrialJournal(journal))


def _fit_for_good(task: FinishTask, explaining: ExplainTask | None) -> FinalFit:
    fitted = fit_for_good(task, _Rows.inputs, _Rows.target)
    explained = None if explaining is None else explain(explaining, fitted, _Rows.inputs)
    return FinalFit(pickle.dumps(fitted), explained)


def _answer_unseen(task: FinishTask) -> Unseen:
    return answer_unseen(task, _Rows.inputs, _Rows.target)


def _finish(task: FinishTask, packed: bytes, answered: Unseen) -> Finished:
    # What another worker of this pool has packed: nothing from outside is ever unpacked.
    fitted = pickle.loads(packed)
    return finish(task, fitted, answered, _Rows.inputs, _Rows.target)
