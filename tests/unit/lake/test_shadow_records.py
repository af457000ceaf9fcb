"""What shadows answered reaches the lake, and nobody takes it for what callers were told."""

from __future__ import annotations

import pyarrow.parquet as pq
from tests.unit.lake.heart import (
    HOUR_US,
    MODEL,
    NOW,
    NOW_US,
    Asked,
    Workplace,
    outcome_of,
    records_segment,
    truth_segment,
)

from trimtab.core.enums import VariantRole
from trimtab.lake.intake import take_in
from trimtab.lake.labelled import labelled_rows
from trimtab.lake.profile_store import load_profiles
from trimtab.records.segments import read_segment, write_segment


def test_shadow_rows_are_kept_apart_from_live_ones(place: Workplace) -> None:
    asked = [Asked(number, event_us=NOW_US + number, chol=5.0 if number == 3 else 220.0) for number in range(10)]
    live = records_segment(asked)
    dark = records_segment(asked, part="2", variant="v2", version=2, role=VariantRole.SHADOW)
    truth = truth_segment([outcome_of("1", prediction_id=asked[0].prediction_id)])
    for table in (live, dark, truth):
        path = write_segment(place.root / "intake", table)
        assert read_segment(path).equals(table)
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    done = place.ingest().process_some(now=NOW)

    by_id = {each.delivery.digest: each for each in done}
    kept = by_id[(dark.schema.metadata or {})[b"segment_id"].decode()]
    assert (kept.delivery.rows, kept.delivery.rows_passed, kept.reasons) == (10, 10, {})
    judged = by_id[(live.schema.metadata or {})[b"segment_id"].decode()]
    assert (judged.delivery.rows, judged.delivery.rows_passed) == (10, 9), "the row is judged once"
    with place.database.reading() as connection:
        profiles = load_profiles(connection, MODEL, start_us=NOW_US, end_us=NOW_US + HOUR_US)
    assert {(period.variant, period.profile.rows) for period in profiles} == {("v1", 10)}
    found = labelled_rows(place.lake, MODEL)
    assert (found.answered, found.table["variant"].to_pylist()) == (9, ["v1"])
    (stored,) = (place.lake.root / "processed" / "records" / f"{MODEL}.shadow").glob("*.parquet")
    rows = pq.read_table(stored)
    assert rows["shadow_of"].to_pylist() == [each.prediction_id for each in asked]
    assert set(rows["model_version"].to_pylist()) == {2}
