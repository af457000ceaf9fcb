"""Predictions with their true outcomes: what quality is judged by, and what is learnt from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

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
_ROW = "@place"
_ALWAYS_US = 1 << 62


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

    An outcome belongs to the row of its ``prediction_id``; if it names none, to the rows of its ``record_key`` and
    event time; if it says no time either, to all rows of its ``record_key``. Of several the one that was known last
    holds; one known after ``known_until_us`` is not seen. Where the prediction is a number, an outcome that is no
    finite number is left out. Only rows that passed the contract are there; with ``received_since_us`` only those that
    were answered since then.
    """
    files = lake.record_files(endpoint, start_us=start_us, end_us=end_us)
    answered = _read([file.path for file in files])
    answered = answered.filter(pl.col("event_us").is_between(start_us, end_us, closed="left"))
    if variant is not None:
        answered = answered.filter(pl.col("variant") == variant)
    if received_since_us is not None:
        answered = answered.filter(pl.col("received_us") >= received_since_us)
    answered = answered.sort("event_us", "prediction_id").with_row_index(_ROW)
    outcomes = lake.truth_files(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
    truth = _usable(answered, _truth([file.path for file in outcomes], known_until_us))
    joined = answered.join(_newest(answered, truth), on=_ROW, how="inner", maintain_order="left")
    features = [name for name in joined.columns if name.startswith("f.")]
    chosen = joined.select(*_OWN, "truth", "labelled_us", *features)
    return LabelledTable(table=_plain(chosen.to_arrow()), answered=answered.height)


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
    answered = answered.sort("event_us", "prediction_id").with_row_index(_ROW)
    outcomes = lake.truth_files(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
    truth = _usable(answered, _truth([file.path for file in outcomes], known_until_us))
    joined = answered.join(_newest(answered, truth), on=_ROW, how="left", maintain_order="left").drop(_ROW)
    return _plain(joined.rename({f"f.{name}": name for name in features if f"f.{name}" in joined.columns}).to_arrow())


def outcomes_since(lake: Lake, endpoint: str, *, since_us: int, known_until_us: int) -> int:
    """Return how many answered rows have an outcome, known by the end, that was not received by ``since_us``.

    However old the row is. One that says what was received before counts for nothing. Outcomes belong to rows as
    `labelled_rows` says.
    """
    everything = lake.truth_files(endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US, known_until_us=known_until_us)
    recent = [file.path for file in everything if _received_last(file.path) > since_us]
    told = _truth(recent, known_until_us).filter(pl.col("received_us") > since_us)
    if told.is_empty():
        return 0
    start_us, end_us = _span_of(told)
    paths = [file.path for file in lake.record_files(endpoint, start_us=start_us, end_us=end_us)]
    if not paths:
        return 0
    columns = ["prediction_id", "record_key", "event_us", "prediction"]
    answered = pl.concat([pl.read_parquet(path, columns=columns) for path in paths], how="diagonal_relaxed")
    answered = answered.with_row_index(_ROW)
    now = _newest(answered, _usable(answered, told))
    before = _truth([file.path for file in everything], known_until_us).filter(pl.col("received_us") <= since_us)
    mine = answered.join(now, on=_ROW, how="semi")
    known = _newest(mine, _usable(answered, before))
    both = now.join(known, on=_ROW, how="left", suffix="_before")
    return both.filter(pl.col("truth").ne_missing(pl.col("truth_before"))).height


def _received_last(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.col("received_us").max()).collect().item() or 0)


def _span_of(truth: pl.DataFrame) -> tuple[int, int]:
    """Return from when up to when rows may lie that these outcomes are about."""
    if truth["event_us"].null_count():
        return -_ALWAYS_US, _ALWAYS_US
    first, last = truth.select(first=pl.col("event_us").min(), last=pl.col("event_us").max()).row(0)
    return int(first), int(last) + 1


def times_told(
    lake: Lake, endpoint: str, segments: Collection[str], *, before_us: int, known_until_us: int
) -> NDArray[np.int64]:
    """Return event times before ``before_us``, in any order, of rows that these segments tell something new of.

    Rows that they answered themselves, and rows of any segment whose outcomes they tell. There may be a few more: an
    outcome that names key and time counts whether or not a row has these.
    """
    if not segments:
        return np.array([], dtype=np.int64)
    own = lake.record_files(endpoint, start_us=-_ALWAYS_US, end_us=before_us, segments=segments)
    times = [pl.read_parquet(file.path, columns=["event_us"])["event_us"] for file in own]
    told = lake.truth_files(
        endpoint, start_us=-_ALWAYS_US, end_us=before_us, known_until_us=known_until_us, segments=segments
    )
    truth = _truth([file.path for file in told], known_until_us)
    times.append(truth.filter(pl.col("prediction_id").is_null())["event_us"].drop_nulls())
    times += _times_of_named(lake, endpoint, truth, before_us)
    found = np.concatenate([series.to_numpy() for series in times]).astype(np.int64)
    return np.asarray(found[found < before_us], dtype=np.int64)


def _times_of_named(lake: Lake, endpoint: str, truth: pl.DataFrame, before_us: int) -> list[pl.Series]:
    """Return event times of the rows that outcomes name by an id or by a key alone: the answers have to be asked."""
    ids = truth["prediction_id"].drop_nulls().unique()
    untimed = pl.col("prediction_id").is_null() & pl.col("event_us").is_null()
    keys = truth.filter(untimed)["record_key"].drop_nulls().unique()
    times: list[pl.Series] = []
    if ids.is_empty() and keys.is_empty():
        return times
    # The latest first: most outcomes are about them, and when all ids are found the rest need not be opened.
    files = lake.record_files(endpoint, start_us=-_ALWAYS_US, end_us=before_us)
    for file in sorted(files, key=lambda file: -file.end_us):
        if ids.is_empty() and keys.is_empty():
            break
        rows = pl.read_parquet(file.path, columns=["prediction_id", "record_key", "event_us"])
        mine = rows.filter(pl.col("prediction_id").is_in(ids.implode()) | pl.col("record_key").is_in(keys.implode()))
        times.append(mine["event_us"])
        ids = ids.filter(~ids.is_in(mine["prediction_id"].implode()))
    return times


def answered_rows(lake: Lake, endpoint: str, segments: Collection[str], *, shadow: bool = False) -> pa.Table:
    """Return the rows of these segments that were drawn, with their outcomes as far as these segments tell them.

    Sorted by receipt, then request and prediction. Columns: those of a prediction segment that say who was asked, when
    and with what chance, ``prediction``, ``probability``, ``truth`` and ``labelled_us`` (null while it is not known).
    With ``shadow`` they are what shadows answered, with ``shadow_of`` and without outcomes. Outcomes belong to rows as
    `labelled_rows` says; only rows that passed the contract are there.
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
        return _plain(answered.to_arrow())
    answered = answered.with_row_index(_ROW)
    outcomes = lake.truth_files(
        endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US, known_until_us=None, segments=segments
    )
    truth = _usable(answered, _truth([file.path for file in outcomes], None))
    joined = answered.join(_newest(answered, truth), on=_ROW, how="left", maintain_order="left")
    return _plain(joined.select(*columns, "truth", "labelled_us").to_arrow())


def _usable(answered: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return the outcomes that fit the predictions: where these are numbers, finite numbers."""
    if answered.schema["prediction"] != pl.Float64:
        return truth
    truth = truth.with_columns(pl.col("truth").str.strip_chars().cast(pl.Float64, strict=False))
    return truth.filter(pl.col("truth").is_finite())


def _newest(answered: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return, for the place of each row that has any, the outcome that was known last."""
    by_id = truth.filter(pl.col("prediction_id").is_not_null())
    by_key = truth.filter(pl.col("prediction_id").is_null())
    timed = by_key.filter(pl.col("event_us").is_not_null())
    untimed = by_key.filter(pl.col("event_us").is_null())
    found = [
        answered.join(by_id, on="prediction_id", how="inner"),
        answered.join(timed, on=["record_key", "event_us"], how="inner"),
        answered.join(untimed, on="record_key", how="inner"),
    ]
    columns = [_ROW, "truth", "labelled_us", "received_us"]
    # Received and the text itself settle ties, so that the answer never hangs on the order of files.
    ordered = pl.concat([each.select(columns) for each in _without_own_times(found)]).sort(
        _ROW, "labelled_us", "received_us", "truth"
    )
    return ordered.unique(_ROW, keep="last", maintain_order=True).drop("received_us")


def _without_own_times(found: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Take the outcome's ``received_us``, not the prediction's, where a join brought both."""
    return [
        each.with_columns(received_us=pl.col("received_us_right")) if "received_us_right" in each.columns else each
        for each in found
    ]


def _read(paths: Sequence[Path]) -> pl.DataFrame:
    if not paths:
        return pl.DataFrame(schema={**_OWN, "received_us": pl.Int64})
    return pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")


def _columns_of(path: Path, names: Sequence[str], features: Collection[str]) -> pl.DataFrame:
    known = pl.read_parquet_schema(path)
    return pl.read_parquet(path, columns=[*names, *(f"f.{name}" for name in features if f"f.{name}" in known)])


def _truth(paths: Sequence[Path], known_until_us: int | None) -> pl.DataFrame:
    columns = {
        "prediction_id": pl.String,
        "record_key": pl.String,
        "event_us": pl.Int64,
        "truth": pl.String,
        "labelled_us": pl.Int64,
        "received_us": pl.Int64,
    }
    if not paths:
        return pl.DataFrame(schema=columns)
    frame = pl.concat([pl.read_parquet(path, columns=list(columns)) for path in paths])
    return frame if known_until_us is None else frame.filter(pl.col("labelled_us") <= known_until_us)


def _plain(table: pa.Table) -> pa.Table:
    """Return the table with Arrow's ordinary strings, which all other readers have."""
    schema = pa.schema(
        [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in table.schema]
    )
    return table.cast(schema)
