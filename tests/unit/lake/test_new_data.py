"""What came since a moment: rows that passed, and rows whose outcome nobody had learnt then."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.lake.heart import (
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
    records_segment,
    truth_segment,
)

from trimtab.lake.deliveries import processed_since, rows_since
from trimtab.lake.intake import take_in
from trimtab.lake.labelled import labelled_rows, outcomes_since
from trimtab.records.schema import TruthFrame
from trimtab.records.segments import write_segment

ASKED = [Asked(number, key=f"k{number}", event_us=NOW_US + number) for number in range(1, 7)]
TRAINED_US, END_US = NOW_US + HOUR_US, NOW_US + 9 * HOUR_US


def taken_in(place: Workplace, truth: Sequence[Sequence[TruthFrame]]) -> None:
    write_segment(place.root / "intake", records_segment(ASKED))
    for number, frames in enumerate(truth):
        write_segment(place.root / "intake", truth_segment(frames, part=str(number)))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)


def told(number: int, truth: str, hours: int, *, by_key: bool = False) -> TruthFrame:
    at_us = NOW_US + hours * HOUR_US
    if by_key:
        return outcome_of(truth, key=f"k{number}", labelled_us=at_us)
    return outcome_of(truth, prediction_id=ASKED[number - 1].prediction_id, labelled_us=at_us)


def new_outcomes(place: Workplace, *, since_us: int, known_until_us: int) -> int:
    with place.database.reading() as connection:
        segments = processed_since(connection, 0)
    return outcomes_since(place.lake, MODEL, segments, since_us=since_us, known_until_us=known_until_us)


FILES = (
    [told(1, "1", 0), told(2, "1", 0)],
    # Late, of a row as old as the others; by its key; the first one again; the second one corrected.
    [told(3, "0", 2), told(4, "1", 2, by_key=True), told(1, "1", 2), told(2, "0", 2)],
    # Told to nobody's row; and later than the end.
    [outcome_of("1", key="stranger", labelled_us=NOW_US + 3 * HOUR_US), told(5, "1", 20)],
)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_new_outcomes_are_late_ones_and_corrections_and_no_repetition(place: Workplace, order: Sequence[int]) -> None:
    taken_in(place, [FILES[number] for number in order])
    assert new_outcomes(place, since_us=TRAINED_US, known_until_us=END_US) == 3


def test_before_any_training_every_labelled_row_is_new_and_afterwards_none(place: Workplace) -> None:
    taken_in(place, FILES)
    assert new_outcomes(place, since_us=0, known_until_us=END_US) == 4
    assert new_outcomes(place, since_us=END_US, known_until_us=END_US) == 0


@pytest.mark.parametrize("years", [0, 1, 3])
def test_what_a_training_would_learn_is_new_however_late_it_is_known(place: Workplace, years: int) -> None:
    late_us = NOW_US + years * 365 * 24 * HOUR_US + 5
    id_ = ASKED[0].prediction_id
    taken_in(place, [[outcome_of("1", prediction_id=id_, labelled_us=late_us)]])
    learnt = labelled_rows(place.lake, MODEL, known_until_us=late_us).table.num_rows
    assert new_outcomes(place, since_us=0, known_until_us=late_us) == learnt == 1


def test_where_nothing_was_answered_or_told_nothing_is_new(place: Workplace) -> None:
    assert new_outcomes(place, since_us=0, known_until_us=END_US) == 0
    for number, frames in enumerate(FILES):
        write_segment(place.root / "intake", truth_segment(frames, part=str(number)))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)
    assert new_outcomes(place, since_us=0, known_until_us=END_US) == 0


def test_rows_that_passed_are_counted_from_tables_and_records(place: Workplace) -> None:
    accepted(place, "rows.csv", csv_of([*good_rows(20), "21,300,male,200,normal,1"]))
    taken_in(place, FILES)
    with place.database.reading() as connection:
        # 20 of the 21 delivered, and the 6 answered; outcomes are no rows.
        assert rows_since(connection, MODEL, MODEL, since_us=NOW_US - 1) == 26
        assert rows_since(connection, MODEL, MODEL, since_us=NOW_US) == 0
        assert rows_since(connection, MODEL, "another", since_us=0) == 20


def test_outcomes_that_were_known_long_before_the_rows_are_not_opened(place: Workplace) -> None:
    month_us = 40 * 24 * HOUR_US
    write_segment(place.root / "intake", records_segment([Asked(9, event_us=NOW_US + month_us)], part="later"))
    late = outcome_of("1", prediction_id=Asked(9).prediction_id, labelled_us=NOW_US + month_us + 1)
    taken_in(place, [FILES[0], [late]])
    first, second = place.lake.truth_files(MODEL, start_us=0, end_us=1 << 62, known_until_us=None)
    assert (first.labelled_us, second.labelled_us) == (NOW_US, NOW_US + month_us + 1)
    first.path.write_bytes(b"would fail if it were opened")
    told = {second.path.stem.rpartition("_")[2]}
    assert outcomes_since(place.lake, MODEL, told, since_us=TRAINED_US, known_until_us=NOW_US + 2 * month_us) == 1
