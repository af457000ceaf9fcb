"""Finds the record of one prediction in what came into the lake."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, DataContractError, NotFoundError
from trimtab.db.engine import Database
from trimtab.db.tables import delivery
from trimtab.lake.deliveries import DeliveryKind
from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["FoundPrediction", "find_prediction", "made_at_us"]

_LONGEST_S = 20.0
_MOST_SEGMENTS = 2_000
_CLOCKS_APART_US = 3_600_000_000
"""How much earlier than the id a segment may have come in: server and control plane have clocks of their own."""


@dataclass(frozen=True, slots=True)
class FoundPrediction:
    """One answered row as it came in: what the segment says of all its rows, the row itself, and what was asked."""

    segment_id: str
    endpoint: str
    model: str
    model_version: int
    bundle_digest: str
    received_us: int
    row: JsonObject
    features: JsonObject


def made_at_us(prediction_id: str) -> int:
    """Return when an id was made, to the millisecond.

    Raises:
        DataContractError: it is no UUIDv7, as every id of a prediction is.

    >>> made_at_us("0196b0a0-0000-7000-8000-000000000000")
    1746719997952000
    """
    try:
        parsed = uuid.UUID(prediction_id)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 7:
        raise DataContractError(
            f"prediction id {prediction_id[:80]!r}: is no UUIDv7; pass the prediction_id that came with the answer"
        )
    return (parsed.int >> 80) * 1_000


def find_prediction(
    database: Database, lake: Lake, prediction_id: str, *, longest_s: float = _LONGEST_S
) -> FoundPrediction:
    """Return the record of ``prediction_id``, read from the segment that it came in; of a request's id, its first row.

    Segments are looked into in the order in which they came in, from the moment of the id on, at most 2 000 of them,
    for ``longest_s`` seconds at most.

    Raises:
        DataContractError: it is no id of a prediction.
        NotFoundError: none of them holds it; the sentence says how many were looked into, and what is missing.
        BackendError: the database cannot be read.
    """
    since_us = made_at_us(prediction_id) - _CLOCKS_APART_US
    wanted = str(uuid.UUID(prediction_id))
    rows = (
        select(delivery.c.digest, delivery.c.raw_path, delivery.c.received_us)
        .where(delivery.c.kind == DeliveryKind.RECORDS.value, delivery.c.received_us >= since_us)
        .order_by(delivery.c.received_us, delivery.c.id)
        .limit(_MOST_SEGMENTS)
    )
    with database.reading() as connection:
        segments = connection.execute(rows).all()
    unread = []
    deadline = time.monotonic() + longest_s
    for looked, segment in enumerate(segments):
        if time.monotonic() > deadline:
            raise NotFoundError(
                f"prediction {prediction_id}: in none of the first {looked} of {len(segments)} segments of records "
                f"that came in since it was made, which took {longest_s:g} s; is the id as it came with the answer?"
            )
        try:
            table = _holding(lake.at_hand(lake.absolute(segment.raw_path)), wanted)
        except (BackendError, DataContractError, pa.ArrowException, OSError):
            unread.append(segment.digest)
            continue
        if table is not None:
            return _found(table, segment.digest, segment.received_us)
    gone = f", {len(unread)} of which cannot be read any more" if unread else ""
    raise NotFoundError(
        f"prediction {prediction_id}: in none of {len(segments)} segments of records that came in since it was made"
        f"{gone}; is it recorded, and has it been shipped? See 'trimtab status'"
    )


def _holding(path: Path, prediction_id: str) -> pa.Table | None:
    """Return the one row, with the segment's metadata; None where the segment does not hold it."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for position in range(reader.num_record_batches):
            batch = reader.get_batch(position)
            # Of a request of one row, either id is at hand: callers keep the one or the other.
            at = max(pc.index(batch.column(name), prediction_id).as_py() for name in ("prediction_id", "request_id"))
            if at >= 0:
                # Copied out: the file is closed before anybody reads the row.
                return pa.Table.from_batches([batch.slice(at, 1)]).take([0])
    return None


def _found(table: pa.Table, segment_id: str, received_us: int) -> FoundPrediction:
    said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    [row] = table.to_pylist()
    features = {name: row.pop(name) for name in tuple(row) if name.startswith(FEATURE_PREFIX)}
    return FoundPrediction(
        segment_id=segment_id,
        endpoint=said["endpoint"],
        model=said["model"],
        model_version=int(said["model_version"]),
        bundle_digest=said["bundle_digest"],
        received_us=received_us,
        row=row,
        features={name.removeprefix(FEATURE_PREFIX): value for name, value in features.items()},
    )
