"""What delivered tables say of the keys that rows were answered for: columns that a model must not see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from trimtab.db.engine import Connection, Database
from trimtab.db.tables import delivery
from trimtab.lake.deliveries import DeliveryKind, DeliveryState
from trimtab.lake.keys import key_texts
from trimtab.lake.zones import Lake

__all__ = ["delivered_columns"]

_KEY = "@key"


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
    paths = lake.tables_at_hand(model, digests)
    asked = pl.DataFrame({_KEY: pl.Series(keys, dtype=pl.String)})
    known: dict[str, pl.DataFrame] = {}
    for path in (paths[digest] for digest in digests):
        rows = _rows(path, key, columns, asked[_KEY].drop_nulls().unique())
        for column in rows.columns[1:]:
            known[column] = _newest(known.get(column), rows.select(_KEY, column).drop_nulls())
    return {
        column: asked.join(found, on=_KEY, how="left", maintain_order="left")[column].to_arrow()
        for column, found in known.items()
    }


def _rows(path: Path, key: str, columns: Sequence[str], wanted: pl.Series) -> pl.DataFrame:
    """Return the columns that the table has of the wanted keys, behind their texts; none where it has no key."""
    present = pq.read_schema(path).names
    if key not in present:
        return pl.DataFrame({_KEY: []}, schema={_KEY: pl.String})
    table = pq.read_table(path, columns=[key, *(name for name in columns if name in present and name != key)])
    texts = pl.Series(_KEY, key_texts(table, [key]).to_pylist(), dtype=pl.String)
    rows = pl.DataFrame(table).with_columns(texts)
    kept = rows.filter(pl.col(_KEY).is_in(wanted.implode()))
    return kept.select(_KEY, *(name for name in columns if name in rows.columns))


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
