"""What a version answered in windows, a part at a time: rows without an outcome are counted, and let go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import polars as pl
import pyarrow as pa

from trimtab.lake.broken_records import LeftOut, left_out_in
from trimtab.lake.matching import ROW, newest_told, parts_of, plain, repeatedly, truth_parts
from trimtab.lake.zones import Lake
from trimtab.records.schema import FEATURE_PREFIX

__all__ = ["Answerer", "LabelledSpan", "answered_parts", "drawn_rows", "labelled_spans", "sizes_of"]

_OWN = {
    "prediction_id": pl.String,
    "event_us": pl.Int64,
    "record_key": pl.String,
    "prediction": pl.String,
    "probability": pl.Float64,
}
_WHO = {"variant": pl.String, "model_version": pl.Int64}
_TOLD = {"truth": pl.String, "labelled_us": pl.Int64}

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answered: a model version behind one variant of an endpoint."""

    endpoint: str
    variant: str
    model_version: int


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSpan:
    """The rows of a span with an outcome, how many were ``answered`` in all, and of each class how many (texts only).

    Rows that lie in quarantine are none of these: ``left_out`` counts what its variant answered of them.
    ``table`` is sorted by event time, then prediction id. Its columns are prediction_id, event_us, record_key,
    prediction, probability, truth, labelled_us, and the features by their names.
    """

    table: pa.Table
    answered: int
    answered_as: Mapping[str, int] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)


def sizes_of(lake: Lake, endpoint: str, spans: Sequence[Span]) -> list[int]:
    """Return how many bytes of answers would have to be read for each span; nothing is read for it."""
    if not spans:
        return []
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    files = lake.listed_records(endpoint, start_us=first, end_us=last)
    return [
        sum(file.stored.size_bytes for file in files if file.start_us < end and file.end_us >= start)
        for start, end in spans
    ]


def answered_parts(
    lake: Lake, who: Answerer, spans: Sequence[Span], *, features: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """Give the rows that ``who`` answered in any of the ``spans``, some hundred thousand at a time, in no order.

    Columns: those of `LabelledSpan` but the outcome's; features are called as in the records.

    Raises:
        BackendError: the lake failed.
        OSError: it cannot be read.
    """
    if not spans:
        return
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    listed = lake.listed_records(who.endpoint, start_us=first, end_us=last)
    files = [file for file in listed if any(file.start_us < end and file.end_us >= start for start, end in spans)]
    within = reduce(lambda one, other: one | other, (_inside(span) for span in spans))
    mine = (pl.col("variant") == who.variant) & (pl.col("model_version") == who.model_version)
    columns = [*_OWN, *_WHO, *(FEATURE_PREFIX + name for name in features)]
    for part in parts_of(lake.fetched(files), columns):
        rows = part.filter(within & mine).drop(*_WHO)
        if rows.height:
            yield rows


def labelled_spans(
    lake: Lake, who: Answerer, spans: Sequence[Span], *, known_until_us: int, features: Sequence[str] = ()
) -> list[LabelledSpan]:
    """Return, of each span, the rows that ``who`` answered in it whose outcome was known by ``known_until_us``.

    Records and outcomes are gone through once for all spans. In memory are the labelled rows, and a part of the
    others. Outcomes belong to rows as `matching.newest_told` says; raises as `answered_parts` does.
    """
    if not spans:
        return []
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    truths = lake.listed_truths(who.endpoint, start_us=first, end_us=last, known_until_us=known_until_us)
    outcomes = repeatedly(lambda: truth_parts(lake.fetched(truths), known_until_us))
    counts: list[Counter[str]] = [Counter() for _ in spans]
    answered = [0] * len(spans)
    found: list[pl.DataFrame] = []
    for part in answered_parts(lake, who, spans, features=features):
        for place, span in enumerate(spans):
            said = part.filter(_inside(span))["prediction"]
            answered[place] += len(said)
            if said.dtype == pl.String:
                counts[place].update(dict(said.value_counts().iter_rows()))
        rows = part.with_row_index(ROW)
        told = newest_told(rows, outcomes())
        found.append(_compact(rows.join(told, on=ROW, how="inner").drop(ROW)))
    empty = pl.DataFrame(schema={**_OWN, **_TOLD})
    together = pl.concat(found, how="diagonal_relaxed") if found else empty
    names = {name: name.removeprefix(FEATURE_PREFIX) for name in together.columns if name.startswith(FEATURE_PREFIX)}
    together = together.rename(names).sort("event_us", "prediction_id")
    left_out = left_out_in(lake, who.endpoint, spans, variant=who.variant)
    return [
        LabelledSpan(
            plain(together.filter(_inside(span)).to_arrow()), answered[place], dict(counts[place]), left_out[place]
        )
        for place, span in enumerate(spans)
    ]


def drawn_rows(
    lake: Lake, who: Answerer, span: Span, *, most: int, features: Sequence[str] = ()
) -> tuple[pa.Table, int]:
    """Return at most ``most`` rows that ``who`` answered in the span, drawn at random, and how many there were.

    The same rows give the same draw, whatever files they are in: each has a place by chance that its id decides. Of
    two draws the smaller is part of the larger. Columns: as `LabelledSpan.table` has them but the outcome's; raises as
    `answered_parts` does.
    """
    kept: pl.DataFrame | None = None
    answered = 0
    for part in answered_parts(lake, who, [span], features=features):
        answered += part.height
        placed = part.with_columns(pl.col("prediction_id").hash(seed=0).alias(ROW))
        # Until twice as many are held: cut at each part, small parts would be sorted again and again.
        kept = placed if kept is None else pl.concat([kept, placed], how="diagonal_relaxed")
        kept = _compact(kept.bottom_k(most, by=ROW) if kept.height >= 2 * most else kept)
    if kept is None:
        return plain(pl.DataFrame(schema=_OWN).to_arrow()), 0
    chosen = (kept.bottom_k(most, by=ROW) if kept.height > most else kept).drop(ROW).sort("event_us", "prediction_id")
    names = {name: name.removeprefix(FEATURE_PREFIX) for name in chosen.columns if name.startswith(FEATURE_PREFIX)}
    return plain(chosen.rename(names).to_arrow()), answered


def _compact(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in memory of their own: texts that were picked from a part would keep all texts of it."""
    return pl.DataFrame(plain(rows.to_arrow()))


def _inside(span: Span) -> pl.Expr:
    return pl.col("event_us").is_between(span[0], span[1], closed="left")
