"""Windows are read in parts: what has no outcome is counted, and what is drawn hangs on the rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
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

from trimtab.lake import matching
from trimtab.lake.answered_windows import Answerer, drawn_rows, labelled_spans, sizes_of
from trimtab.lake.intake import take_in
from trimtab.lake.storage.base import StoredFile
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.records.schema import TruthFrame
from trimtab.records.segments import write_segment

WHO = Answerer(MODEL, "v1", 1)
ROWS = [
    Asked(number, key=f"k{number}", event_us=NOW_US + number, prediction=str(int(number % 4 == 0)))
    for number in range(40)
]


def take(place: Workplace, *segments: Sequence[Asked], truth: Sequence[Sequence[TruthFrame]] = ()) -> None:
    for number, asked in enumerate(segments):
        write_segment(place.root / "intake", records_segment(asked, part=str(number)))
    for number, frames in enumerate(truth):
        write_segment(place.root / "intake", truth_segment(frames, part=str(number)))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    while place.ingest().process_some(now=NOW):
        pass


def told(number: int, truth: str, known: int = 99) -> TruthFrame:
    return outcome_of(truth, prediction_id=ROWS[number].prediction_id, labelled_us=NOW_US + known)


class Watched(FolderStorage):
    """A storage that remembers what was fetched from it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[str] = []

    def fetch(self, files: Sequence[StoredFile]) -> list[Path]:
        self.fetched.extend(file.name for file in files)
        return super().fetch(files)


@pytest.mark.parametrize("part_rows", [3, 500_000])
def test_labelled_rows_of_several_windows_come_with_how_all_were_answered(
    place: Workplace, part_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "PART_ROWS", part_rows)
    take(place, ROWS[:15], ROWS[15:], truth=[[told(1, "0"), told(22, "1"), told(3, "1", 500)], [told(1, "1", 100)]])
    spans = [(NOW_US, NOW_US + 20), (NOW_US + 20, NOW_US + 30), (NOW_US + 10, NOW_US + 25)]

    first, second, across = labelled_spans(place.lake, WHO, spans, known_until_us=NOW_US + 200, features=["chol"])

    assert first.table.select(["record_key", "truth", "labelled_us", "chol"]).to_pylist() == [
        {"record_key": "k1", "truth": "1", "labelled_us": NOW_US + 100, "chol": 220.0}
    ]
    assert (first.answered, first.answered_as) == (20, {"0": 15, "1": 5})
    assert (second.answered, second.table["truth"].to_pylist()) == (10, ["1"])
    assert (across.answered, across.table["record_key"].to_pylist()) == (15, ["k22"])


def test_nothing_answered_is_an_empty_window(place: Workplace) -> None:
    (found,) = labelled_spans(place.lake, WHO, [(NOW_US, NOW_US + 9)], known_until_us=NOW_US)
    assert (found.answered, found.answered_as, found.table.num_rows) == (0, {}, 0)
    assert {"truth", "labelled_us", "prediction", "event_us"} <= set(found.table.column_names)
    assert labelled_spans(place.lake, WHO, [], known_until_us=NOW_US) == []
    table, answered = drawn_rows(place.lake, WHO, (NOW_US, NOW_US + 9), most=5)
    assert (table.num_rows, answered) == (0, 0)


def test_other_versions_and_variants_are_not_among_the_answers(place: Workplace) -> None:
    take(place, ROWS[:4])
    for other in (Answerer(MODEL, "v2", 1), Answerer(MODEL, "v1", 2)):
        assert drawn_rows(place.lake, other, (NOW_US, NOW_US + 9), most=5)[1] == 0


@pytest.mark.parametrize("part_rows", [3, 500_000])
def test_a_draw_hangs_on_the_rows_alone_and_the_smaller_is_part_of_the_larger(
    place: Workplace, part_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "PART_ROWS", part_rows)
    take(place, ROWS[:33], ROWS[33:])

    def drawn(most: int) -> list[int]:
        table, answered = drawn_rows(place.lake, WHO, (NOW_US, NOW_US + HOUR_US), most=most, features=["age"])
        assert (answered, table["age"].null_count) == (40, 0)
        times: list[int] = table["event_us"].to_pylist()
        assert times == sorted(times)
        return times

    assert len(drawn(5)) == 5
    assert set(drawn(5)) < set(drawn(12)) < set(drawn(100))
    assert drawn(100) == [row.event_us for row in ROWS]


def test_only_the_files_of_the_windows_are_fetched_and_outcomes_once_for_all(place: Workplace) -> None:
    day_us = 24 * HOUR_US
    days = [[Asked(number, event_us=NOW_US + number * day_us)] for number in range(60)]
    known = [outcome_of("1", prediction_id=day[0].prediction_id, labelled_us=day[0].event_us + 1) for day in days]
    take(place, *days, truth=[[one] for one in known])
    storage = Watched(place.root / "lake")
    spans = [(NOW_US + day * day_us, NOW_US + (day + 1) * day_us) for day in (55, 57, 59)]

    found = labelled_spans(Lake(storage), WHO, spans, known_until_us=NOW_US + 90 * day_us)

    assert [one.table.num_rows for one in found] == [1, 1, 1]
    records = [name for name in storage.fetched if "/records/" in name]
    truths = [name for name in storage.fetched if "/truth/" in name]
    assert len(records) == 3
    # What was known more than a month before the first window cannot be about it; nothing is fetched twice.
    assert len(truths) == len(set(truths)) == 60 - (55 - 31)
    sizes = sizes_of(Lake(storage), MODEL, [*spans, (0, NOW_US)])
    assert (min(sizes[:3]) > 0, sizes[3]) == (True, 0)
