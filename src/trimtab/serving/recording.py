"""What happens to answers that cannot be recorded: counted and told, whichever way the endpoint wants it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from trimtab.core.canonical import JsonObject
from trimtab.records.hindrance import Told
from trimtab.records.journal import JournalWriter
from trimtab.serving.metrics import ServingMetrics

__all__ = ["NOT_RECORDED", "RecordingWatch"]

NOT_RECORDED: Final = (b"x-trimtab-recorded", b"false")
"""Header of an answer some of whose rows were not recorded, since the endpoint sheds them."""

_TELL_INTERVAL_S: Final = 1.0

_log = structlog.get_logger("trimtab.serving.recording")


class RecordingWatch:
    """Counts the rows that the journal refused, and says so: to metrics, ``/health``, the log and ``trimtab status``.

    Lives in the event loop's thread, and costs a request whose rows are recorded nothing.
    """

    def __init__(self, journal: JournalWriter, metrics: ServingMetrics, *, now_us: Callable[[], int]) -> None:
        self._journal = journal
        self._metrics = metrics
        self._now_us = now_us
        self._since_us: int | None = None
        self._told: Told | None = None
        self.rows_refused = 0
        self.rows_shed = 0
        metrics.recording_hindered.set_function(lambda: journal.hindered is not None)

    @property
    def hindered(self) -> str | None:
        """Why records are refused now; None while they are taken."""
        return self._journal.hindered

    def refused(self, endpoint: str, rows: int) -> None:
        """Count rows that were not answered since they could not be recorded."""
        self.rows_refused += rows
        self._metrics.unrecorded(endpoint, "refused").inc(rows)
        self._look()

    def shed(self, endpoint: str, rows: int) -> None:
        """Count rows that were answered and not recorded."""
        self.rows_shed += rows
        self._metrics.unrecorded(endpoint, "shed").inc(rows)
        self._look()

    def health(self) -> JsonObject:
        """Return what ``/health`` says of it."""
        return {
            "recording": self.hindered is None,
            "reason": self.hindered,
            "since_us": self._since_us,
            "rows_refused": self.rows_refused,
            "rows_shed": self.rows_shed,
        }

    async def watch(self, folder: Path, interval_s: float = _TELL_INTERVAL_S) -> None:
        """See, until cancelled, whether there is room again, and keep the file beside the journals true."""
        refused: str | None = None
        try:
            while True:
                if self._told is None:
                    refused = self._open(folder, refused)
                self.step()
                await asyncio.sleep(interval_s)
        finally:
            if self._told is not None:
                self._told.close()
                self._told = None

    def _open(self, folder: Path, refused: str | None) -> str | None:
        """Begin the file beside the journals; return why that cannot be now, which is logged once."""
        try:
            self._told = Told(folder)
        except OSError as error:
            if str(error) != refused:
                _log.error("recording_state_not_told", error=str(error))
            return str(error)
        return None

    def step(self) -> None:
        """Look once."""
        gone = self._journal.try_again()
        if gone is not None:
            _log.error("journal_file_gone", journal=str(gone), lost="what it held that was not shipped yet")
        self._look()
        if self._told is not None:
            # The disk that keeps us from recording may refuse this too; the log and /health have it.
            with contextlib.suppress(OSError):
                self._told.tell(self.hindered, self._since_us, self.rows_refused, self.rows_shed)

    def _look(self) -> None:
        hindered = self.hindered
        if hindered is not None and self._since_us is None:
            self._since_us = self._now_us()
            _log.error("recording_hindered", error=hindered)
        elif hindered is None and self._since_us is not None:
            self._since_us = None
            _log.warning("recording_goes_on", rows_refused=self.rows_refused, rows_shed=self.rows_shed)
