"""Snapshots: immutable dataset versions, made of what was delivered and of what production has taught."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import insert, select

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.canonical import JsonObject, digest_of
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import DataContractError, NotFoundError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import snapshot as _table
from trimtab.lake.dvc_store import add_version
from trimtab.lake.learnable import DELIVERY, EVENT, ORIGIN, PRODUCTION, Learnable, learnable_rows
from trimtab.lake.outcome import write_or_remove, write_rows
from trimtab.lake.zones import Lake

__all__ = ["Snapshot", "find_snapshot", "make_snapshot"]

_ROWS, _RECENT = "rows.parquet", "recent.parquet"
_FEWEST_HELD, _MOST_HELD = 200, 0.2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset version.

    ``path`` is a Parquet file of the contract's columns, ``@event_us`` (int64, null where unknown) and ``@origin``
    (``delivery`` or ``production``). ``recent_path`` is one of the same columns, of labelled production rows that are
    in no training file: to compare versions by. ``dataset_hash`` is DVC's, and covers both.
    """

    id: str
    model: str
    dataset_hash: str
    path: Path
    rows: int
    span_start_us: int | None
    span_end_us: int | None
    recent_path: Path | None
    recent_rows: int
    created_us: int
    spec: JsonObject


def make_snapshot(
    database: Database,
    lake: Lake,
    *,
    model: ModelConfig,
    contract: ContractConfig,
    endpoint: str | None,
    until_us: int | None = None,
    lookback: timedelta | None = None,
    recent_share: float | None = None,
    hold_out: timedelta | None = None,
    now: datetime,
) -> Snapshot:
    """Freeze all rows that may be learnt from, as of ``now``; the same rows give the same snapshot.

    Delivered rows and labelled production rows (of ``endpoint``) are put together, as `learnable_rows` says; with
    ``lookback`` only those of that span before the latest event time, and those whose time is not known. With
    ``hold_out`` the production rows of that span before the latest of them are held out, at least 200, but never more
    than a fifth of them; with ``recent_share`` that share of them, the latest, rounded down, whatever the span.

    Raises:
        DataContractError: there is no row to learn from.
        BackendError: the database or DVC failed; the call may be repeated.
        OSError: the lake cannot be read or written.
    """
    found = learnable_rows(
        database, lake, model=model, contract=contract, endpoint=endpoint, until_us=until_us, known_us=to_micros(now)
    )
    rows, recent = _parted(_within(found.table, lookback), recent_share, hold_out)
    if not rows.num_rows:
        raise DataContractError(
            f"model {model.name!r}: no row to make a snapshot of ({found.left_out} do not fit the contract as it is "
            f"now, {found.quarantined} are of quarantined feeds); deliver data, and look into the quarantine"
        )
    folder = _write(lake, model.name, rows, recent)
    reached("snapshot.files_written")
    dataset_hash = _add_version(lake, folder)
    reached("snapshot.added")
    span = pc.min_max(rows[EVENT]).as_py()
    new = Snapshot(
        id=new_id(),
        model=model.name,
        dataset_hash=dataset_hash,
        path=folder / _ROWS,
        rows=rows.num_rows,
        span_start_us=span["min"],
        span_end_us=span["max"],
        recent_path=folder / _RECENT if recent.num_rows else None,
        recent_rows=recent.num_rows,
        created_us=to_micros(now),
        spec=_spec(rows, recent, found, contract, endpoint=endpoint, until_us=until_us),
    )
    with database.transaction() as connection:
        stored = _store(connection, lake, new)
    reached("snapshot.recorded")
    return stored


def find_snapshot(connection: Connection, lake: Lake, snapshot_id: str) -> Snapshot:
    """Return one snapshot.

    Raises:
        NotFoundError: there is none of that id.
    """
    row = connection.execute(select(_table).where(_table.c.id == snapshot_id)).first()
    if row is None:
        raise NotFoundError(f"snapshot {snapshot_id!r}: not known; make one with `trimtab snapshot`")
    return _snapshot(lake, row)


def _within(table: pa.Table, lookback: timedelta | None) -> pa.Table:
    latest_us = pc.max(table[EVENT]).as_py()
    if lookback is None or latest_us is None:
        return table
    first_us = latest_us - lookback // timedelta(microseconds=1)
    return table.filter(pc.fill_null(pc.greater(table[EVENT], first_us), True))


def _parted(table: pa.Table, share: float | None, span: timedelta | None) -> tuple[pa.Table, pa.Table]:
    """Return the rows to learn from, and the latest production rows, which are held out; both in the given order."""
    if share is not None and not 0.0 <= share < 1.0:
        raise ValueError(f"recent_share {share}: not in 0 ≤ share < 1; lower it")
    produced = np.flatnonzero(pc.equal(table[ORIGIN], PRODUCTION).to_numpy())
    if share is not None:
        count = int(len(produced) * share)
    elif span is not None and len(produced):
        count = _within_span(table[EVENT].take(pa.array(produced)), span)
    else:
        count = 0
    # Rows are sorted by event time, so the last ones are the latest.
    held = np.zeros(table.num_rows, dtype=bool)
    held[produced[len(produced) - count :]] = True
    return table.filter(pa.array(~held)), table.filter(pa.array(held))


def _within_span(event_us: pa.ChunkedArray, span: timedelta) -> int:
    """Return how many of the rows lie within ``span`` of the latest, at least 200, at most a fifth of them."""
    latest_us = pc.max(event_us).as_py()
    if latest_us is None:
        return min(_FEWEST_HELD, int(len(event_us) * _MOST_HELD))
    first_us = latest_us - span // timedelta(microseconds=1)
    there = int(pc.sum(pc.fill_null(pc.greater(event_us, first_us), False)).as_py())
    return min(max(there, _FEWEST_HELD), int(len(event_us) * _MOST_HELD))


def _write(lake: Lake, model: str, rows: pa.Table, recent: pa.Table) -> Path:
    """Write both files to a folder that is named by their content, and return it."""
    folder = lake.snapshot_folder(model, _content_digest(rows, recent))
    write_rows(lake, folder / _ROWS, rows)
    write_or_remove(lake, folder / _RECENT, recent)
    return folder


def _add_version(lake: Lake, folder: Path) -> str:
    """Put the folder under version control, and store what DVC wrote for it; return DVC's hash."""
    added = add_version(lake.root, folder, index=lake.dvc_cache)
    lake.together(lake.storage.keep, [lake.relative(path) for path in added.files])
    return added.hash


def _content_digest(*tables: pa.Table) -> str:
    digest = hashlib.sha256()
    for table in tables:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        digest.update(hashlib.sha256(sink.getvalue()).digest())
    return digest.hexdigest()[:32]


def _spec(
    rows: pa.Table,
    recent: pa.Table,
    found: Learnable,
    contract: ContractConfig,
    *,
    endpoint: str | None,
    until_us: int | None,
) -> JsonObject:
    return {
        "recent_rows": recent.num_rows,
        "delivered_rows": pc.sum(pc.equal(rows[ORIGIN], DELIVERY)).as_py(),
        "production_rows": pc.sum(pc.equal(rows[ORIGIN], PRODUCTION)).as_py(),
        "deliveries": sorted(found.deliveries),
        "endpoint": endpoint,
        "until_us": until_us,
        "contract": {
            "digest": digest_of(contract.model_dump(mode="json")),
            "left_out": found.left_out,
            "repeated": found.repeated,
            "quarantined_feed": found.quarantined,
        },
    }


def _store(connection: Connection, lake: Lake, new: Snapshot) -> Snapshot:
    """Insert ``new``, or return the one that has the same rows."""
    same = select(_table).where(_table.c.model == new.model, _table.c.dataset_hash == new.dataset_hash)
    row = connection.execute(same).first()
    if row is not None:
        return _snapshot(lake, row)
    connection.execute(
        insert(_table).values(
            id=new.id,
            model=new.model,
            dataset_hash=new.dataset_hash,
            path=lake.relative(new.path),
            rows=new.rows,
            span_start_us=new.span_start_us,
            span_end_us=new.span_end_us,
            created_us=new.created_us,
            spec=new.spec,
        )
    )
    return new


def _snapshot(lake: Lake, row: Any) -> Snapshot:
    path = lake.absolute(row.path)
    recent_rows = int(row.spec["recent_rows"])
    return Snapshot(
        id=row.id,
        model=row.model,
        dataset_hash=row.dataset_hash,
        path=path,
        rows=row.rows,
        span_start_us=row.span_start_us,
        span_end_us=row.span_end_us,
        recent_path=path.with_name(_RECENT) if recent_rows else None,
        recent_rows=recent_rows,
        created_us=row.created_us,
        spec=row.spec,
    )
