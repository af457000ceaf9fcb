"""Takes shipped segments from the intake folder into the raw zone and announces them to ingest.

A segment's row is written first, then the file moves, then the message goes out. A crash after the first leaves the
file where it is: the next call finds it again. A crash after the second leaves a row without a message:
`trimtab.lake.deliveries.resend_unqueued` finds it. A segment that is shipped twice is known by its id.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import structlog

from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import DataContractError
from trimtab.core.ids import new_id
from trimtab.db.engine import Database
from trimtab.files import sync_folder
from trimtab.lake.deliveries import Delivery, DeliveryKind, DeliveryState, announce, register
from trimtab.lake.queues.base import Queue
from trimtab.lake.storage.base import Bucket
from trimtab.lake.zones import Lake
from trimtab.records.segments import SEGMENT_SUFFIX, TRUTH

__all__ = ["fetch_in", "take_in"]

_log = structlog.get_logger(__name__)

_BATCH = 500
_SEGMENT = re.compile(r"[0-9a-f]{32}")


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


def fetch_in(bucket: Bucket, folder: str, intake: Path) -> int:
    """Bring the segments that lie in ``folder`` of ``bucket`` (at most 500 a call) into ``intake``; return how many.

    Each is on the disk here before it is removed there: one that comes twice is known by its id. A damaged one stays
    where it is, and does not stand in the way of the others.

    Raises:
        BackendError: the bucket failed; the call may be repeated.
        OSError: ``intake`` cannot be written.
    """
    found = [file.name for file in bucket.files_in(folder) if _SEGMENT.fullmatch(_segment_of(file.name))]
    if found:
        intake.mkdir(parents=True, exist_ok=True)
    brought = 0
    for name in found[:_BATCH]:
        try:
            _bring(bucket, name, intake)
        except DataContractError as error:
            _log.error("segment_damaged", segment=name, error=str(error))
            continue
        bucket.remove(name)
        brought += 1
    return brought


def _bring(bucket: Bucket, name: str, intake: Path) -> None:
    half = intake / f".{_segment_of(name)}.fetched"
    try:
        bucket.get(name, half)
        with half.open("rb") as stream:
            os.fsync(stream.fileno())
        half.replace(intake / f"{_segment_of(name)}{SEGMENT_SUFFIX}")
    finally:
        half.unlink(missing_ok=True)
    sync_folder(intake)


def _segment_of(name: str) -> str:
    """Return the id of the segment in a file of that name; what is no segment's file has none.

    >>> _segment_of("shop/intake/ab.arrow"), _segment_of("shop/intake/readme.txt")
    ('ab', '')
    """
    last = name.rpartition("/")[2]
    return last.removesuffix(SEGMENT_SUFFIX) if last.endswith(SEGMENT_SUFFIX) else ""


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
