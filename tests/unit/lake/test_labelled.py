from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl
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

from trimtab.lake.deliveries import processed_since
from trimtab.lake.intake import take_in
from trimtab.lake.labelled import LabelledTable, labelled_rows, times_told, window_rows
from trimtab.lake.matching import ROW, TRUTH, newest_told
from trimtab.records.schema import TruthFrame
from trimtab.records.segments import write_segment


def taken_in(place: Workplace, *segments: Sequence[Asked], truth: Sequence[Sequence[TruthFrame]] = ()) -> None:
    for asked in segments:
        write_segment(place.root / "intake", records_segment(asked))
    for number, frames in enumerate(truth):
        write_segment(place.root / "intake", truth_segment(frames, part=str(number)))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)


def labelled(place: Workplace, *, hours: int = 24, known_until_us: int | None = None) -> LabelledTable:
    return labelled_rows(
        place.lake, MODEL, start_us=NOW_US, end_us=NOW_US + hours * HOUR_US, known_until_us=known_until_us
    )


def test_outcomes_meet_their_rows_by_id_by_key_and_time_and_by_key_alone(place: Workplace) -> None:
    asked = [
        Asked(1, key="a"),
        Asked(2, key="b", event_us=NOW_US + 1),
        Asked(3, key="b", event_us=NOW_US + 2),
        Asked(4, key="c", event_us=NOW_US + 3),
        Asked(5, key="unknown", event_us=NOW_US + 4),
    ]
    taken_in(
        place,
        asked,
        truth=[
            [
                outcome_of("1", prediction_id=asked[0].prediction_id),
                outcome_of("0", key="b", event_us=NOW_US + 2),
                outcome_of("1", key="c"),
            ]
        ],
    )

    found = labelled(place)

    assert found.answered == 5
    assert found.table.select(["prediction_id", "truth"]).to_pylist() == [
        {"prediction_id": asked[0].prediction_id, "truth": "1"},
        {"prediction_id": asked[2].prediction_id, "truth": "0"},
        {"prediction_id": asked[3].prediction_id, "truth": "1"},
    ]
    assert found.table.column_names == [
        *("prediction_id", "event_us", "variant", "model_version", "record_key", "source", "prediction"),
        *("probability", "truth", "labelled_us", "f.age", "f.sex", "f.chol", "f.thal"),
    ]


def test_the_outcome_known_last_holds_whatever_the_order_of_files(place: Workplace) -> None:
    asked = Asked(1, key="a")
    early = outcome_of("0", prediction_id=asked.prediction_id, labelled_us=NOW_US + 5)
    late = outcome_of("1", key="a", labelled_us=NOW_US + 9)
    taken_in(place, [asked], truth=[[late], [early]])

    assert labelled(place).table["truth"].to_pylist() == ["1"]


def test_an_outcome_from_the_future_is_not_seen(place: Workplace) -> None:
    asked = Asked(1, key="a")
    early = outcome_of("0", prediction_id=asked.prediction_id, labelled_us=NOW_US + 5)
    late = outcome_of("1", prediction_id=asked.prediction_id, labelled_us=NOW_US + 9)
    taken_in(place, [asked], truth=[[early, late]])

    assert labelled(place, known_until_us=NOW_US + 8).table["truth"].to_pylist() == ["0"]
    assert labelled(place, known_until_us=NOW_US + 9).table["truth"].to_pylist() == ["1"]
    assert labelled(place, known_until_us=NOW_US).table.num_rows == 0


def test_only_segments_of_the_window_are_opened(place: Workplace) -> None:
    taken_in(
        place,
        [Asked(1, event_us=NOW_US), Asked(2, event_us=NOW_US + HOUR_US)],
        [Asked(3, event_us=NOW_US + 30 * HOUR_US)],
        truth=[[outcome_of("1", key="k", event_us=NOW_US + 30 * HOUR_US)]],
    )
    (later,) = place.lake.record_files(MODEL, start_us=NOW_US + 2 * HOUR_US, end_us=NOW_US + 40 * HOUR_US)
    later.path.write_bytes(b"would fail if it were opened")

    found = labelled(place, hours=1)

    # The end of the window is exclusive.
    assert found.answered == 1
    truth = place.lake.truth_files(MODEL, start_us=NOW_US, end_us=NOW_US + HOUR_US, known_until_us=None)
    assert truth == []


def test_outcomes_of_a_file_whose_name_does_not_say_when_the_last_was_known_are_read_for_any_window(
    place: Workplace,
) -> None:
    later_us = NOW_US + 60 * 24 * HOUR_US
    asked = Asked(1, event_us=later_us)
    taken_in(place, [asked], truth=[[outcome_of("1", prediction_id=asked.prediction_id)]])
    (truth,) = place.lake.truth_files(MODEL, start_us=NOW_US, end_us=NOW_US + 1, known_until_us=None)

    def found() -> int:
        return len(labelled_rows(place.lake, MODEL, start_us=later_us, end_us=later_us + 1).table)

    assert found() == 0, "known two months before its row happened"
    first, _, rest = truth.path.name.partition("~")
    truth.path.rename(truth.path.with_name(f"{first}_{rest.partition('_')[2]}"))
    assert found() == 1


def test_nothing_answered_is_an_empty_table(place: Workplace) -> None:
    found = labelled(place)

    assert (found.answered, found.table.num_rows) == (0, 0)
    assert "truth" in found.table.column_names


def test_rows_of_one_variant_are_found(place: Workplace) -> None:
    write_segment(place.root / "intake", records_segment([Asked(1)], variant="v1", version=1))
    write_segment(place.root / "intake", records_segment([Asked(2)], variant="v2", version=2, part="2"))
    taken_in(place, truth=[[outcome_of("1", prediction_id=Asked(number).prediction_id) for number in (1, 2)]])

    found = labelled_rows(place.lake, MODEL, start_us=NOW_US, end_us=NOW_US + 1, variant="v2")

    assert found.answered == 1
    assert found.table["model_version"].to_pylist() == [2]


def test_a_window_holds_all_rows_with_what_came_true_by_then(place: Workplace) -> None:
    asked = [Asked(number, event_us=NOW_US + number) for number in range(1, 5)]
    known = outcome_of("1", prediction_id=asked[1].prediction_id, labelled_us=NOW_US + 50)
    late = outcome_of("0", prediction_id=asked[2].prediction_id, labelled_us=NOW_US + 99)
    taken_in(place, asked, truth=[[known, late]])

    found = window_rows(
        place.lake,
        MODEL,
        start_us=NOW_US,
        end_us=NOW_US + 4,
        variant="v1",
        model_version=1,
        known_until_us=NOW_US + 60,
        features=("chol", "absent"),
    )

    assert found["truth"].to_pylist() == [None, "1", None]
    assert found["labelled_us"].to_pylist() == [None, NOW_US + 50, None]
    assert found["chol"].to_pylist() == [220.0] * 3
    empty = window_rows(
        place.lake,
        MODEL,
        start_us=0,
        end_us=1 << 62,
        variant="v1",
        model_version=2,
        known_until_us=NOW_US,
        features=("chol",),
    )
    assert empty.num_rows == 0
    assert {"event_us", "prediction", "probability", "truth", "labelled_us"} <= set(empty.column_names)


def test_new_segments_tell_of_the_rows_they_answered_and_of_those_whose_outcomes_they_hold(place: Workplace) -> None:
    asked = [Asked(number, event_us=NOW_US + number, key=f"k{number}") for number in range(1, 6)]
    taken_in(
        place,
        asked,
        truth=[
            [outcome_of("1", prediction_id=asked[0].prediction_id)],
            [outcome_of("1", key="k2", event_us=NOW_US + 2)],
            [outcome_of("1", key="k3")],
            [outcome_of("1", prediction_id=asked[3].prediction_id, labelled_us=NOW_US + 999)],
        ],
    )
    with place.database.reading() as connection:
        everything = processed_since(connection, 0)
        assert processed_since(connection, max(everything.values()) + 1) == {}
    truths = {
        file.path.stem.rpartition("_")[2]
        for file in place.lake.truth_files(MODEL, start_us=0, end_us=1 << 62, known_until_us=None)
    }
    assert truths < set(everything)

    def told(segments: Collection[str], before_us: int) -> set[int]:
        found = times_told(place.lake, MODEL, segments, since_us=0, before_us=before_us, known_until_us=NOW_US + 9)
        return {int(moment) - NOW_US for moment in found}

    assert told(truths, NOW_US + 100) == {1, 2, 3}
    assert told(truths, NOW_US + 2) == {1}
    assert told(set(everything) - truths, NOW_US + 100) == {1, 2, 3, 4, 5}
    assert told((), NOW_US + 100) == set()


def test_an_outcome_that_measures_nothing_takes_no_rows_place_and_silences_no_mean() -> None:
    rows = pl.DataFrame({ROW: [0, 1, 2, 3], "prediction_id": list("abcd"), "event_us": [1, 2, 3, 4]}).with_columns(
        pl.col(ROW).cast(pl.UInt32), record_key=pl.lit(None, pl.String), prediction=pl.lit(1.0)
    )
    said = [("a", "1e308"), ("a", "5"), ("b", "-1e51"), ("c", "nan"), ("d", "1e50")]
    truth = pl.DataFrame(
        [(told, None, None, text, moment, moment) for moment, (told, text) in enumerate(reversed(said))],
        schema=TRUTH,
        orient="row",
    )
    found = newest_told(rows, [truth])
    assert dict(zip(found[ROW], found["truth"], strict=True)) == {0: 5.0, 3: 1e50}
