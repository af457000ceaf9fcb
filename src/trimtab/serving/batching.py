"""Puts requests that wait at the same time through a model together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.predictor import Predictions
from trimtab.serving.batch_counts import BatchCounts
from trimtab.serving.spec import BatchingSpec

__all__ = ["Batcher", "Model", "answer_together"]


class Model(Protocol):
    """What answers rows. `predict` may be called in a thread."""

    def predict(self, inputs: Inputs) -> Predictions:
        """Answer n rows."""


@dataclass(slots=True, eq=False)
class _Waiting:
    inputs: Inputs
    answer: asyncio.Future[Predictions]
    since_s: float


class Batcher:
    """Runs one model in a thread, one batch at a time, over the rows of several requests.

    While a batch runs, requests gather for the next. Where the last batch shows that others ask at the same time, a
    batch waits up to ``max_wait_ms`` until as many have come again; a caller who is alone never waits. A batch has up
    to ``max_rows`` rows, unless a single request has more. What a batch cannot answer as a whole is asked again request
    by request, so that one request's rows fail nobody else. A caller that hangs up while it waits is left out.

    All methods run in the event loop's thread.
    """

    def __init__(self, model: Model, spec: BatchingSpec, counts: BatchCounts) -> None:
        self._model = model
        self._counts = counts
        self._max_rows = spec.max_rows
        self._max_wait_s = spec.max_wait_ms / 1e3
        self._waiting: deque[_Waiting] = deque()
        self._rows_waiting = 0
        self._expected = 1
        self._enough: asyncio.Event | None = None
        self._running: asyncio.Task[None] | None = None

    async def predict(self, inputs: Inputs) -> Predictions:
        """Answer the rows of one request, in their order.

        Raises:
            ConfigError: see `Predictor.predict`.
        """
        waiting = _Waiting(inputs, asyncio.get_running_loop().create_future(), time.perf_counter())
        self._waiting.append(waiting)
        self._rows_waiting += len(inputs)
        if self._enough is not None and self._has_enough():
            self._enough.set()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await waiting.answer

    async def _run(self) -> None:
        while self._waiting:
            await self._gather()
            batch = self._take()
            if not batch:
                continue
            self._count(batch)
            answers = await asyncio.to_thread(answer_together, self._model, [waiting.inputs for waiting in batch])
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)
            self._expected = len(batch) + len(self._waiting)

    def _count(self, batch: Sequence[_Waiting]) -> None:
        now_s = time.perf_counter()
        self._counts.sizes.observe(sum(len(waiting.inputs) for waiting in batch))
        for waiting in batch:
            self._counts.wait_s.observe(now_s - waiting.since_s)

    def _has_enough(self) -> bool:
        return len(self._waiting) >= self._expected or self._rows_waiting >= self._max_rows

    async def _gather(self) -> None:
        if self._has_enough() or not self._max_wait_s:
            return
        enough = self._enough = asyncio.Event()
        try:
            async with asyncio.timeout(self._max_wait_s):
                await enough.wait()
        except TimeoutError:
            # Fewer ask than did: the next batch need not wait for those who are gone.
            self._expected = len(self._waiting)
        finally:
            self._enough = None

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting:
            size = len(self._waiting[0].inputs)
            if batch and rows + size > self._max_rows:
                break
            waiting = self._waiting.popleft()
            self._rows_waiting -= size
            if not waiting.answer.done():
                batch.append(waiting)
                rows += size
        return batch


def answer_together(model: Model, asked: Sequence[Inputs]) -> list[Predictions | Exception]:
    """Return the answer to each of ``asked``: all in one run of the model, where that can be."""
    if len(asked) > 1:
        try:
            return list(_parted(model.predict(_joined(asked)), [len(inputs) for inputs in asked]))
        except Exception:  # noqa: BLE001 - whose rows it was is found out below, and told to them alone
            pass
    return [_alone(model, inputs) for inputs in asked]


def _alone(model: Model, inputs: Inputs) -> Predictions | Exception:
    try:
        return model.predict(inputs)
    except Exception as error:  # noqa: BLE001 - raised again in the request that it belongs to
        return error


def _joined(asked: Sequence[Inputs]) -> Inputs:
    images = [inputs.images for inputs in asked if inputs.images is not None]
    return Inputs(
        np.concatenate([inputs.numeric for inputs in asked]),
        np.concatenate([inputs.codes for inputs in asked]),
        np.concatenate(images) if images else None,
    )


def _parted(predictions: Predictions, sizes: Sequence[int]) -> list[Predictions]:
    parts: list[Predictions] = []
    begin = 0
    for size in sizes:
        rows = slice(begin, begin + size)
        parts.append(
            Predictions(
                predictions.labels[rows],
                None if predictions.probabilities is None else predictions.probabilities[rows],
                None if predictions.probability is None else predictions.probability[rows],
            )
        )
        begin += size
    return parts
