"""The evidence of a period changes with what is known of its rows, and with nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.lake.heart import MODEL, NOW, NOW_US, Asked, Workplace, outcome_of, records_segment, truth_segment

from trimtab.lake.evidence import PeriodEvidence, period_evidence
from trimtab.lake.intake import take_in
from trimtab.records.schema import TruthFrame
from trimtab.records.segments import write_segment

ASKED = [Asked(number, key=f"k{number}", event_us=NOW_US + number) for number in range(6)]
FIRST, SECOND = (NOW_US, NOW_US + 3), (NOW_US + 3, NOW_US + 6)


def told(number: int, truth: str, known: int) -> TruthFrame:
    return outcome_of(truth, prediction_id=ASKED[number].prediction_id, labelled_us=NOW_US + known)


def take(place: Workplace, *truths: Sequence[TruthFrame], part: str = "") -> None:
    for number, frames in enumerate(truths):
        write_segment(place.root / "intake", truth_segment(frames, part=f"{part}{number}"))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)


@pytest.fixture
def asked(place: Workplace) -> Workplace:
    for number, rows in enumerate((ASKED[:4], ASKED[4:])):
        write_segment(place.root / "intake", records_segment(rows, part=str(number)))
    take(place)
    return place


def seen(place: Workplace, known: int) -> list[PeriodEvidence]:
    return period_evidence(place.lake, MODEL, [FIRST, SECOND], known_until_us=NOW_US + known)


def test_an_outcome_changes_the_evidence_of_its_own_period(asked: Workplace) -> None:
    assert [(one.rows, one.digest) for one in seen(asked, 50)] == [(0, 0), (0, 0)]
    take(asked, [told(0, "1", 10), told(4, "1", 11)], part="a")
    before = seen(asked, 50)
    assert [one.rows for one in before] == [1, 1]
    take(asked, [told(5, "0", 12)], part="b")
    after = seen(asked, 50)
    assert after[0] == before[0]
    assert (after[1].rows, after[1].digest == before[1].digest) == (2, False)


def test_a_repetition_changes_nothing_and_a_correction_does(asked: Workplace) -> None:
    take(asked, [told(0, "1", 10)], part="a")
    before = seen(asked, 50)
    take(asked, [told(0, "1", 20)], [outcome_of("1", key="nobody", labelled_us=NOW_US + 20)], part="b")
    assert seen(asked, 50) == before
    take(asked, [told(0, "0", 30)], part="c")
    assert seen(asked, 50)[0].digest != before[0].digest
    assert 0 < before[0].digest < 1 << 63


def test_an_outcome_known_later_counts_from_then_on_though_its_file_was_there_before(asked: Workplace) -> None:
    take(asked, [told(0, "1", 10), told(1, "1", 40)], part="a")
    early, late = seen(asked, 30), seen(asked, 40)
    assert (early[0].rows, late[0].rows) == (1, 2)
    assert early[0].digest != late[0].digest


def test_any_order_of_files_gives_the_same(tmp_path: Path) -> None:
    outcomes = [[told(0, "1", 10), told(3, "1", 12)], [told(0, "0", 30)], [told(1, "0", 20), told(4, "1", 5)]]
    found = set()
    for name, order in (("one", (0, 1, 2)), ("other", (2, 1, 0))):
        place = Workplace.at(tmp_path / name)
        write_segment(place.root / "intake", records_segment(ASKED))
        for number in order:
            take(place, outcomes[number], part=str(number))
        found.add(tuple(seen(place, 50)))
        place.database.close()
    assert len(found) == 1
    assert [one.rows for one in next(iter(found))] == [2, 2]


def test_no_period_has_no_evidence(place: Workplace) -> None:
    assert period_evidence(place.lake, MODEL, [], known_until_us=NOW_US) == []
