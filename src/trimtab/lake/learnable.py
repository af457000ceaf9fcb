"""Which rows may be learnt from: delivered ones and labelled production ones, in one stable order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from sqlalchemy import select

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.enums import ColumnKind
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import delivery
from trimtab.lake.casting import ARROW_TYPES, cast_as
from trimtab.lake.contract import judge
from trimtab.lake.deliveries import DeliveryKind, DeliveryState
from trimtab.lake.feed_rules import quarantined_rows
from trimtab.lake.feeds import Interval, feed_states, quarantined_intervals
from trimtab.lake.keys import key_texts
from trimtab.lake.labelled import labelled_rows
from trimtab.lake.quarantine import ROW
from trimtab.lake.table_rows import event_micros
from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["DELIVERY", "EVENT", "ORIGIN", "PRODUCTION", "Learnable", "learnable_of_feeds", "learnable_rows"]

EVENT, ORIGIN = "@event_us", "@origin"
"""Columns that a snapshot has besides the contract's: event time, and where the row comes from."""

DELIVERY, PRODUCTION = "delivery", "production"
_SOURCE = "@source"
_ALWAYS_US = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class Learnable:
    """Rows to learn from (the contract's columns, `EVENT`, `ORIGIN`), and how many others there were.

    ``deliveries``: SHA-256 of the files that were read. ``left_out`` rows do not fit the contract as it is now,
    ``repeated`` have the key of another, ``quarantined`` come from a feed that was quarantined at their time.
    """

    table: pa.Table
    deliveries: tuple[str, ...]
    left_out: int
    repeated: int
    quarantined: int


def learnable_rows(
    database: Database,
    lake: Lake,
    *,
    model: ModelConfig,
    contract: ContractConfig,
    endpoint: str | None,
    until_us: int | None,
    known_us: int,
) -> Learnable:
    """Return the rows of before ``until_us`` that may be learnt from, with labels known by ``known_us``.

    Every row is held against the contract as it is now: delivered rows in all columns, production rows in features and
    target (of key, time and ignored columns they have what was sent along, else null). Of rows with the same key (the
    contract's ``unique``, else the model's key and time) a delivered one is kept before the one from production. Rows
    are sorted by event time (unknown last), key, then all else, so that the same rows always give the same table. With
    ``until_us`` a row of a model with a time column needs a time.

    Raises:
        OSError: the lake cannot be read.
        BackendError: the database cannot be read.
    """
    with database.reading() as connection:
        files = _files(connection, model.name)
        intervals = quarantined_intervals(feed_states(connection, model.name))
    everything, left_out = _everything(lake, files, model, contract, endpoint, until_us=until_us, known_us=known_us)
    timely = _before(everything, model, until_us)
    clean = _without_quarantined(timely, intervals)
    key = _key_columns(model, contract)
    order = [EVENT, *key, *(name for name in contract.columns if name not in key)]
    # Delivered rows come first, so that they are the ones that are kept; "delivery" sorts before "production".
    sorted_rows = _sorted(clean, (ORIGIN, *order))
    distinct = _first_of_each_key(sorted_rows, key)
    ordered = _sorted(distinct, (*order, ORIGIN))
    return Learnable(
        table=ordered.select([*contract.columns, EVENT, ORIGIN]),
        deliveries=tuple(files),
        left_out=left_out,
        repeated=clean.num_rows - distinct.num_rows,
        quarantined=timely.num_rows - clean.num_rows,
    )


def learnable_of_feeds(
    database: Database,
    lake: Lake,
    *,
    model: ModelConfig,
    contract: ContractConfig,
    endpoint: str | None,
    feeds: Sequence[str],
    since_us: int,
    known_us: int,
) -> int:
    """Return how many rows that ``feeds`` sent, of ``since_us`` or later or of no time, would be learnt from now.

    Raises:
        OSError: the lake cannot be read.
        BackendError: the database cannot be read.
    """
    with database.reading() as connection:
        files = _files(connection, model.name)
        intervals = quarantined_intervals(feed_states(connection, model.name))
    everything, _ = _everything(lake, files, model, contract, endpoint, until_us=None, known_us=known_us)
    clean = _without_quarantined(everything, intervals)
    theirs = pc.is_in(clean[_SOURCE], value_set=pa.array(list(feeds), pa.string()))
    return int(pc.sum(pc.and_(theirs, pc.fill_null(pc.greater_equal(clean[EVENT], since_us), True))).as_py() or 0)


def _everything(
    lake: Lake,
    files: Mapping[str, str | None],
    model: ModelConfig,
    contract: ContractConfig,
    endpoint: str | None,
    *,
    until_us: int | None,
    known_us: int,
) -> tuple[pa.Table, int]:
    parts, left_out = _delivered(lake, dict(files), model, contract)
    if endpoint is not None:
        produced, unfit = _produced(lake, endpoint, model, contract, until_us=until_us, known_us=known_us)
        parts, left_out = [*parts, *produced], left_out + unfit
    return pa.concat_tables([_empty(contract), *parts]), left_out


def _files(connection: Connection, model: str) -> dict[str, str | None]:
    """Return the processed files of ``model`` by SHA-256, each with the feed that sent it."""
    rows = connection.execute(
        select(delivery.c.digest, delivery.c.source)
        .where(
            delivery.c.model == model,
            delivery.c.kind == DeliveryKind.TABLE,
            delivery.c.state == DeliveryState.PROCESSED,
        )
        .order_by(delivery.c.digest)
    )
    return {row.digest.rpartition(":")[2]: row.source for row in rows}


def _delivered(
    lake: Lake, files: Mapping[str, str | None], model: ModelConfig, contract: ContractConfig
) -> tuple[list[pa.Table], int]:
    """Return the rows of all files that fit, and how many do not."""
    alike: dict[str, list[pa.Table]] = defaultdict(list)
    for sha256, path in lake.tables_at_hand(model.name, files).items():
        rows, source = pa.parquet.read_table(path, partitioning=None), files[sha256]
        with_source = rows.append_column(_SOURCE, pa.array([source] * rows.num_rows, pa.string()))
        # Files of an earlier contract may have other columns and types: judged apart.
        alike[str(with_source.schema)].append(with_source)
    parts = []
    left_out = 0
    for tables in alike.values():
        table = pa.concat_tables(tables)
        columns = {name: table[name] for name in table.column_names}
        rows, mask = _fit(columns, table.num_rows, contract, tuple(contract.columns))
        parts.append(_described(rows, event_micros(rows, model), table[_SOURCE].filter(mask), DELIVERY))
        left_out += table.num_rows - rows.num_rows
    return parts, left_out


def _produced(
    lake: Lake, endpoint: str, model: ModelConfig, contract: ContractConfig, *, until_us: int | None, known_us: int
) -> tuple[list[pa.Table], int]:
    """Return the labelled rows of production that fit, and how many do not."""
    end_us = _ALWAYS_US if until_us is None else until_us
    found = labelled_rows(lake, endpoint, start_us=-_ALWAYS_US, end_us=end_us, known_until_us=known_us).table
    if not found.num_rows:
        return [], 0
    columns = {
        name.removeprefix(FEATURE_PREFIX): found[name] for name in found.column_names if name.startswith(FEATURE_PREFIX)
    }
    columns[model.target] = found["truth"]
    if model.key is not None:
        columns[model.key] = found["record_key"]
    if model.time is not None:
        columns[model.time] = found["event_us"].cast(ARROW_TYPES[ColumnKind.DATETIME])
    judged = [name for name in contract.columns if name == model.target or name not in model.not_features]
    rows, mask = _fit(columns, found.num_rows, contract, judged)
    described = _described(rows, found["event_us"].filter(mask), found["source"].filter(mask), PRODUCTION)
    return [described], found.num_rows - rows.num_rows


def _fit(
    columns: Mapping[str, pa.ChunkedArray], length: int, contract: ContractConfig, judged: Sequence[str]
) -> tuple[pa.Table, pa.Array]:
    """Return the rows whose ``judged`` columns keep the contract, all its columns typed, and which they are, (n,)."""
    narrowed = contract.model_copy(update={"columns": {name: contract.columns[name] for name in judged}, "unique": ()})
    absent = pa.nulls(length, pa.string())
    judgement = judge(pa.table({name: columns.get(name, absent) for name in judged}), narrowed)
    kept = np.ones(length, dtype=bool)
    kept[judgement.broken[ROW].to_numpy() - 1] = False
    mask = pa.array(kept)
    typed = {
        name: judgement.passed[name]
        if name in judged
        else cast_as(columns.get(name, absent), column).values.filter(mask)
        for name, column in contract.columns.items()
    }
    return pa.table(typed), mask


def _described(rows: pa.Table, event_us: pa.Array, source: pa.Array, origin: str) -> pa.Table:
    described = rows.append_column(EVENT, event_us).append_column(_SOURCE, source)
    return described.append_column(ORIGIN, pa.array([origin] * rows.num_rows, pa.string()))


def _empty(contract: ContractConfig) -> pa.Table:
    columns = {name: pa.array([], ARROW_TYPES[column.type]) for name, column in contract.columns.items()}
    return _described(pa.table(columns), pa.array([], pa.int64()), pa.array([], pa.string()), DELIVERY)


def _before(table: pa.Table, model: ModelConfig, until_us: int | None) -> pa.Table:
    if until_us is None:
        return table
    timeless = model.time is None
    return table.filter(pc.fill_null(pc.less(table[EVENT], until_us), timeless))


def _without_quarantined(table: pa.Table, intervals: Mapping[str, Sequence[Interval]]) -> pa.Table:
    if not intervals:
        return table
    held = quarantined_rows(table[_SOURCE].to_pylist(), table[EVENT].to_pylist(), intervals)
    kept = np.ones(table.num_rows, dtype=bool)
    kept[list(held)] = False
    return table.filter(pa.array(kept))


def _sorted(table: pa.Table, names: Sequence[str]) -> pa.Table:
    # By place: Arrow takes a name that begins with a dot for a path into nested columns.
    return table.sort_by([(table.schema.get_field_index(name), "ascending") for name in names])


def _key_columns(model: ModelConfig, contract: ContractConfig) -> tuple[str, ...]:
    if contract.unique or model.key is None:
        return contract.unique
    return tuple(name for name in (model.key, model.time) if name in contract.columns)


def _first_of_each_key(table: pa.Table, key: Sequence[str]) -> pa.Table:
    if not key or not table.num_rows:
        return table
    codes = key_texts(table, key).dictionary_encode().indices.fill_null(-1).to_numpy()
    _, first = np.unique(codes, return_index=True)
    kept = codes == -1
    kept[first] = True
    return table.filter(pa.array(kept))
