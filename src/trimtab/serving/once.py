"""Records that are written once, however often their job is begun: by ids that the job decides, and what stands there.

A job is begun again when its process died, or its outcome could not be kept. Each journal file that takes rows of it
gets a second name, ``STATE/jobs/ID.NAME.journal``, just before it takes them: so the rows are found again even if a
shipper has delivered and deleted the file meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from trimtab.core.errors import DataContractError
from trimtab.core.ids import IdFactory
from trimtab.records.journal import JournalWriter
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame, SchemaFrame

__all__ = ["HELD_SUFFIX", "RecordedOnce", "held_files"]

HELD_SUFFIX: Final = ".journal"

_SHARED: Final = 24
"""How many characters the ids of one factory and millisecond have in common."""

_log = structlog.get_logger("trimtab.serving.jobs")


def held_files(folder: Path, job_id: str) -> list[Path]:
    """Return the journal files that may hold rows of a job, by their second names."""
    return list(folder.glob(f"{job_id}.*{HELD_SUFFIX}"))


class RecordedOnce:
    """The records of one run of a job. `look` first; then it is for the thread that the journal belongs to."""

    def __init__(self, journal: JournalWriter, folder: Path, job_id: str, submitted_us: int) -> None:
        self._journal = journal
        self._folder = folder
        self._job_id = job_id
        # Who knows a prediction's id must not learn the job's, which is the secret of its outcome.
        digest = hashlib.sha256(f"predictions of {job_id}".encode()).digest()
        self._new_ids: Callable[[], IdFactory] = partial(
            IdFactory, lambda: submitted_us // 1_000, lambda size: digest[:size]
        )
        self.new_id: Callable[[], str] = self._new_ids()
        self._recorded: set[str] = set()
        self.answered_by: SchemaFrame | None = None
        """Who answered the rows that were recorded before; None: there are none."""

    def look(self) -> None:
        """Find what an earlier run recorded. May take a while: it reads whole files."""
        for path in held_files(self._folder, self._job_id):
            # A file whose reading fails here is refused by the shipper, too: none of its rows are delivered.
            with contextlib.suppress(FileNotFoundError, DataContractError):
                self._look_into(path)

    def _look_into(self, path: Path) -> None:
        schemas: dict[int, SchemaFrame] = {}
        begin = self._new_ids()()[:_SHARED]
        for _, frame in read_frames(path):
            if isinstance(frame, SchemaFrame):
                schemas[frame.schema_id] = frame
            elif isinstance(frame, PredictionFrame) and frame.prediction_id.startswith(begin):
                self._recorded.add(frame.prediction_id)
                self.answered_by = schemas.get(frame.schema_id)

    def framed(self, frames: Sequence[PredictionFrame]) -> list[bytes]:
        """Return those of ``frames`` that no earlier run recorded, as they will stand in the journal.

        Raises:
            JournalFullError, ConfigError: see `JournalWriter.append`.
        """
        return self._journal.framed([frame for frame in frames if frame.prediction_id not in self._recorded])

    def append_framed(self, framed: Sequence[bytes]) -> None:
        """Accept what `framed` returned.

        Raises:
            JournalFullError, ConfigError: see `JournalWriter.append`.
        """
        if not framed:
            return
        path = self._journal.room_for(sum(map(len, framed)))
        if path is not None:
            self._hold(path)
            self._journal.append_framed(framed)
            return
        for one in framed:
            path = self._journal.room_for(len(one))
            if path is not None:
                self._hold(path)
            self._journal.append_framed([one])

    def _hold(self, path: Path) -> None:
        try:
            os.link(path, self._folder / f"{self._job_id}.{path.stem}{HELD_SUFFIX}")
        except FileExistsError:
            return
        except OSError as error:
            # A file system without second names: the answer matters more than a row that a crash may double.
            _log.warning("job_journal_not_held", job_id=self._job_id, error=str(error))
