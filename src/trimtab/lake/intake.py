"""Takes shipped segments from the intake folder into the raw zone and announces them to ingest.

A segment's row is written first, then the file moves, then the message goes out. A crash after the first leaves the
file where it is: the next call finds it again. A crash after the second leaves a row without a message:
`trimtab.lake.deliveries.resend_unqueued` finds it. A segment that is shipped twice is known by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.ids import new_id
from trimtab.db.engine import Database
from trimtab.lake.deliveries import Delivery, DeliveryKind, DeliveryState, announce, register
from trimtab.lake.queues.base import Queue
from trimtab.lake.zones import Lake
from trimtab.records.segments import SEGMENT_SUFFIX, TRUTH

__all__ = ["take_in"]

_BATCH = 500


def take_in(database: Database, lake: Lake, queue: Queue, intake: Path, *, now: datetime) -> int:
    """Move the segments that wait in ``intake`` (at most 500 a call, by name) into the lake; return how many were new.

    A file that is no segment comes in as well: ingest says of it that it failed, and it does not stand in the way.

    Raises:
        BackendError: database or queue failed; the call may be repeated.
        OSError: a folder cannot be read or written.
    """
    waiting = sorted(intake.glob(f"[!.]*{SEGMENT_SUFFIX}"))[:_BATCH] if intake.is_dir() else []
    if not waiting:
        return 0
    arrived = [_delivery(lake, path, to_micros(now)) for path in waiting]
    with database.transaction() as connection:
        stored = [register(connection, new) for new in arrived]
    reached("intake.registered")
    _move(lake, list(zip([each.raw_path for each in stored], waiting, strict=True)))
    reached("intake.moved")
    for each in stored:
        announce(queue, each)
    reached("intake.announced")
    return sum(not each.repeated for each in stored)


def _move(lake: Lake, files: Sequence[tuple[str, Path]]) -> None:
    known = lake.together(lake.storage.find, [name for name, _ in files])
    lake.storage.take([file for file, found in zip(files, known, strict=True) if found is None])
    for (_, path), found in zip(files, known, strict=True):
        if found is not None:
            # What was taken in under an id never changes afterwards.
            path.unlink(missing_ok=True)


def _delivery(lake: Lake, path: Path, received_us: int) -> Delivery:
    metadata = _metadata(path)
    return Delivery(
        id=new_id(),
        digest=path.stem,
        kind=DeliveryKind.TRUTH if metadata.get("kind") == TRUTH else DeliveryKind.RECORDS,
        model=metadata.get("model"),
        endpoint=metadata.get("endpoint") or None,
        source=None,
        raw_path=lake.relative(lake.raw_segment(path.stem)),
        state=DeliveryState.RECEIVED,
        received_us=received_us,
    )


def _metadata(path: Path) -> Mapping[str, str]:
    """Return what the file says of itself; nothing when it cannot be read (ingest will say why)."""
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            found = reader.schema.metadata or {}
            return {key.decode(): value.decode()[:128] for key, value in found.items()}
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return {}
