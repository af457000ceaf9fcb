from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from tests.conftest import BOTH
from tests.unit.lake.heart import (
    CONTRACT,
    HOUR_US,
    MODEL,
    MODEL_CONFIG,
    NOW,
    NOW_US,
    Asked,
    Workplace,
    csv_of,
    good_rows,
    outcome_of,
    records_segment,
    truth_segment,
)

from trimtab.config.columns import ColumnContract, ContractConfig
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.lake.deliveries import accept_file
from trimtab.lake.feeds import quarantine_feed
from trimtab.lake.intake import take_in
from trimtab.lake.learnable import learnable_rows
from trimtab.lake.snapshots import Snapshot, find_snapshot, make_snapshot
from trimtab.records.segments import write_segment


def delivered(place: Workplace, *files: Sequence[str]) -> None:
    for rows in files:
        path = place.deliver(f"{abs(hash(tuple(rows)))}.csv", csv_of(rows))
        accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, now=NOW)
        place.ingest().process_some(now=NOW)


def answered(place: Workplace, asked: Sequence[Asked], truth: str = "1") -> None:
    """Take in these requests, and their outcomes as known an hour after each."""
    write_segment(place.root / "intake", records_segment(asked))
    outcomes = [
        outcome_of(truth, prediction_id=each.prediction_id, labelled_us=each.event_us + HOUR_US) for each in asked
    ]
    write_segment(place.root / "intake", truth_segment(outcomes, part=str(asked[0].number)))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)


def snapshot(
    place: Workplace,
    *,
    contract: ContractConfig = CONTRACT,
    until_us: int | None = None,
    recent_share: float | None = None,
    hold_out: timedelta | None = None,
    hours_later: int = 100,
) -> Snapshot:
    return make_snapshot(
        place.database,
        place.lake,
        model=MODEL_CONFIG,
        contract=contract,
        endpoint=MODEL,
        until_us=until_us,
        recent_share=recent_share,
        hold_out=hold_out,
        now=NOW + timedelta(hours=hours_later),
    )


def test_delivered_rows_become_a_version_that_dvc_knows(place: Workplace) -> None:
    delivered(place, good_rows(10))

    made = snapshot(place)

    table = pq.read_table(made.path)
    assert made.rows == table.num_rows == 10
    assert table.column_names == [*CONTRACT.columns, "@event_us", "@origin"]
    assert table["patient_id"].to_pylist() == list(range(1, 11))
    assert made.path.name == "rows.parquet"
    tracked = yaml.safe_load(made.path.parent.with_suffix(".dvc").read_text())
    assert tracked["outs"][0]["md5"] == made.dataset_hash
    cached = place.lake.root / ".dvc" / "cache" / "files" / "md5"
    assert (cached / made.dataset_hash[:2] / made.dataset_hash[2:]).is_file()
    with place.database.reading() as connection:
        assert find_snapshot(connection, place.lake, made.id) == made


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_the_same_rows_are_one_snapshot_whatever_way_they_came(place: Workplace, tmp_path: Path) -> None:
    rows = good_rows(10)
    delivered(place, rows)
    other = Workplace.at(tmp_path / "other")
    delivered(other, rows[5:][::-1], rows[:5])

    first, again, elsewhere = snapshot(place), snapshot(place, hours_later=101), snapshot(other)

    assert again.id == first.id
    assert elsewhere.dataset_hash == first.dataset_hash
    other.database.close()


def test_labelled_production_rows_join_and_delivered_ones_win(place: Workplace) -> None:
    delivered(place, good_rows(5))
    answered(place, [Asked(number, event_us=NOW_US + number, key=str(number), age=99) for number in (4, 5, 6, 7)])

    table = pq.read_table(snapshot(place).path)

    by_id = {row["patient_id"]: row for row in table.to_pylist()}
    assert sorted(by_id) == [1, 2, 3, 4, 5, 6, 7]
    assert [by_id[number]["@origin"] for number in (5, 6)] == ["delivery", "production"]
    assert by_id[5]["age"] == 35
    assert by_id[6] | {"chol": 220.0} == {
        "patient_id": 6,
        "age": 99,
        "sex": "male",
        "chol": 220.0,
        "thal": None,
        "disease": "1",
        "@event_us": NOW_US + 6,
        "@origin": "production",
    }


def test_rows_without_an_outcome_with_a_later_one_or_with_an_impossible_one_are_left_out(place: Workplace) -> None:
    delivered(place, good_rows(2))
    answered(place, [Asked(10, key="10")])
    answered(place, [Asked(20, key="20")], truth="maybe")
    answered(place, [Asked(30, key="30", event_us=NOW_US + 200 * HOUR_US)])
    write_segment(place.root / "intake", records_segment([Asked(40, key="40")]))
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    place.ingest().process_some(now=NOW)

    made = snapshot(place)

    assert pq.read_table(made.path)["patient_id"].to_pylist() == [10, 1, 2]
    assert made.spec["contract"]["left_out"] == 1


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_rows_of_a_quarantined_feed_are_not_learnt_from_though_they_passed(place: Workplace) -> None:
    asked = [Asked(number, event_us=NOW_US + number, key=str(number), source="clinic-b") for number in range(10)]
    answered(place, asked)
    with place.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic-b", since_us=NOW_US + 6, reason="units", at_us=NOW_US)

    made = snapshot(place)

    assert pq.read_table(made.path)["patient_id"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert made.spec["contract"]["quarantined_feed"] == 4


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_until_is_exclusive(place: Workplace) -> None:
    answered(place, [Asked(number, event_us=NOW_US + number, key=str(number)) for number in range(10)])

    made = snapshot(place, until_us=NOW_US + 4)

    assert (made.rows, made.span_start_us, made.span_end_us) == (4, NOW_US, NOW_US + 3)


def test_the_most_recent_production_rows_are_held_out_and_nowhere_else(place: Workplace) -> None:
    delivered(place, good_rows(5))
    answered(place, [Asked(number, event_us=NOW_US - number, key=str(number)) for number in range(10, 20)])

    made = snapshot(place, recent_share=0.25)

    assert made.recent_path is not None
    recent = pq.read_table(made.recent_path)
    rows = pq.read_table(made.path)
    assert recent["patient_id"].to_pylist() == [11, 10]
    assert (made.rows, made.recent_rows) == (13, 2)
    assert not set(recent["patient_id"].to_pylist()) & set(rows["patient_id"].to_pylist())
    assert recent.schema == rows.schema
    assert snapshot(place, recent_share=0.5).dataset_hash != made.dataset_hash


@pytest.mark.parametrize(
    ("rows", "hours", "held"),
    [(2000, 300, 300), (2000, 100, 200), (2000, 900, 400), (50, 1, 10), (4, 1, 0)],
    ids=["the newest period", "at least 200 rows", "at most a fifth", "a fifth of few", "none of hardly any"],
)
def test_the_newest_decision_period_is_held_out_within_bounds(
    place: Workplace, rows: int, hours: int, held: int
) -> None:
    delivered(place, good_rows(5))
    asked = [Asked(number, event_us=NOW_US - number * HOUR_US, key=str(number)) for number in range(10, 10 + rows)]
    answered(place, asked)

    made = snapshot(place, hold_out=timedelta(hours=hours), hours_later=100)

    assert (made.rows, made.recent_rows) == (5 + rows - held, held)
    if made.recent_path is not None:
        recent, learnt = pq.read_table(made.recent_path), pq.read_table(made.path)
        produced = learnt.filter(pc.equal(learnt["@origin"], "production"))
        assert pc.min(recent["@event_us"]).as_py() > pc.max(produced["@event_us"]).as_py()


def test_a_stricter_contract_is_heeded_by_the_next_snapshot(place: Workplace) -> None:
    delivered(place, good_rows(10))
    columns = {**CONTRACT.columns, "age": CONTRACT.columns["age"].model_copy(update={"max": 35})}

    made = snapshot(place, contract=CONTRACT.model_copy(update={"columns": columns}))

    assert made.rows == 5
    assert made.spec["contract"]["left_out"] == 5


def test_nothing_to_learn_from_is_said(place: Workplace) -> None:
    with pytest.raises(DataContractError, match="no row to make a snapshot of"):
        snapshot(place)
    assert not (place.lake.root / "snapshots").exists()


def test_rows_are_sorted_by_columns_whatever_their_names_mean_to_arrow(place: Workplace) -> None:
    odd = {name: ColumnContract(type=ColumnKind.NUMBER, nullable=True) for name in (".", "..", ".x", "[0]", "a.b")}
    delivered(place, good_rows(5))
    found = learnable_rows(
        place.database,
        place.lake,
        model=MODEL_CONFIG,
        contract=CONTRACT.model_copy(update={"columns": {**CONTRACT.columns, **odd}}),
        endpoint=None,
        until_us=None,
        known_us=NOW_US,
    )
    assert found.table.num_rows == 5
    assert set(odd) < set(found.table.column_names)
