from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trimtab.rollout.units import (
    GRACE_US,
    AnsweredRows,
    due_rows,
    first_of_keys,
    loss_units,
    means,
    passed,
    units_of,
)

SECOND_US = 1_000_000


@dataclass(frozen=True)
class Row:
    received_us: int
    request: str = "r"
    generation: int = 2
    candidate: bool = False
    key: str = ""
    labelled_us: int = 0
    event_us: int | None = None


def rows_of(rows: Sequence[Row]) -> AnsweredRows:
    ordered = sorted(rows, key=lambda row: (row.received_us, row.request))
    candidate = np.array([row.candidate for row in ordered], dtype=np.bool_)
    return AnsweredRows(
        request_id=np.array([row.request for row in ordered], dtype=np.str_),
        received_us=np.array([row.received_us for row in ordered], dtype=np.int64),
        event_us=np.array([row.event_us or row.received_us for row in ordered], dtype=np.int64),
        generation=np.array([row.generation for row in ordered], dtype=np.int64),
        is_candidate=candidate,
        probability=np.where(candidate, 0.25, 0.25),
        key=np.array([row.key for row in ordered], dtype=np.str_),
        labelled_us=np.array([row.labelled_us for row in ordered], dtype=np.int64),
    )


def test_a_request_is_one_unit_with_the_mean_of_its_rows() -> None:
    rows = rows_of([Row(1, "a"), Row(1, "a"), Row(1, "b"), Row(2, "a"), Row(2, "a", candidate=True)])
    units = units_of(rows, np.zeros(5, dtype=np.bool_))
    assert units.of_row.tolist() == [0, 0, 1, 2, 3], "one id at two times is two requests"
    found = means(np.array([1.0, 0.0, np.nan, 1.0, 0.0]), units)
    np.testing.assert_array_equal(found, [0.5, np.nan, 1.0, 0.0])


def test_units_have_their_turn_in_the_order_of_receipt_and_an_open_one_stops_those_behind() -> None:
    rows = rows_of([Row(1, labelled_us=9), Row(2, labelled_us=9), Row(3), Row(4, labelled_us=9)])
    units = units_of(rows, np.zeros(4, dtype=np.bool_))
    turn, until_us = passed(units, after_us=0, settled_us=9)
    assert (turn.tolist(), until_us) == ([True, True, False, False], 2)
    units = units_of(rows, np.array([False, False, True, False]))
    turn, until_us = passed(units, after_us=2, settled_us=9)
    assert (turn.tolist(), until_us) == ([False, False, True, True], 4), "what is due is waited for no longer"


def test_what_came_at_the_same_time_as_an_open_one_waits_with_it() -> None:
    rows = rows_of([Row(1, "a", labelled_us=9), Row(2, "a", labelled_us=9), Row(2, "b")])
    turn, until_us = passed(units_of(rows, np.zeros(3, dtype=np.bool_)), after_us=0, settled_us=9)
    assert (turn.tolist(), until_us) == ([True, False, False], 1)


def test_an_outcome_that_claims_to_be_of_the_future_ends_no_wait() -> None:
    rows = rows_of([Row(1, labelled_us=10**15), Row(2)])
    assert due_rows(rows, label_delay_us=SECOND_US, now_us=9 * SECOND_US).tolist() == [False, False]


def test_an_infinite_loss_is_told_as_its_unit_s_and_one_that_the_metric_leaves_out_is_not() -> None:
    rows = rows_of([Row(1, "a", labelled_us=9), Row(1, "a", labelled_us=9), Row(2, labelled_us=9)])
    units = units_of(rows, np.zeros(3, dtype=np.bool_))
    values = means(np.array([1.0, np.inf, np.nan]), units)
    [unit] = loss_units(units, {"mape": values}, np.array([True, True]))[2]["mape"]
    assert unit.loss == np.inf


def test_one_that_has_just_come_has_its_turn_later_in_its_order() -> None:
    units = units_of(rows_of([Row(1, labelled_us=9), Row(3, labelled_us=9)]), np.zeros(2, dtype=np.bool_))
    turn, until_us = passed(units, after_us=0, settled_us=2)
    assert (turn.tolist(), until_us) == ([True, False], 1)
    # Received before the other, it came here after it.
    rows = rows_of([Row(1, labelled_us=9), Row(2, labelled_us=9), Row(3, labelled_us=9)])
    turn, until_us = passed(units_of(rows, np.zeros(3, dtype=np.bool_)), after_us=until_us, settled_us=3)
    assert (turn.tolist(), until_us) == ([False, True, True], 3)


def test_nothing_is_no_unit() -> None:
    rows = rows_of([])
    units = units_of(rows, due_rows(rows, label_delay_us=0, now_us=5))
    turn, until_us = passed(units, after_us=7, settled_us=9)
    assert (turn.tolist(), until_us) == ([], 7)
    assert first_of_keys(units, turn).tolist() == []
    assert loss_units(units, {"accuracy": means(np.zeros(0), units)}, turn) == {}


def test_an_outcome_is_due_by_the_clock_or_as_the_outcomes_themselves_tell_the_time() -> None:
    delay_us, late_us = 3600 * SECOND_US, 3600 * SECOND_US + GRACE_US
    now_us = 10 * late_us
    old, young = Row(now_us - late_us), Row(now_us - late_us + 1)
    assert due_rows(rows_of([old, young]), label_delay_us=delay_us, now_us=now_us).tolist() == [True, False]
    # Days that are told again within seconds: the newest outcome is of an hour that comes long after.
    replayed = [Row(now_us - 5, event_us=1_000), Row(now_us - 4, event_us=9 * late_us)]
    told = Row(now_us - 3, event_us=3 * late_us, labelled_us=1_000 + late_us)
    found = due_rows(rows_of([*replayed, told]), label_delay_us=delay_us, now_us=now_us)
    assert found.tolist() == [True, False, False]


def test_a_key_counts_once_a_generation_and_what_bears_none_each_time() -> None:
    rows = rows_of(
        [Row(1, key="k"), Row(2, key="k"), Row(3, key="k", generation=3), Row(4), Row(5), Row(6, key="other")]
    )
    units = units_of(rows, np.zeros(6, dtype=np.bool_))
    everything = np.ones(6, dtype=np.bool_)
    assert first_of_keys(units, everything).tolist() == [True, False, True, True, True, True]
    behind = np.array([False, True, True, True, True, True])
    assert first_of_keys(units, behind).tolist() == [False, True, True, True, True, True]


@given(
    labelled=st.lists(st.booleans(), max_size=12),
    looks=st.lists(st.integers(0, 12), max_size=6).map(sorted),
)
def test_each_unit_has_its_turn_once_however_often_one_looks(labelled: list[bool], looks: list[int]) -> None:
    """Outcomes become known one after another; what is open at the end is due then."""
    count, after_us, taken = len(labelled), 0, np.zeros(len(labelled), dtype=np.int64)
    for known in [*looks, count]:
        rows = [Row(place + 1, labelled_us=9 if place < known and labelled[place] else 0) for place in range(count)]
        due = np.full(count, known == count)
        turn, after_us = passed(units_of(rows_of(rows), due), after_us=after_us, settled_us=count)
        taken += turn
    assert taken.tolist() == [1] * count


def test_units_are_told_by_generation_without_those_that_have_no_loss() -> None:
    rows = rows_of([Row(1), Row(2, candidate=True), Row(3, generation=3)])
    units = units_of(rows, np.zeros(3, dtype=np.bool_))
    losses = {"accuracy": np.array([1.0, np.nan, 0.5])}
    found = loss_units(units, losses, np.array([True, True, True]))
    assert {generation: [unit.loss for unit in by["accuracy"]] for generation, by in found.items()} == {
        2: [1.0],
        3: [0.5],
    }
