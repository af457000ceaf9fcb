"""Shadow variants get copies of requests off the request path, and nobody waits for what they say."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from trimtab.records.journal import JournalWriter
from trimtab.serving.endpoints import LoadedVariant
from trimtab.serving.shadow_counts import ShadowLedgers
from trimtab.serving.shadow_desk import Copied, ShadowDesk

__all__ = ["Copied", "Shadows"]

_MAX_ROWS: Final = 20_000
_MAX_BYTES: Final = 64_000_000
_ROW_FACTOR: Final = 6
"""How much more memory rows take as Python's objects than as a body of JSON."""

_GATHER_S: Final = 0.02
_TOGETHER_ROWS: Final = 32
_DRAIN_S: Final = 1.0


class Shadows:
    """Answers copies by shadow variants, on a thread that starts with the first copy.

    Of the requests, `VariantSpec.weight_pct` of a shadow says how many percent it gets, drawn at random. A copy for
    which the queue has no room, in rows or in bytes, is dropped and counted: shadows are shed before anything else is.

    `offer` and `close` belong to the event loop's thread.
    """

    def __init__(
        self,
        new_journal: Callable[[], JournalWriter],
        *,
        new_id: Callable[[], str],
        rng: Random,
        max_rows: int = _MAX_ROWS,
        max_bytes: int = _MAX_BYTES,
        ledgers: ShadowLedgers | None = None,
    ) -> None:
        self.ledgers = ShadowLedgers() if ledgers is None else ledgers
        self._desk = ShadowDesk(new_journal, new_id, self.ledgers)
        self._random = rng.random
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._queue: deque[tuple[LoadedVariant, Copied, int, int]] = deque()
        # Each of these is written by one thread only: what waits is the difference.
        self._rows_in = self._rows_out = self._bytes_in = self._bytes_out = 0
        self._wake = threading.Event()
        self._stop_at_s = math.inf
        self._thread: threading.Thread | None = None

    @property
    def waiting_rows(self) -> int:
        """Rows that wait to be answered or are."""
        return self._rows_in - self._rows_out

    def positions(self) -> dict[Path, int]:
        """Return how far the journal of the shadows is written, if there is one."""
        journal = self._desk.journal
        return {} if journal is None else journal.filled

    def offer(self, copied: Copied) -> None:
        """Take a copy for each shadow that is to have one, or drop it. Never waits, never raises."""
        rows, size_bytes = len(copied.live.predictions), _size_bytes(copied)
        for shadow in copied.endpoint.shadows:
            weight = float(shadow.spec.weight_pct)
            if weight < 100 and 100 * self._random() >= weight:
                continue
            waiting_bytes = self._bytes_in - self._bytes_out
            if self.waiting_rows + rows > self._max_rows or waiting_bytes + size_bytes > self._max_bytes:
                self._drop(shadow, copied, rows)
                continue
            self._rows_in += rows
            self._bytes_in += size_bytes
            self._queue.append((shadow, copied, rows, size_bytes))
            if not self._wake.is_set():
                self._wake.set()
        if self._thread is None and self._queue:
            self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Answer what waits for a second at most, count the rest as dropped, and seal the journal."""
        if self._thread is None:
            return
        self._stop_at_s = time.monotonic() + _DRAIN_S
        self._wake.set()
        self._thread.join()
        self._thread = None
        while self._queue:
            shadow, copied, rows, _ = self._queue.popleft()
            self._drop(shadow, copied, rows)

    def _drop(self, shadow: LoadedVariant, copied: Copied, rows: int) -> None:
        spec = copied.endpoint.spec
        self.ledgers.of(spec.endpoint, spec.generation, shadow.spec.name).unasked.inc()
        shadow.metrics.shadow.dropped.inc(rows)

    def _run(self) -> None:
        while self._stop_at_s == math.inf:
            self._wake.wait()
            # A thread that woke for each request would take the interpreter from the next one's answer.
            time.sleep(_GATHER_S)
            self._wake.clear()
            while self._queue and time.monotonic() < self._stop_at_s:
                self._answer_some()
        if self._desk.journal is not None:
            self._desk.journal.close()

    def _answer_some(self) -> None:
        """Answer the first copies that wait, those of one shadow together; few, as requests want the interpreter."""
        by_shadow: dict[int, tuple[LoadedVariant, list[Copied]]] = {}
        rows = size_bytes = 0
        while self._queue and rows < _TOGETHER_ROWS:
            shadow, copied, its_rows, its_bytes = self._queue.popleft()
            by_shadow.setdefault(shadow.schema.schema_id, (shadow, []))[1].append(copied)
            rows += its_rows
            size_bytes += its_bytes
        for shadow, copies in by_shadow.values():
            self._desk.answer(shadow, copies)
        self._rows_out += rows
        self._bytes_out += size_bytes


def _size_bytes(copied: Copied) -> int:
    """Return about what a copy takes in memory."""
    inputs = copied.inputs
    images = 0 if inputs.images is None else inputs.images.nbytes
    return _ROW_FACTOR * copied.body_bytes + inputs.numeric.nbytes + inputs.codes.nbytes + images
