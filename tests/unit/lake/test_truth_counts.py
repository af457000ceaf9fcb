from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from tests.unit.lake.heart import (
    MODEL,
    NOW,
    NOW_US,
    Asked,
    Workplace,
    outcome_of,
    records_segment,
    shipped,
    truth_segment,
)

from trimtab.lake.truth_counts import TruthCounts, count_truths

UNKNOWN = "01a1fc2c-98c8-74da-8a4f-f02467c3a497"


def test_outcomes_are_told_apart_by_what_they_say_of_which_row(place: Workplace) -> None:
    first, second = Asked(1, key="a"), Asked(2, key="b", event_us=NOW_US + 2)
    told = [
        outcome_of("1", prediction_id=first.prediction_id),
        outcome_of("1", prediction_id=first.prediction_id, labelled_us=NOW_US + 1),  # said again
        outcome_of("0", prediction_id=first.prediction_id, labelled_us=NOW_US + 9),  # corrected
        outcome_of("1", key="b", event_us=NOW_US + 2),
        outcome_of("0", key="b", event_us=NOW_US + 2),  # at the same moment
        outcome_of("1", key="b", event_us=NOW_US + 3),  # another row of that key, which nobody asked about
        outcome_of("1", prediction_id=UNKNOWN),
        outcome_of("1", prediction_id=UNKNOWN, endpoint=""),
    ]
    shipped(place, records_segment([first, second]), truth_segment(told))
    place.ingest().process_some(now=NOW)

    assert count_truths(place.lake, MODEL) == TruthCounts(
        outcomes=7, subjects=4, unmatched=2, corrected=1, conflicting=1, repeated=1
    )
    assert count_truths(place.lake, "", beside=[MODEL]) == TruthCounts(outcomes=1, subjects=1, unmatched=1)


def test_an_outcome_that_came_before_its_row_is_matched_once_the_row_is_there(place: Workplace) -> None:
    asked = Asked(1)
    shipped(place, truth_segment([outcome_of("1", prediction_id=asked.prediction_id, endpoint="")]))
    place.ingest().process_some(now=NOW)
    assert count_truths(place.lake, "", beside=[MODEL]).unmatched == 1

    shipped(place, records_segment([asked]))
    place.ingest().process_some(now=NOW)

    assert count_truths(place.lake, "", beside=[MODEL]).unmatched == 0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak anew")
def test_however_many_rows_were_answered_few_are_in_memory(place: Workplace, tmp_path: Path) -> None:
    shipped(place, records_segment([Asked(1)]), truth_segment([outcome_of("1", prediction_id=UNKNOWN)]))
    place.ingest().process_some(now=NOW)
    [answered] = place.lake.record_files(MODEL, start_us=-(1 << 60), end_us=1 << 60)
    ids = pl.select(pl.format("01a1fc2c-98c8-74da-8a4f-{}", pl.int_range(10**11, 10**11 + 100_000))).to_series()
    many = pl.DataFrame(
        {
            "prediction_id": ids,
            "record_key": ids,
            "event_us": pl.select(pl.repeat(5, 100_000, dtype=pl.Int64)).to_series(),
        }
    )
    many.write_parquet(tmp_path / "many.parquet")
    assert count_truths(place.lake, MODEL).unmatched == 1
    for number in range(40):
        os.link(tmp_path / "many.parquet", answered.path.with_name(f"5_5_many-{number}.parquet"))
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    assert count_truths(place.lake, MODEL).unmatched == 1
    assert peak_bytes() - before < 200_000_000, "all at once are more than 400 MB"


def peak_bytes() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def test_nothing_told_counts_nothing(place: Workplace) -> None:
    assert count_truths(place.lake, MODEL) == TruthCounts()
