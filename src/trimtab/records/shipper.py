"""A process of its own that turns journals into Arrow segments in the intake, exactly once by id.

``python -m trimtab.records.shipper --journal DIR --intake ADDRESS --interval 1s``
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from trimtab.config.durations import parse_duration
from trimtab.config.logs import configure_logs
from trimtab.config.process import end_quickly, setting
from trimtab.config.sizes import parse_size
from trimtab.core.crashpoints import arm, reached
from trimtab.core.errors import BackendError, ConfigError, ConflictError, DataContractError
from trimtab.files import remove_unfinished
from trimtab.records.cursor import Cursor, cursor_path, read_cursor, write_cursor
from trimtab.records.intakes.address import intake_at
from trimtab.records.intakes.base import Intake
from trimtab.records.intakes.folder import FolderIntake
from trimtab.records.layout import journal_files
from trimtab.records.lean import keep_out
from trimtab.records.liveness import tell_shipper
from trimtab.records.reader import WriterState, is_damaged, read_frames, writer_state
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import TRUTH, predictions_table, segment_bytes, segment_id, truth_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Shipper", "main", "run"]

MAX_ROWS_PER_RANGE: Final = 10_000
"""What a shipper holds in memory at a time; under load there are always as many, so that it soon stops growing."""
_LONGEST_PAUSE_S: Final = 5.0

_log = structlog.get_logger("trimtab.shipper")


@dataclass(slots=True)
class _Range:
    """Consecutive frames of one journal that are shipped together."""

    start: int
    end: int
    schemas: dict[int, SchemaFrame]
    predictions: dict[int, list[PredictionFrame]] = field(default_factory=dict)
    truths: dict[str, list[TruthFrame]] = field(default_factory=dict)
    rows: int = 0


class Shipper:
    """Ships what stands in the journals of a folder. One shipper a folder at a time.

    For each journal: a range of frames is planned (durably), its segments are written, then the cursor moves. A crash
    anywhere repeats the range, and its segments have the same ids: nothing is lost, and what came twice is known.
    The cursor moves when the intake (a folder, or any other) has said that it keeps the segments. A journal that is
    shipped to its end, and whose writer sealed it or died, is deleted.
    """

    def __init__(self, journal_folder: Path, intake: Intake | Path, *, max_rows: int = MAX_ROWS_PER_RANGE) -> None:
        self._journals = journal_folder
        self._intake = FolderIntake(intake) if isinstance(intake, Path) else intake
        self._max_rows = max_rows
        self._cursors: dict[Path, Cursor] = {}
        self._refused: set[Path] = set()

    def ship_once(self) -> int:
        """Ship what stands in the journals now, and return the number of rows (predictions and true outcomes).

        A damaged journal is left where it is and told once; the others go on.

        Raises:
            BackendError: the intake does not take a segment; the next call repeats what was not finished.
            OSError: a folder cannot be written; as above.
        """
        rows = 0
        for journal in journal_files(self._journals):
            if journal in self._refused:
                continue
            try:
                rows += self._ship(journal)
            except DataContractError as error:
                self._refused.add(journal)
                _log.error("journal_refused", journal=journal.name, error=str(error))
        return rows

    def _ship(self, journal: Path) -> int:
        cursor = self._cursors.get(journal) or read_cursor(journal)
        # Before reading: a writer that is dead now can add nothing that the reading below would miss.
        before = writer_state(journal, cursor.offset)
        rows = 0
        more = True
        while more and (batch := self._plan(journal, cursor)) is not None:
            # A range that isn't full reached the end: under load there will always be more, for the next call.
            more = batch.rows >= self._max_rows or cursor.planned_end is not None
            # If a step below fails, the plan on disk counts, and not what was remembered here before it.
            self._cursors.pop(journal, None)
            if cursor.planned_end is None:
                _force_to_disk(journal)
                write_cursor(journal, Cursor(offset=batch.start, planned_end=batch.end, schemas=cursor.schemas))
                reached("shipper.planned")
            self._write(journal, batch)
            cursor = Cursor(offset=batch.end, schemas=tuple(batch.schemas.values()))
            write_cursor(journal, cursor)
            reached("shipper.moved")
            self._cursors[journal] = cursor
            rows += batch.rows
        if is_damaged(journal, cursor.offset):
            raise DataContractError(
                f"{journal}: bytes behind {cursor.offset} are damaged, and whole rows lie behind them; "
                "nothing of the file is deleted: keep it, and check the disk"
            )
        if before is WriterState.DEAD or writer_state(journal, cursor.offset) is WriterState.SEALED:
            self._remove(journal)
        return rows

    def _plan(self, journal: Path, cursor: Cursor) -> _Range | None:
        schemas = {schema.schema_id: schema for schema in cursor.schemas}
        batch = _Range(start=cursor.offset, end=cursor.offset, schemas=schemas)
        for end, frame in read_frames(journal, cursor.offset):
            if cursor.planned_end is not None and end > cursor.planned_end:
                break
            batch.end = end
            if isinstance(frame, SchemaFrame):
                batch.schemas[frame.schema_id] = frame
                continue
            if isinstance(frame, TruthFrame):
                batch.truths.setdefault(frame.endpoint, []).append(frame)
            else:
                batch.predictions.setdefault(frame.schema_id, []).append(frame)
            batch.rows += 1
            if batch.rows >= self._max_rows and cursor.planned_end is None:
                break
        return batch if batch.end > batch.start else None

    def _write(self, journal: Path, batch: _Range) -> None:
        for schema_id, frames in batch.predictions.items():
            schema = batch.schemas.get(schema_id)
            if schema is None:
                raise DataContractError(
                    f"{journal}: rows of schema {schema_id}, which the file does not declare; move it away"
                )
            segment = segment_id(journal.name, batch.start, batch.end, str(schema_id))
            self._hand_over(segment, predictions_table(schema, frames, segment))
        for endpoint, outcomes in batch.truths.items():
            segment = segment_id(journal.name, batch.start, batch.end, f"{TRUTH}:{endpoint}")
            self._hand_over(segment, truth_table(outcomes, segment))

    def _hand_over(self, segment: str, table: pa.Table) -> None:
        self._intake.put(segment, segment_bytes(table))
        reached("shipper.segment_written")

    def _remove(self, journal: Path) -> None:
        # The journal first: a cursor without its journal is litter, a journal without its cursor would go twice.
        journal.unlink(missing_ok=True)
        reached("shipper.released")
        cursor_path(journal).unlink(missing_ok=True)
        self._cursors.pop(journal, None)
        _log.info("journal_shipped", journal=journal.name)


def _force_to_disk(journal: Path) -> None:
    """Keep a power cut from taking back what is planned: a shorter range would get other ids."""
    descriptor = os.open(journal, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, since two shippers would send the same rows under different ids."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".shipper.lock").open("wb") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError(f"{folder}: another shipper is at work, expected none; stop it first") from None
        remove_unfinished(folder, "*.cursor", older_than_s=0)
        yield


def run(journal: Path, intake: Intake, interval_s: float, stop: threading.Event) -> None:
    """Ship every ``interval_s`` until ``stop`` is set, then once more.

    A disk or an intake that refuses is logged, and tried again: at the next interval, then ever less often.
    """
    shipper = Shipper(journal, intake)
    told = _tell(journal, None)
    pause_s = interval_s
    stopped = False
    while not stopped:
        stopped = stop.wait(pause_s)
        try:
            rows = shipper.ship_once()
        except (OSError, BackendError) as error:
            pause_s = min(max(2 * pause_s, interval_s), max(_LONGEST_PAUSE_S, interval_s))
            _log.error("ship_failed", error=str(error), next_try_s=round(pause_s, 3))
            told = told if told == str(error) else _tell(journal, str(error))
            continue
        pause_s = interval_s
        told = told if told is None else _tell(journal, None)
        if rows:
            _log.info("shipped", rows=rows)


def _tell(journal: Path, error: str | None) -> str | None:
    """Say beside the journals how it goes; return what was said, so that it is said once."""
    try:
        tell_shipper(journal, error)
    except OSError as refused:
        # The disk that hinders the shipper may refuse this, too; the log has it, and shipping goes before telling.
        _log.warning("state_not_told", error=str(refused))
        return ""
    return error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shipper until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trimtab.records.shipper", description="Ship journals to the lake.")
    parser.add_argument("--journal", type=Path, required=True, help="folder of the inference server's journals")
    parser.add_argument("--intake", required=True, help="where the lake takes segments from: folder, http(s)://, s3://")
    parser.add_argument("--interval", type=parse_duration, default="1s", help="how often to ship, e.g. 1s or 250ms")
    parser.add_argument("--log-limit", type=parse_size, help="bytes that may wait in an intake folder, e.g. 4GiB")
    parser.add_argument("--log-format", choices=("json", "console"), default="json", help="for machines or for people")
    options = parser.parse_args(arguments)
    keep_out("pandas")
    end_quickly()
    configure_logs(options.log_format, process="shipper")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        arm(setting("crash_at"))
        intake = intake_at(options.intake, limit_bytes=options.log_limit)
        with contextlib.closing(intake), _alone(options.journal):
            run(options.journal, intake, options.interval.total_seconds(), stop)
    except (ConfigError, ConflictError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
