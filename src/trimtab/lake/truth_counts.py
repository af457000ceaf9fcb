"""How the true outcomes in the lake stand to the answers: which belong to none yet, which were corrected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from trimtab.lake.zones import Lake

__all__ = ["TruthCounts", "count_truths"]

_ALWAYS_US = 1 << 62
_SUBJECT = "@subject"
_TRUTH = {
    "endpoint": pl.String,
    "prediction_id": pl.String,
    "record_key": pl.String,
    "event_us": pl.Int64,
    "truth": pl.String,
    "labelled_us": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class TruthCounts:
    """``outcomes`` that were told, about ``subjects`` (rows: an id, or a key and its event time).

    ``unmatched`` subjects have no answered row in the lake, or not yet. ``corrected`` ones were told another outcome
    later: the one that was known last holds. ``conflicting`` ones were told two that are said to have been known at the
    same moment: the one received last holds, and somebody should look. ``repeated`` outcomes say what was said before.
    """

    outcomes: int = 0
    subjects: int = 0
    unmatched: int = 0
    corrected: int = 0
    conflicting: int = 0
    repeated: int = 0


def count_truths(lake: Lake, endpoint: str, *, beside: Sequence[str] = ()) -> TruthCounts:
    """Count the outcomes that name ``endpoint``; with ``""`` those that name only a prediction.

    They are looked for among the rows of ``endpoint``, and of the endpoints ``beside``. Rows that broke the contract
    are not learnt from, and their outcomes count as unmatched.

    Raises:
        BackendError: the lake's storage failed.
    """
    files = lake.truth_files(endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US, known_until_us=None)
    truth = _read(sorted({file.path for file in files}), _TRUTH).filter(pl.col("endpoint").fill_null("") == endpoint)
    if truth.is_empty():
        return TruthCounts()
    truth = truth.with_columns(_subject())
    newest = pl.col("labelled_us") == pl.col("labelled_us").max()
    subjects = truth.group_by(_SUBJECT).agg(
        pl.col("prediction_id").first(),
        pl.col("record_key").first(),
        pl.col("event_us").first(),
        corrected=pl.col("labelled_us").n_unique() > 1,
        outcomes=pl.col("truth").n_unique(),
        conflicting=pl.col("truth").filter(newest).n_unique() > 1,
    )
    distinct = truth.select(_SUBJECT, "truth").n_unique()
    return TruthCounts(
        outcomes=truth.height,
        subjects=subjects.height,
        unmatched=_unmatched(subjects, _answered(lake, {endpoint, *beside} - {""})),
        corrected=subjects.filter(pl.col("corrected") & (pl.col("outcomes") > 1)).height,
        conflicting=subjects.filter("conflicting").height,
        repeated=truth.height - distinct,
    )


def _subject() -> pl.Expr:
    # The id and the key cannot be mistaken for one another: a space stands in no id.
    by_key = pl.format("{} {}", pl.col("event_us").cast(pl.String).fill_null("any"), pl.col("record_key"))
    return pl.coalesce("prediction_id", by_key).alias(_SUBJECT)


def _answered(lake: Lake, endpoints: Set[str]) -> Iterator[Path]:
    for endpoint in sorted(endpoints):
        yield from lake.fetched(lake.listed_records(endpoint, start_us=-_ALWAYS_US, end_us=_ALWAYS_US))


def _unmatched(subjects: pl.DataFrame, answered: Iterable[Path]) -> int:
    """Return how many subjects no row in the files ``answered`` is about: one file in memory at a time."""
    by_id = pl.col("prediction_id").is_not_null()
    timed = pl.col("event_us").is_not_null()
    left = {
        ("prediction_id",): subjects.filter(by_id),
        ("record_key", "event_us"): subjects.filter(~by_id & timed),
        ("record_key",): subjects.filter(~by_id & ~timed),
    }
    for path in answered:
        left = {names: frame for names, frame in left.items() if frame.height}
        if not left:
            break
        rows = pl.read_parquet(path, columns=sorted({name for names in left for name in names}))
        left = {names: frame.join(rows, on=names, how="anti") for names, frame in left.items()}
    return sum(frame.height for frame in left.values())


def _read(paths: Sequence[Path], columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    if not paths:
        return pl.DataFrame(schema=columns)
    return pl.concat([pl.read_parquet(path, columns=list(columns)) for path in paths])
