"""A few rows at random of all that was answered; what delivered tables say of the rows' keys."""

from __future__ import annotations

import os

import numpy as np
import pytest
from sqlalchemy import update
from tests.unit.lake.heart import HOUR_US, MODEL, NOW, NOW_US, Asked, Workplace, accepted, csv_of, records_segment

from trimtab.db.tables import delivery
from trimtab.lake.attributes import delivered_columns
from trimtab.lake.intake import take_in
from trimtab.lake.sampled import sample_rows
from trimtab.records.segments import write_segment


def take(place: Workplace, *segments: list[Asked], variant: str = "v1") -> None:
    for number, asked in enumerate(segments):
        write_segment(place.root / "intake", records_segment(asked, variant=variant, part=f"{variant}{number}"))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)


def ages(place: Workplace, most: int, *, seed: int = 0, end_us: int = NOW_US + HOUR_US) -> list[float]:
    found = sample_rows(
        place.lake,
        MODEL,
        start_us=NOW_US,
        end_us=end_us,
        variant="v1",
        model_version=1,
        features=["age", "never"],
        most=most,
        rng=np.random.default_rng(seed),
    )
    assert found.column_names in (["age"], [])
    return [float(age) for age in found["age"].to_pylist()] if found.num_columns else []


def test_each_row_of_the_variant_is_drawn_as_often_as_any_other(place: Workplace) -> None:
    few = [Asked(number, age=20.0 + number, event_us=NOW_US + number) for number in range(5)]
    many = [Asked(number, age=20.0 + number, event_us=NOW_US + number) for number in range(5, 40)]
    take(place, few, many)
    take(place, [Asked(99, age=99.0)], variant="other")
    assert sorted(ages(place, 100)) == [20.0 + number for number in range(40)]
    assert ages(place, 8) == ages(place, 8)
    assert sorted(ages(place, 100, end_us=NOW_US + 3)) == [20.0, 21.0, 22.0]
    drawn = np.bincount([int(age) - 20 for seed in range(100) for age in ages(place, 8, seed=seed)], minlength=40)
    assert drawn.sum() == 100 * 8
    assert drawn.min() > 5
    assert drawn.max() < 45


def test_nothing_answered_gives_no_rows(place: Workplace) -> None:
    assert ages(place, 5) == []


def columns(place: Workplace, keys: list[str | None]) -> dict[str, list[object]]:
    found = delivered_columns(
        place.database, place.lake, model=MODEL, key="patient_id", columns=["sex", "none"], keys=keys
    )
    return {name: values.to_pylist() for name, values in found.items()}


def test_the_table_delivered_last_says_what_a_row_belongs_to(place: Workplace) -> None:
    assert columns(place, ["7"]) == {}
    accepted(place, "first.csv", csv_of(["7,63,male,233,normal,0", "8,63,female,233,normal,0"]))
    place.ingest().process_some(now=NOW)
    assert columns(place, ["8", None, "7", "9", "8"]) == {"sex": ["female", None, "male", None, "female"]}


@pytest.mark.parametrize("keys", [[], [None]])
def test_rows_without_keys_belong_to_nothing(place: Workplace, keys: list[str | None]) -> None:
    accepted(place, "first.csv", csv_of(["7,63,male,233,normal,0"]))
    place.ingest().process_some(now=NOW)
    assert columns(place, keys) == {"sex": [None] * len(keys)}


def test_a_table_is_read_once_and_one_that_is_delivered_later_is_added(place: Workplace) -> None:
    accepted(place, "first.csv", csv_of(["7,63,male,233,normal,0"]))
    place.ingest().process_some(now=NOW)
    assert columns(place, ["7"]) == {"sex": ["male"]}
    (table,) = (place.root / "lake" / "processed" / "tables" / MODEL).glob("*.parquet")
    with place.database.transaction() as connection:
        connection.execute(update(delivery).values(received_us=NOW_US - 1))
    accepted(place, "second.csv", csv_of(["8,63,female,233,normal,0"]))
    place.ingest().process_some(now=NOW)
    before = table.stat()
    # To be read again would be to fail.
    table.write_bytes(b"x" * before.st_size)
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert columns(place, ["7", "8"]) == {"sex": ["male", "female"]}
