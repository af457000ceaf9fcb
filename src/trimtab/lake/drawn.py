"""Labelled rows of a period with their features: all of them, or as many as are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from trimtab.lake.feed_rules import quarantined_rows
from trimtab.lake.feeds import Interval
from trimtab.lake.matching import PART_ROWS, ROW, newest_told, plain, repeatedly, truth_parts
from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["DrawnRows", "drawn_rows"]

_OF_ROW = ("prediction_id", "record_key", "event_us", "source", "prediction")
_FILE, _PLACE, _LOT = "@file", "@row", "@lot"


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRows:
    """``table`` holds the drawn ones of ``rows`` labelled rows, in order of event time and prediction id.

    Its columns are event_us, truth (float64 where the prediction is a number, else string), and the features, ``f.``
    before their names.
    """

    table: pa.Table
    rows: int


def drawn_rows(
    lake: Lake,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    known_until_us: int,
    intervals: Mapping[str, Sequence[Interval]],
    most: int,
) -> DrawnRows:
    """Return at most ``most`` labelled rows of ``start_us`` ≤ event time < ``end_us``, none of a quarantined feed.

    Which ones hangs on their ids alone: with other rows, or told in another order, the same ones are drawn first. Of
    the rest nothing is kept in memory, and no feature is read. Outcomes belong to rows as `matching.newest_told` says.

    Raises:
        BackendError: the lake failed.
        OSError: it cannot be read.
    """
    paths = [file.path for file in lake.record_files(endpoint, start_us=start_us, end_us=end_us)]
    truths = lake.listed_truths(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
    outcomes = repeatedly(lambda: truth_parts(lake.fetched(truths), known_until_us))
    inside = pl.col("event_us").is_between(start_us, end_us, closed="left")
    drawn, rows = pl.DataFrame(), 0
    for part in _parts(paths):
        answered = part.filter(inside).with_row_index(ROW)
        told = newest_told(answered, outcomes())
        known = _trusted(answered.join(told, on=ROW, how="inner"), intervals)
        rows += known.height
        lots = known.with_columns(pl.col("prediction_id").hash(seed=0).alias(_LOT))
        lots = lots.select("prediction_id", "event_us", "truth", _FILE, _PLACE, _LOT)
        drawn = pl.concat([drawn, lots], how="diagonal_relaxed").sort(_LOT, "prediction_id").head(most)
    if drawn.is_empty():
        return DrawnRows(pa.table({"event_us": pa.array([], pa.int64()), "truth": pa.array([], pa.string())}), 0)
    return DrawnRows(plain(_with_features(drawn, paths).to_arrow()), rows)


def _parts(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Give the rows with their places, some files at a time."""
    held: list[pl.DataFrame] = []
    for number, path in enumerate(paths):
        frame = pl.read_parquet(path, columns=list(_OF_ROW)).with_row_index(_PLACE)
        held.append(frame.with_columns(pl.lit(number).alias(_FILE)))
        if number + 1 == len(paths) or sum(one.height for one in held) >= PART_ROWS:
            yield pl.concat(held, how="diagonal_relaxed")
            held = []


def _trusted(known: pl.DataFrame, intervals: Mapping[str, Sequence[Interval]]) -> pl.DataFrame:
    if not intervals:
        return known
    held_back = quarantined_rows(known["source"].to_list(), known["event_us"].to_list(), intervals)
    kept = np.ones(known.height, dtype=bool)
    kept[list(held_back)] = False
    return known.filter(kept)


def _with_features(drawn: pl.DataFrame, paths: Sequence[Path]) -> pl.DataFrame:
    parts = []
    for (number,), mine in drawn.group_by(_FILE, maintain_order=True):
        path = paths[int(number)]
        names = [name for name in pl.read_parquet_schema(path) if name.startswith(FEATURE_PREFIX)]
        features = pl.read_parquet(path, columns=names)[mine[_PLACE].to_list()] if names else pl.DataFrame()
        parts.append(pl.concat([mine, features], how="horizontal"))
    found = pl.concat(parts, how="diagonal_relaxed").sort("event_us", "prediction_id")
    return found.drop("prediction_id", _FILE, _PLACE, _LOT)
