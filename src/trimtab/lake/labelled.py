"""Predictions with their true outcomes: what quality is judged by, and what is learnt from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.lake.matching import ROW, TRUTH, newest_told, parts_of, plain, truth_parts
from trimtab.lake.zones import Lake

__all__ = ["LabelledTable", "answered_rows", "labelled_rows", "outcomes_since", "times_told", "window_rows"]

_OWN = {
    "prediction_id": pl.String,
    "event_us": pl.Int64,
    "variant": pl.String,
    "model_version": pl.Int64,
    "record_key": pl.String,
    "source": pl.String,
    "prediction": pl.String,
    "probability": pl.Float64,
}
_DRAWN = {
    "prediction_id": pl.String,
    "request_id": pl.String,
    "event_us": pl.Int64,
    "received_us": pl.Int64,
    "variant": pl.String,
    "generation": pl.Int64,
    "assignment_probability": pl.Float64,
    "sticky_hash": pl.String,
    "record_key": pl.String,
    "probability": pl.Float64,
}
_WINDOW = {
    "prediction_id": pl.String,
    "event_us": pl.Int64,
    "record_key": pl.String,
    "prediction": pl.String,
    "probability": pl.Float64,
}
_ALWAYS_US = 1 << 62
_SOUGHT_ROWS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """The answered rows of a window whose outcome is known, and how many were ``answered`` in all.

    ``table`` is sorted by event time, then prediction id. Its columns are prediction_id, event_us, variant,
    model_version, record_key, source, prediction, probability, truth (float64 where the prediction is a number, else
    string), labelled_us, and the features, ``f.`` before their names.
    """

    table: pa.Table
    answered: int


def labelled_rows(
    lake: Lake,
    endpoint: str,
    *,
    start_us: int = -_ALWAYS_US,
    end_us: int = _ALWAYS_US,
    variant: str | None = None,
    known_until_us: int | None = None,
    received_since_us: int | None = None,
) -> LabelledTable:
    """Return the rows that ``endpoint`` answered at ``start_us`` ≤ event time < ``end_us``, with their outcomes.

    Outcomes belong to rows as `matching.newest_told` says; one known after ``known_until_us`` is not seen. Only rows
    that passed the contract are there; with ``received_since_us`` only those that were answered since then.
    """
    files = lake.record_files(endpoint, start_us=start_us, end_us=end_us)
    answered = _read([file.path for file in files])
    answered = answered.filter(pl.col("event_us").is_between(start_us, end_us, closed="left"))
    if variant is not None:
        answered = answered.filter(pl.col("variant") == variant)
    if received_since_us is not None:
        answered = answered.filter(pl.col("received_us") >= received_since_us)
    answered = answered.sort("event_us", "prediction_id").with_row_index(ROW)
    outcomes = lake.listed_truths(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
    told = newest_told(answered, truth_parts(lake.fetched(outcomes), known_until_us))
    joined = answered.join(told, on=ROW, how="inner", maintain_order="left")
    features = [name for name in joined.columns if name.startswith("f.")]
    chosen = joined.select(*_OWN, "truth", "labelled_us", *features)
    return LabelledTable(table=plain(chosen.to_arrow()), answered=answered.height)


def window_rows(
    lake: Lake,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    variant: str,
    model_version: int,
    known_until_us: int,
    features: Collection[str] = (),
) -> pa.Table:
    """Return all rows that this version answered as ``variant`` at ``start_us`` ≤ event time < ``end_us``.

    Sorted by event time, then prediction id. Columns: prediction_id, event_us, record_key, prediction, probability, the
    ``features`` by their names (those that the records have), and truth and labelled_us: null where it was not
    known by ``known_until_us``. Outcomes belong to rows as `labelled_rows` says.
    """
    files = lake.record_files(endpoint, start_us=start_us, end_us=end_us)
    parts = [_columns_of(file.path, [*_WINDOW, "variant", "model_version"], features) for file in files]
    empty = pl.DataFrame(schema={**_WINDOW, "variant": pl.String, "model_version": pl.Int64})
    answered = pl.concat(parts, how="diagonal_relaxed") if parts else empty
    inside = pl.col("event_us").is_between(start_us, end_us, closed="left")
    mine = (pl.col("variant") == variant) & (pl.col("model_version") == model_version)
    answered = answered.filter(inside & mine).drop("variant", "model_version")
    answered = answered.sort("event_us", "prediction_id").with_row_index(ROW)
    outcomes = lake.listed_truths(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
    told = newest_told(answered, truth_parts(lake.fetched(outcomes), known_until_us))
    joined = answered.join(told, on=ROW, how="left", maintain_order="left").drop(ROW)
    return plain(joined.rename({f"f.{name}": name for name in features if f"f.{name}" in joined.columns}).to_arrow())


def outcomes_since(lake: Lake, endpoint: str, segments: Collection[str], *, since_us: int, known_until_us: int) -> int:
    """Return how many answered rows have an outcome, known by the end, that was not received by ``since_us``.

    ``segments`` are those that may tell such outcomes: what was processed since then. One that says what was received
    before counts for nothing. Outcomes belong to rows as `labelled_rows` says, however late they are known: what a
    training would learn counts.
    """
    files = lake.listed_truths(
        endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US, known_until_us=known_until_us, segments=segments
    )
    received = pl.col("received_us")
    told = _together(part.filter(received > since_us) for part in truth_parts(lake.fetched(files), known_until_us))
    if told.is_empty():
        return 0
    mine = _rows_told(lake, endpoint, told)
    if mine.is_empty():
        return 0
    earlier = lake.listed_truths(
        endpoint,
        start_us=int(str(mine["event_us"].min())),
        end_us=int(str(mine["event_us"].max())) + 1,
        known_until_us=known_until_us,
    )
    now = newest_told(mine, [told])
    parts = truth_parts(lake.fetched(earlier), known_until_us)
    known = newest_told(mine, (part.filter(received <= since_us) for part in parts))
    both = now.join(known, on=ROW, how="left", suffix="_before")
    return both.filter(pl.col("truth").ne_missing(pl.col("truth_before"))).height


def _together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    found = [part for part in parts if part.height]
    return pl.concat(found) if found else pl.DataFrame(schema=TRUTH)


def _rows_told(lake: Lake, endpoint: str, told: pl.DataFrame) -> pl.DataFrame:
    """Return the answered rows that these outcomes may belong to, with their places."""
    start_us, end_us = _span_of(told)
    by_key = bool(told["prediction_id"].null_count())
    ids = told["prediction_id"].drop_nulls().unique()
    # The latest first: most outcomes are about them, and when all ids are found the rest need not be fetched.
    files = sorted(lake.listed_records(endpoint, start_us=start_us, end_us=end_us), key=lambda file: -file.end_us)
    columns, found = ["prediction_id", "record_key", "event_us", "prediction"], list[pl.DataFrame]()
    for rows in parts_of(lake.fetched(files), columns, rows=_SOUGHT_ROWS):
        found.append(rows.filter(_named(rows, told)))
        ids = ids.filter(~ids.is_in(found[-1]["prediction_id"].implode()))
        if ids.is_empty() and not by_key:
            break
    if not found:
        return pl.DataFrame(schema={"event_us": pl.Int64})
    return pl.concat(found, how="diagonal_relaxed").with_row_index(ROW)


def _named(rows: pl.DataFrame, told: pl.DataFrame) -> pl.Series:
    ids, keys = told["prediction_id"].drop_nulls().unique(), told["record_key"].drop_nulls().unique()
    return rows["prediction_id"].is_in(ids.implode()) | rows["record_key"].is_in(keys.implode()).fill_null(False)


def _span_of(truth: pl.DataFrame) -> tuple[int, int]:
    """Return from when up to when rows may lie that these outcomes are about."""
    if truth["event_us"].null_count() or truth["prediction_id"].null_count() < truth.height:
        return -_ALWAYS_US, _ALWAYS_US
    first, last = truth.select(first=pl.col("event_us").min(), last=pl.col("event_us").max()).row(0)
    return int(first), int(last) + 1


def times_told(
    lake: Lake, endpoint: str, segments: Collection[str], *, since_us: int, before_us: int, known_until_us: int
) -> NDArray[np.int64]:
    """Return event times, ``since_us`` ≤ t < ``before_us``, of rows that these segments tell something new of.

    Rows that they answered themselves, and rows of any segment whose outcomes they tell; in any order. There may be a
    few more: an outcome that names key and time counts whether or not a row has these.
    """
    if not segments:
        return np.array([], dtype=np.int64)
    own = lake.listed_records(endpoint, start_us=since_us, end_us=before_us, segments=segments)
    times = [rows["event_us"] for rows in parts_of(lake.fetched(own), ["event_us"])]
    told = lake.listed_truths(
        endpoint, start_us=since_us, end_us=before_us, known_until_us=known_until_us, segments=segments
    )
    truth = _together(truth_parts(lake.fetched(told), known_until_us))
    times.append(truth.filter(pl.col("prediction_id").is_null())["event_us"].drop_nulls())
    times += _times_of_named(lake, endpoint, truth, since_us, before_us)
    found = np.concatenate([series.to_numpy() for series in times]).astype(np.int64)
    return np.asarray(found[(found >= since_us) & (found < before_us)], dtype=np.int64)


def _times_of_named(
    lake: Lake, endpoint: str, truth: pl.DataFrame, since_us: int, before_us: int
) -> Iterator[pl.Series]:
    """Give event times of the rows that outcomes name by an id or by a key alone: the answers have to be asked."""
    ids = truth["prediction_id"].drop_nulls().unique()
    untimed = pl.col("prediction_id").is_null() & pl.col("event_us").is_null()
    keys = truth.filter(untimed)["record_key"].drop_nulls().unique()
    if ids.is_empty() and keys.is_empty():
        return
    # The latest first: most outcomes are about them, and when all ids are found the rest need not be fetched.
    files = sorted(lake.listed_records(endpoint, start_us=since_us, end_us=before_us), key=lambda file: -file.end_us)
    columns = ["prediction_id", "record_key", "event_us"]
    for rows in parts_of(lake.fetched(files), columns, rows=_SOUGHT_ROWS):
        named = rows["prediction_id"].is_in(ids.implode())
        by_key = rows["record_key"].is_in(keys.implode()).fill_null(False)
        yield rows.filter(named | by_key)["event_us"]
        ids = ids.filter(~ids.is_in(rows.filter(named)["prediction_id"].implode()))
        if ids.is_empty() and keys.is_empty():
            return


def answered_rows(
    lake: Lake, endpoint: str, segments: Collection[str], *, known_until_us: int, shadow: bool = False
) -> pa.Table:
    """Return the rows of these segments that were drawn, with their outcomes as far as these segments tell them.

    Sorted by receipt, then request and prediction. Columns: those of a prediction segment that say who was asked, when
    and with what chance, ``prediction``, ``probability``, ``truth`` and ``labelled_us`` (null where it was not known by
    ``known_until_us``). With ``shadow`` they are what shadows answered, with ``shadow_of`` and without outcomes.
    Outcomes belong to rows as `labelled_rows` says; only rows that passed the contract are there.
    """
    files = lake.record_files(endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US, segments=segments, shadow=shadow)
    columns = [*_DRAWN, "prediction", *(["shadow_of"] if shadow else [])]
    if files:
        answered = pl.concat([pl.read_parquet(file.path, columns=columns) for file in files], how="diagonal_relaxed")
    else:
        answered = pl.DataFrame(schema={**_DRAWN, "prediction": pl.String, "shadow_of": pl.String}).select(columns)
    answered = answered.filter(pl.col("assignment_probability").is_not_null())
    answered = answered.sort("received_us", "request_id", "prediction_id")
    if shadow:
        return plain(answered.to_arrow())
    answered = answered.with_row_index(ROW)
    outcomes = lake.listed_truths(
        endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US, known_until_us=known_until_us, segments=segments
    )
    told = newest_told(answered, truth_parts(lake.fetched(outcomes), known_until_us))
    joined = answered.join(told, on=ROW, how="left", maintain_order="left")
    return plain(joined.select(*columns, "truth", "labelled_us").to_arrow())


def _read(paths: Sequence[Path]) -> pl.DataFrame:
    if not paths:
        return pl.DataFrame(schema={**_OWN, "received_us": pl.Int64})
    return pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")


def _columns_of(path: Path, names: Sequence[str], features: Collection[str]) -> pl.DataFrame:
    known = pl.read_parquet_schema(path)
    return pl.read_parquet(path, columns=[*names, *(f"f.{name}" for name in features if f"f.{name}" in known)])
