"""Takes a delivered file into the raw zone and announces it to ingest.

Three steps, each durable before the next: the bytes lie in the raw zone under their SHA-256; the row says so; a message
asks for processing. A crash after the first leaves a file that nobody knows of: harmless, and overwritten by the same
bytes. A crash after the second leaves a row without a message: `resend_unqueued` finds it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import DataContractError, NotFoundError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import delivery as _table
from trimtab.lake.disguises import refuse_no_file
from trimtab.lake.queues.base import Queue
from trimtab.lake.reading import TABLE_SUFFIXES, refuse_too_large
from trimtab.lake.zones import Lake

__all__ = [
    "TOPIC",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "accept_file",
    "announce",
    "delivered_since",
    "find_delivery",
    "judge_again",
    "processed_since",
    "received",
    "recent_deliveries",
    "record_counts",
    "register",
    "resend_unqueued",
    "rows_since",
]

TOPIC = "ingest"
"""Where deliveries are announced; a message's body is ``{"delivery_id": …}``."""

_CHUNK_BYTES = 1 << 20


class DeliveryKind(StrEnum):
    """What was delivered: a file of rows with their target, a segment of prediction records, or one of outcomes."""

    TABLE = "table"
    RECORDS = "records"
    TRUTH = "truth"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    RECEIVED = "received"
    PROCESSED = "processed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that came into the lake.

    ``digest`` is the SHA-256 of a file, or the id of a segment; ``raw_path`` is relative to the lake. ``spec`` holds
    what ingest found: ``reasons``, ``error``. ``repeated`` says, of an answer, that it had been delivered before.
    """

    id: str
    digest: str
    kind: DeliveryKind
    model: str | None
    endpoint: str | None
    source: str | None
    raw_path: str
    state: DeliveryState
    received_us: int
    rows: int | None = None
    rows_passed: int | None = None
    rows_quarantined: int | None = None
    processed_us: int | None = None
    spec: JsonObject | None = None
    version: int = 1
    repeated: bool = False


def accept_file(
    database: Database,
    lake: Lake,
    queue: Queue,
    *,
    model: str,
    path: Path,
    name: str | None = None,
    feed: str | None = None,
    now: datetime,
    on_new: Callable[[Connection, Delivery], None] = lambda _connection, _delivery: None,
) -> Delivery:
    """Take the file at ``path`` in as a delivery of rows for ``model``, sent by ``feed``, who calls it ``name``.

    The same bytes for the same model are one delivery: a second time returns the first one with ``repeated``. If that
    one had failed it is tried again, since contract or configuration may have been mended. ``on_new`` is called in the
    transaction that stores the first one.

    Raises:
        DataContractError: there is no such file, it is of an unknown kind, or too large.
        BackendError: database or queue failed; the call may be repeated.
        OSError: the file cannot be read or the lake not be written.
    """
    suffix = _suffix(path)
    sha256, raw = _copy_in(lake, model, path, suffix)
    reached("delivery.copied")
    new = Delivery(
        id=new_id(),
        digest=sha256,
        kind=DeliveryKind.TABLE,
        model=model,
        endpoint=None,
        source=feed,
        raw_path=lake.relative(raw),
        state=DeliveryState.RECEIVED,
        received_us=to_micros(now),
        spec={"name": name or path.name},
    )
    with database.transaction() as connection:
        stored = register(connection, new)
        if stored.state is DeliveryState.FAILED:
            stored = _reopen(connection, stored, new)
        elif not stored.repeated:
            on_new(connection, stored)
    reached("delivery.registered")
    announce(queue, stored)
    reached("delivery.announced")
    return stored


def register(connection: Connection, new: Delivery) -> Delivery:
    """Insert ``new``, or return the one of the same digest with ``repeated``."""
    row = connection.execute(select(_table).where(_table.c.digest == _unique_digest(new))).first()
    if row is not None:
        return replace(_delivery(row), repeated=True)
    connection.execute(
        insert(_table).values(
            id=new.id,
            digest=_unique_digest(new),
            kind=new.kind,
            model=new.model,
            endpoint=new.endpoint,
            source=new.source,
            raw_path=new.raw_path,
            state=new.state,
            received_us=new.received_us,
            spec=new.spec or {},
            version=new.version,
        )
    )
    return new


def announce(queue: Queue, stored: Delivery) -> bool:
    """Send the message that asks for processing, unless it was sent or the work is done; return whether it was."""
    if stored.state is not DeliveryState.RECEIVED:
        return False
    # The version makes a delivery that is tried again another message.
    return queue.send(TOPIC, {"delivery_id": stored.id}, f"{stored.id}:{stored.version}")


def resend_unqueued(database: Database, queue: Queue) -> int:
    """Announce the deliveries that a crash left without a message, and return how many there were."""
    return sum(announce(queue, stored) for stored in database.read(received))


def received(connection: Connection) -> list[Delivery]:
    """Return the deliveries that nobody has processed yet, oldest first."""
    query = select(_table).where(_table.c.state == DeliveryState.RECEIVED).order_by(_table.c.received_us)
    return [_delivery(row) for row in connection.execute(query)]


def judge_again(connection: Connection, model: str) -> int:
    """Put back the record deliveries of ``model`` that lost rows, and return how many; what broke may pass now.

    They have no message yet: `resend_unqueued` announces them.
    """
    changed = connection.execute(
        update(_table)
        .where(
            _table.c.model == model,
            _table.c.kind == DeliveryKind.RECORDS,
            _table.c.state == DeliveryState.PROCESSED,
            _table.c.rows_quarantined > 0,
        )
        .values(state=DeliveryState.RECEIVED, version=_table.c.version + 1)
    )
    return int(changed.rowcount)


def find_delivery(connection: Connection, delivery_id: str) -> Delivery:
    """Return one delivery.

    Raises:
        NotFoundError: there is none of that id.
    """
    row = connection.execute(select(_table).where(_table.c.id == delivery_id)).first()
    if row is None:
        raise NotFoundError(f"delivery {delivery_id!r}: not known; see 'trimtab deliveries'")
    return _delivery(row)


def delivered_since(connection: Connection, since_us: int) -> frozenset[str]:
    """Return the ids of the segments, of records and of outcomes, that came in since ``since_us`` and are processed."""
    query = select(_table.c.digest).where(
        _table.c.state == DeliveryState.PROCESSED,
        _table.c.received_us >= since_us,
        _table.c.kind.in_((DeliveryKind.RECORDS, DeliveryKind.TRUTH)),
    )
    return frozenset(connection.scalars(query))


def processed_since(connection: Connection, since_us: int) -> dict[str, int]:
    """Return the segments, of records and of outcomes, processed at ``since_us`` or later: when each was, by its id."""
    query = select(_table.c.digest, _table.c.processed_us).where(
        _table.c.state == DeliveryState.PROCESSED,
        _table.c.processed_us >= since_us,
        _table.c.kind.in_((DeliveryKind.RECORDS, DeliveryKind.TRUTH)),
    )
    return {row.digest: row.processed_us for row in connection.execute(query)}


def record_counts(
    connection: Connection, endpoint: str, *, start_us: int, end_us: int
) -> list[tuple[int, int, int, dict[str, int]]]:
    """Return moment of receipt, rows, rows that broke the contract, and reasons, of each processed record delivery.

    Those of ``endpoint`` that were received in ``start_us`` ≤ t < ``end_us``, oldest first.
    """
    query = (
        select(_table.c.received_us, _table.c.rows, _table.c.rows_quarantined, _table.c.spec)
        .where(
            _table.c.endpoint == endpoint,
            _table.c.state == DeliveryState.PROCESSED,
            _table.c.kind == DeliveryKind.RECORDS,
            _table.c.received_us >= start_us,
            _table.c.received_us < end_us,
        )
        .order_by(_table.c.received_us)
    )
    return [
        (row.received_us, int(row.rows or 0), int(row.rows_quarantined or 0), (row.spec or {}).get("reasons") or {})
        for row in connection.execute(query)
    ]


def rows_since(connection: Connection, model: str, endpoint: str, *, since_us: int) -> int:
    """Return how many rows passed the contract of what was received after ``since_us``.

    Tables that were delivered for ``model``, and records of what ``endpoint`` answered, with labels or without.
    """
    tables = and_(_table.c.kind == DeliveryKind.TABLE, _table.c.model == model)
    records = and_(_table.c.kind == DeliveryKind.RECORDS, _table.c.endpoint == endpoint)
    query = select(func.sum(_table.c.rows - func.coalesce(_table.c.rows_quarantined, 0))).where(
        or_(tables, records),
        _table.c.state == DeliveryState.PROCESSED,
        _table.c.received_us > since_us,
    )
    return int(connection.execute(query).scalar_one() or 0)


def recent_deliveries(
    connection: Connection, *, model: str | None = None, kind: DeliveryKind | None = None, limit: int = 100
) -> list[Delivery]:
    """Return the newest ``limit`` deliveries, newest first."""
    query = select(_table).order_by(_table.c.received_us.desc(), _table.c.id.desc()).limit(limit)
    if model is not None:
        query = query.where(_table.c.model == model)
    if kind is not None:
        query = query.where(_table.c.kind == kind)
    return [_delivery(row) for row in connection.execute(query)]


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    refuse_no_file(path, str(path))
    if suffix not in TABLE_SUFFIXES:
        raise DataContractError(
            f"{path.name}: files of kind {suffix or 'without an ending'!r} are not read; "
            f"deliver one of {', '.join(TABLE_SUFFIXES)}"
        )
    # Before gigabytes are copied for nothing; what grows meanwhile is found while it is copied.
    refuse_too_large(path.stat().st_size, path.name)
    return suffix


def _copy_in(lake: Lake, model: str, path: Path, suffix: str) -> tuple[str, Path]:
    """Copy the file into the raw zone, whole or not at all; return its SHA-256 and where it lies."""
    folder = lake.raw_table(model, "0", suffix).parent
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size_bytes = 0
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".incoming.")
    try:
        with os.fdopen(descriptor, "wb") as target, path.open("rb") as source:
            while chunk := source.read(_CHUNK_BYTES):
                size_bytes += len(chunk)
                refuse_too_large(size_bytes, path.name)
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        raw = lake.raw_table(model, digest.hexdigest(), suffix)
        os.chmod(temporary, 0o644)
        lake.storage.take([(lake.relative(raw), Path(temporary))])
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return digest.hexdigest(), raw


def _reopen(connection: Connection, failed: Delivery, again: Delivery) -> Delivery:
    """Put a failed delivery back as it was delivered ``again``: perhaps under another ending, or by another feed."""
    opened = replace(
        failed,
        state=DeliveryState.RECEIVED,
        version=failed.version + 1,
        raw_path=again.raw_path,
        source=again.source,
        spec=again.spec,
    )
    connection.execute(
        update(_table)
        .where(_table.c.id == failed.id, _table.c.version == failed.version)
        .values(
            state=opened.state,
            version=opened.version,
            processed_us=None,
            raw_path=opened.raw_path,
            source=opened.source,
            spec=opened.spec,
        )
    )
    return opened


def _unique_digest(stored: Delivery) -> str:
    """The same bytes may be delivered for two models; a segment belongs to nobody else."""
    return f"{stored.model}:{stored.digest}" if stored.kind is DeliveryKind.TABLE else stored.digest


def _delivery(row: Any) -> Delivery:
    kind = DeliveryKind(row.kind)
    return Delivery(
        id=row.id,
        digest=row.digest.rpartition(":")[2] if kind is DeliveryKind.TABLE else row.digest,
        kind=kind,
        model=row.model,
        endpoint=row.endpoint,
        source=row.source,
        raw_path=row.raw_path,
        state=DeliveryState(row.state),
        received_us=row.received_us,
        rows=row.rows,
        rows_passed=row.rows_passed,
        rows_quarantined=row.rows_quarantined,
        processed_us=row.processed_us,
        spec=row.spec,
        version=row.version,
    )
