from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.conftest import BOTH
from tests.unit.lake.heart import (
    CONTEXT,
    CONTRACT,
    HOUR_US,
    MODEL,
    NOW,
    NOW_US,
    Asked,
    Workplace,
    accepted,
    csv_of,
    good_rows,
    outcome_of,
    quarantine_of,
    records_segment,
    shipped,
    truth_segment,
)

from trimtab.lake.deliveries import (
    DeliveryState,
    accept_file,
    find_delivery,
)
from trimtab.lake.feeds import quarantine_feed, release_feed
from trimtab.lake.ingest import ModelContext
from trimtab.lake.intake import take_in
from trimtab.lake.profile_store import load_profiles


def test_a_delivery_with_four_kinds_of_broken_rows_has_exactly_these_quarantined(place: Workplace) -> None:
    rows = good_rows(20)
    rows[3] = "4,old,male,233,normal,0"
    rows[7] = "8,240,male,233,normal,0"
    rows[11] = "12,50,male,233,normal,"
    rows[15] = "3,50,male,233,normal,1"
    accepted(place, "rows.csv", csv_of(rows))

    (done,) = place.ingest().process_some(now=NOW)

    assert (done.delivery.rows, done.delivery.rows_passed, done.delivery.rows_quarantined) == (20, 16, 4)
    broken = quarantine_of(place, done)
    assert dict(zip(broken["@row"].to_pylist(), broken["@reasons"].to_pylist(), strict=True)) == {
        4: ["age: 'old' is not a whole number"],
        8: ["age: 240 is above 120"],
        12: ["disease: is missing"],
        16: ["patient_id: '3' repeats row 3"],
    }
    assert done.reasons == {
        "age: above 120": 1,
        "age: not a whole number": 1,
        "disease: missing": 1,
        "patient_id: repeated": 1,
    }
    passed = pq.read_table(place.lake.processed_table(MODEL, done.delivery.digest))
    assert sorted(passed["patient_id"].to_pylist()) == sorted(set(range(1, 21)) - {4, 8, 12, 16})
    assert place.told == [done]
    with place.database.reading() as connection:
        stored = find_delivery(connection, done.delivery.id)
    assert stored == done.delivery
    assert stored.spec is not None
    assert stored.spec["reasons"] == done.reasons


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_row_that_an_earlier_delivery_brought_is_quarantined(place: Workplace) -> None:
    accepted(place, "first.csv", csv_of(good_rows(5)))
    accepted(place, "second.csv", csv_of(good_rows(5, start=5)))

    first, second = place.ingest().process_some(now=NOW)

    assert first.delivery.rows_quarantined == 0
    assert second.reasons == {"patient_id: processed before": 1}
    assert quarantine_of(place, second)["patient_id"].to_pylist() == ["5"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", "is empty"),
        ("header.csv", csv_of([]).encode(), "has a header and no rows"),
        ("latin.csv", csv_of(["1,50,m\xe4nnlich,200,normal,1"]).encode("latin-1"), "is not UTF-8"),
        ("ragged.csv", csv_of([*good_rows(2), "3,50"]).encode(), "line 4 has 2 values, the header 6"),
        ("columns.csv", b"patient_id,age,sex,chol,thal\n1,50,male,200,normal\n", "column 'disease': missing"),
        ("extra.csv", b"patient_id,age,sex,chol,thal,disease,x\n1,5,male,200,normal,1,2\n", "column 'x': not in the"),
        ("no.parquet", b"PAR1 but not really", "is no readable Parquet file"),
    ],
)
def test_an_unusable_delivery_fails_with_one_sentence_and_leaves_no_rows(
    place: Workplace, name: str, content: bytes, sentence: str
) -> None:
    accepted(place, name, content)

    (done,) = place.ingest().process_some(now=NOW)

    assert done.delivery.state is DeliveryState.FAILED
    assert done.error is not None
    assert sentence in done.error
    assert "\n" not in done.error
    assert place.told == [done]
    assert not (place.lake.root / "processed").exists()
    assert place.ingest().process_some(now=NOW) == []


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_failed_delivery_is_tried_again_when_it_is_delivered_again(place: Workplace) -> None:
    content = "patient_id,age,sex,chol,thal,disease,x\n1,5,male,200,normal,1,2\n"
    accepted(place, "extra.csv", content)
    place.ingest().process_some(now=NOW)
    tolerant = ModelContext(
        model=CONTEXT.model, contract=CONTRACT.model_copy(update={"allow_extra_columns": True}), profile_period_s=3600
    )

    accepted(place, "again.csv", content)
    (done,) = place.ingest(tolerant).process_some(now=NOW)

    assert done.delivery.state is DeliveryState.PROCESSED
    assert done.delivery.rows_passed == 1


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_the_same_bytes_are_processed_once(place: Workplace) -> None:
    first = accepted(place, "rows.csv", csv_of(good_rows(3)))
    place.ingest().process_some(now=NOW)
    path = place.deliver("copy.csv", csv_of(good_rows(3)))

    again = accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, now=NOW)

    assert again.id == first
    assert again.repeated
    assert place.ingest().process_some(now=NOW) == []


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_records_are_profiled_in_full_and_learnt_from_only_where_they_keep_the_contract(place: Workplace) -> None:
    good = [Asked(number) for number in range(30)]
    wrong_unit = [Asked(number, event_us=NOW_US + HOUR_US, chol=5.7, source="clinic-b") for number in range(30, 40)]
    assert shipped(place, records_segment(good + wrong_unit)) == 1

    (done,) = place.ingest().process_some(now=NOW)

    assert (done.delivery.rows, done.delivery.rows_passed) == (40, 30)
    assert done.reasons == {"chol: below 80": 10}
    assert done.broken_by_source == {"clinic-b": 10}
    assert quarantine_of(place, done)["@reasons"].to_pylist()[0] == ["chol: 5.7 is below 80"]
    assert done.span_us == (NOW_US, NOW_US + HOUR_US)
    with place.database.reading() as connection:
        assert find_delivery(connection, done.delivery.id) == done.delivery
        found = load_profiles(connection, MODEL, start_us=NOW_US, end_us=NOW_US + 2 * HOUR_US)
    assert [period.profile.rows for period in found] == [30, 10]


def test_small_segments_judged_together_give_what_each_gives_alone(place: Workplace, tmp_path: Path) -> None:
    segments = [
        records_segment([Asked(number * 10 + row, chol=220.0 if row % number else 5.0) for row in range(10)])
        for number in (1, 2, 3)
    ]
    shipped(place, *segments)
    together = place.ingest().process_some(now=NOW)
    alone = Workplace.at(tmp_path / "alone")
    for table in segments:
        shipped(alone, table)
        alone.ingest().process_some(now=NOW)

    def told(workplace: Workplace) -> dict[str, tuple[int | None, dict[str, int]]]:
        return {each.delivery.digest: (each.delivery.rows_passed, each.reasons) for each in workplace.told}

    assert len(together) == 3
    assert told(place) == told(alone)
    names = sorted(path.relative_to(place.lake.root) for path in place.lake.root.rglob("*.parquet"))
    assert names == sorted(path.relative_to(alone.lake.root) for path in alone.lake.root.rglob("*.parquet"))
    for name in names:
        assert (place.lake.root / name).read_bytes() == (alone.lake.root / name).read_bytes()
    alone.database.close()


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_rows_of_a_quarantined_feed_are_held_back_by_event_time_until_it_is_released(place: Workplace) -> None:
    with place.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic-b", since_us=NOW_US + 5, reason="unit change", at_us=NOW_US)
        release_feed(connection, MODEL, "clinic-b", until_us=NOW_US + 8, at_us=NOW_US)
    asked = [Asked(number, event_us=NOW_US + number, source="clinic-b") for number in range(10)]
    shipped(place, records_segment([*asked, Asked(10, event_us=NOW_US + 6, source="clinic-a")]))

    (done,) = place.ingest().process_some(now=NOW)

    assert done.reasons == {"feed 'clinic-b': quarantined": 3}
    broken = quarantine_of(place, done)
    assert broken["event_us"].to_pylist() == [str(NOW_US + each) for each in (5, 6, 7)]
    assert broken["@reasons"].to_pylist()[0][0].startswith("feed 'clinic-b' is quarantined since 2030-01-01T00:00:00")


def test_a_file_of_a_quarantined_feed_is_held_back(place: Workplace) -> None:
    with place.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic-b", since_us=0, reason="unit change", at_us=NOW_US)
    accepted(place, "rows.csv", csv_of([*good_rows(2), "3,240,male,233,normal,0"]), feed="clinic-b")

    (done,) = place.ingest().process_some(now=NOW)

    assert (done.delivery.rows, done.delivery.rows_passed) == (3, 0)
    assert quarantine_of(place, done)["@row"].to_pylist() == [1, 2, 3]
    assert done.broken_by_source == {"clinic-b": 3}


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_outcomes_that_say_nothing_or_of_nothing_are_quarantined(place: Workplace) -> None:
    shipped(
        place,
        truth_segment(
            [
                outcome_of("1", prediction_id="a"),
                outcome_of("1"),
                outcome_of(" ", key="7"),
                outcome_of("0", key="7", endpoint="../../etc"),
            ]
        ),
    )

    (done,) = place.ingest().process_some(now=NOW)

    assert (done.delivery.rows, done.delivery.rows_passed) == (4, 1)
    assert done.reasons == {"endpoint: no endpoint's name": 1, "prediction_id: missing": 1, "truth: missing": 1}


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_damaged_segment_fails_and_the_others_pass(place: Workplace) -> None:
    (place.root / "intake").mkdir()
    (place.root / "intake" / ("f" * 32 + ".arrow")).write_bytes(b"no arrow")
    shipped(place, records_segment([Asked(1)]))

    done = place.ingest().process_some(now=NOW)

    states = {each.delivery.digest == "f" * 32: each.delivery.state for each in done}
    assert states == {True: DeliveryState.FAILED, False: DeliveryState.PROCESSED}


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_segment_shipped_twice_is_one(place: Workplace) -> None:
    table = records_segment([Asked(1)])
    assert shipped(place, table) == 1
    place.ingest().process_some(now=NOW)

    assert shipped(place, table) == 0
    assert place.ingest().process_some(now=NOW) == []
    assert not list((place.root / "intake").iterdir())


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_segment_whose_move_was_cut_short_is_taken_in_again(place: Workplace) -> None:
    obstacle = place.lake.root / "raw" / "segments"
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()
    with pytest.raises(OSError, match="segments"):
        shipped(place, records_segment([Asked(1)]))
    assert place.ingest().process_some(now=NOW) == []
    obstacle.unlink()

    assert take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW) == 0
    (done,) = place.ingest().process_some(now=NOW)
    assert done.delivery.rows_passed == 1
