"""What delivered tables say of the keys that rows were answered for: columns that a model must not see."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from trimtab.db.engine import Connection, Database
from trimtab.db.tables import delivery
from trimtab.lake.deliveries import DeliveryKind, DeliveryState
from trimtab.lake.keys import key_texts
from trimtab.lake.storage.base import StoredFile
from trimtab.lake.zones import Lake

__all__ = ["delivered_columns"]

_KEY = "@key"
_MOST_INDEXES = 8
_MOST_ROWS = 5_000_000


def delivered_columns(
    database: Database, lake: Lake, *, model: str, key: str, columns: Sequence[str], keys: Sequence[str | None]
) -> dict[str, pa.Array]:
    """Return what tables delivered of ``model`` say in ``columns`` of rows with these ``keys``, each ``(n,)``.

    ``keys`` are record keys, ``key`` is the column that holds them in the tables. Of several rows with a key the one
    delivered last holds. Null where no table knows the key; a column that no table has is left out.

    Raises:
        BackendError: database or lake failed.
        OSError: the lake cannot be read.
    """
    with database.reading() as connection:
        digests = _processed(connection, model)
    known = _index(lake, model, key, tuple(columns), digests)
    asked = pl.DataFrame({_KEY: pl.Series(keys, dtype=pl.String)})
    return {
        column: asked.join(found, on=_KEY, how="left", maintain_order="left")[column].to_arrow()
        for column, found in known.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """What these tables, in this order, say of each key: by column, keys and values."""

    tables: tuple[StoredFile, ...]
    columns: Mapping[str, pl.DataFrame]


_indexes: OrderedDict[tuple[Path, str, str, tuple[str, ...]], _Index] = OrderedDict()
"""The indexes that were asked for last: where one more table is delivered, only that one is read."""


def _index(
    lake: Lake, model: str, key: str, columns: tuple[str, ...], digests: Sequence[str]
) -> Mapping[str, pl.DataFrame]:
    name = (lake.root, model, key, columns)
    listed = lake.listed_tables(model, digests)
    tables = tuple(listed.values())
    before = _indexes.get(name, _Index((), {}))
    if tables[: len(before.tables)] != before.tables:
        before = _Index((), {})
    known = dict(before.columns)
    new = lake.tables_at_hand(model, list(listed)[len(before.tables) :])
    for path in new.values():
        rows = _rows(path, key, columns)
        for column in rows.columns[1:]:
            known[column] = _newest(known.get(column), rows.select(_KEY, column).drop_nulls())
    _keep(name, _Index(tables, known))
    return known


def _keep(name: tuple[Path, str, str, tuple[str, ...]], index: _Index) -> None:
    """Remember the index, and forget the oldest ones where there are too many, or too many rows in them."""
    kept = [(other, one) for other, one in tuple(_indexes.items()) if other != name]
    while kept and (len(kept) >= _MOST_INDEXES or sum(_rows_in(one) for _, one in kept) > _MOST_ROWS):
        kept.pop(0)
    _indexes.clear()
    _indexes.update([*kept, (name, index)])


def _rows_in(index: _Index) -> int:
    return sum(frame.height for frame in index.columns.values())


def _rows(path: Path, key: str, columns: Sequence[str]) -> pl.DataFrame:
    """Return the columns that the table has, behind the texts of its keys; none where it has no key."""
    present = pq.read_schema(path).names
    if key not in present:
        return pl.DataFrame({_KEY: []}, schema={_KEY: pl.String})
    table = pq.read_table(path, columns=[key, *(name for name in columns if name in present and name != key)])
    texts = pl.Series(_KEY, key_texts(table, [key]).to_pylist(), dtype=pl.String)
    rows = pl.DataFrame(table).with_columns(texts)
    return rows.select(_KEY, *(name for name in columns if name in rows.columns))


def _newest(before: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    if before is not None and before.dtypes != rows.dtypes:
        # Another contract, another type: texts are what both have.
        before, rows = before.cast(pl.String), rows.cast(pl.String)
    found = rows if before is None else pl.concat([before, rows])
    return found.unique(_KEY, keep="last", maintain_order=True)


def _processed(connection: Connection, model: str) -> list[str]:
    rows = connection.execute(
        select(delivery.c.digest)
        .where(
            delivery.c.model == model,
            delivery.c.kind == DeliveryKind.TABLE,
            delivery.c.state == DeliveryState.PROCESSED,
        )
        .order_by(delivery.c.received_us, delivery.c.digest)
    )
    return [digest.rpartition(":")[2] for digest in rows.scalars()]
