"""Answered rows that lie in quarantine: the monitors of inputs see them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from trimtab.config.columns import ColumnContract
from trimtab.lake.casting import cast_as
from trimtab.lake.feed_rules import FEED_QUARANTINED
from trimtab.lake.matching import parts_of
from trimtab.lake.quarantine import REASONS
from trimtab.lake.zones import Lake

__all__ = ["LeftOut", "broken_window_rows", "left_out_in"]

_EVENT, _VARIANT = "event_us", "variant"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Answered rows that lie in quarantine: ``broke`` the contract, or only for their feed, which is not trusted."""

    broke: int = 0
    of_feeds: int = 0


def left_out_in(lake: Lake, endpoint: str, spans: Sequence[tuple[int, int]], *, variant: str) -> list[LeftOut]:
    """Return of each span (event times, the end not included) what ``variant`` answered that lies in quarantine.

    Raises:
        BackendError: the storage failed.
        OSError: a file cannot be read.
    """
    return [_left_out(lake, endpoint, start_us, end_us, variant) for start_us, end_us in spans]


def _left_out(lake: Lake, endpoint: str, start_us: int, end_us: int, variant: str) -> LeftOut:
    paths = lake.broken_record_files(endpoint, start_us=start_us, end_us=end_us)
    broke = of_feeds = 0
    within = pl.col(_EVENT).cast(pl.Int64).is_between(start_us, end_us, closed="left") & (pl.col(_VARIANT) == variant)
    for part in parts_of(paths, [_EVENT, _VARIANT, REASONS]):
        reasons = part.filter(within)[REASONS]
        sound = pl.element().str.contains(FEED_QUARANTINED)
        alone = int(reasons.list.eval(sound).list.all().sum() or 0)
        of_feeds, broke = of_feeds + alone, broke + len(reasons) - alone
    return LeftOut(broke, of_feeds)


def broken_window_rows(
    lake: Lake, endpoint: str, *, start_us: int, end_us: int, variant: str, features: Mapping[str, ColumnContract]
) -> pa.Table:
    """Return what ``variant`` was asked at ``start_us`` ≤ event time < ``end_us`` that broke the contract.

    Rows of a feed that was not trusted are among them. Sorted by event time. Columns: event_us, and all ``features`` by
    their names, read as their contracts say: null where missing, or not of the kind.

    Raises:
        BackendError: the storage failed.
        OSError: a file cannot be read.
    """
    paths = lake.broken_record_files(endpoint, start_us=start_us, end_us=end_us)
    columns = [_EVENT, _VARIANT, *(f"f.{name}" for name in features)]
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    rows = pl.concat([empty, *parts_of(paths, columns)], how="diagonal_relaxed")
    rows = rows.with_columns(pl.col(_EVENT).cast(pl.Int64)).filter(
        pl.col(_EVENT).is_between(start_us, end_us, closed="left") & (pl.col(_VARIANT) == variant)
    )
    table = rows.sort(_EVENT, maintain_order=True).to_arrow()
    read = {name: cast_as(table[f"f.{name}"], contract).values for name, contract in features.items()}
    return pa.table({_EVENT: table[_EVENT], **read})
