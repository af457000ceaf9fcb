"""What the labelled rows of a period say, as a number: whether anything has changed since they were judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from trimtab.lake.matching import ROW, newest_told, parts_of, repeatedly, truth_parts
from trimtab.lake.zones import Lake

__all__ = ["PeriodEvidence", "period_evidence"]

_MASK = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class PeriodEvidence:
    """``rows`` of the ``answered`` ones have an outcome; ``digest`` stands for these, and what was told; 0 without any.

    It is below 2⁶³, and the same whatever the order in which rows and outcomes came.
    """

    rows: int
    digest: int
    answered: int


def period_evidence(
    lake: Lake, endpoint: str, spans: Sequence[tuple[int, int]], *, known_until_us: int
) -> list[PeriodEvidence]:
    """Return, for each span ``(start, end)``, the evidence of its rows with an outcome known by ``known_until_us``.

    A row counts with its prediction id and the outcome that holds, as `matching.newest_told` says. So a repeated
    outcome changes nothing, and one that was told before it was known is there once it is known. One pass over records
    and outcomes for all spans, which may overlap. A new release of Polars may give other digests.

    Raises:
        BackendError: the lake failed.
        OSError: it cannot be read.
    """
    if not spans:
        return []
    start_us, end_us = min(start for start, _ in spans), max(end for _, end in spans)
    records = lake.listed_records(endpoint, start_us=start_us, end_us=end_us)
    truths = lake.listed_truths(endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us)
    outcomes = repeatedly(lambda: truth_parts(lake.fetched(truths), known_until_us))
    rows, sums, asked = [0] * len(spans), [0] * len(spans), [0] * len(spans)
    columns = ["prediction_id", "record_key", "event_us", "prediction"]
    for part in parts_of(lake.fetched(records), columns):
        answered = part.filter(pl.col("event_us").is_between(start_us, end_us, closed="left")).with_row_index(ROW)
        told = newest_told(answered, outcomes())
        known = answered.join(told, on=ROW, how="inner")
        hashes = known.select("prediction_id", pl.col("truth").cast(pl.String)).hash_rows(seed=0)
        times, numbers = known["event_us"].to_numpy(), hashes.to_numpy().astype(np.uint64)
        happened = answered["event_us"].to_numpy()
        for place, (start, end) in enumerate(spans):
            asked[place] += int(((happened >= start) & (happened < end)).sum())
            mine = numbers[(times >= start) & (times < end)]
            rows[place] += len(mine)
            # A sum does not hang on the order, nor on how rows are spread over files.
            sums[place] += int(mine.sum(dtype=np.uint64))
    found = zip(rows, sums, asked, strict=True)
    return [PeriodEvidence(count, total & _MASK, all_rows) for count, total, all_rows in found]
