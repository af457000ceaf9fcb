"""Predictions with their true outcomes: what quality is judged by, and what is learnt from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from trimtab.lake.zones import Lake

__all__ = ["LabelledTable", "answered_rows", "labelled_rows"]

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
