"""What an endpoint answered last, row by row: for people who look on."""

from __future__ import annotations

import polars as pl

from trimtab.core.canonical import JsonObject
from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["newest_answers"]

_MOST_FILES = 50
_OF_ROW = (
    "prediction_id",
    "event_us",
    "variant",
    "model_version",
    "record_key",
    "source",
    "prediction",
    "probability",
    "latency_ms",
)


def newest_answers(lake: Lake, endpoint: str, *, limit: int, until_us: int) -> list[JsonObject]:
    """Return at most ``limit`` rows that ``endpoint`` answered before ``until_us`` (event time), newest first.

    Segments are read from the newest on until there are enough, 50 at most: many tiny ones may tell of fewer rows.

    Raises:
        BackendError: the lake failed.
    """
    listed = sorted(lake.listed_records(endpoint, start_us=0, end_us=until_us), key=lambda one: -one.end_us)
    rows: list[JsonObject] = []
    for number, file in enumerate(listed[:_MOST_FILES]):
        (path,) = lake.storage.fetch([file.stored])
        frame = pl.read_parquet(path).filter(pl.col("event_us") < until_us)
        features = [name for name in frame.columns if name.startswith(FEATURE_PREFIX)]
        newest = frame.sort("event_us", "prediction_id", descending=True).head(limit)
        for row in newest.select(*(name for name in _OF_ROW if name in newest.columns), *features).to_dicts():
            given = {name.removeprefix(FEATURE_PREFIX): row.pop(name) for name in features}
            rows.append({"endpoint": endpoint, **row, "features": given})
        rows.sort(key=lambda row: (row["event_us"], row["prediction_id"]), reverse=True)
        further = listed[number + 1 : number + 2]
        if len(rows) >= limit and (not further or further[0].end_us <= rows[limit - 1]["event_us"]):
            break
    return rows[:limit]
