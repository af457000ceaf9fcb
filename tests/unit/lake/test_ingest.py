from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select, update
from tests.conftest import BOTH
from tests.unit.lake.heart import (
    CONTEXT,
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

from trimtab.core.errors import BackendError, DataContractError
from trimtab.db.engine import Connection
from trimtab.db.tables import delivery, profile, queue_message
from trimtab.lake.deliveries import (
    DeliveryState,
    accept_file,
    find_delivery,
    judge_again,
    recent_deliveries,
    resend_unqueued,
)
from trimtab.lake.feeds import quarantine_feed, release_feed
from trimtab.lake.ingest import Ingest, ModelContext, Processed
from trimtab.lake.intake import take_in
from trimtab.lake.profile_store import load_profiles
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.records.segments import write_segment


def accepted(place: Workplace, name: str, content: str | bytes, feed: str | None = None) -> str:
    path = place.deliver(name, content)
    return accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, feed=feed, now=NOW).id


def shipped(place: Workplace, *tables: pa.Table) -> int:
    for table in tables:
        write_segment(place.root / "intake", table)
    return take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)


def quarantine_of(place: Workplace, processed: Processed) -> pa.Table:
    assert processed.quarantine_path is not None
    return pq.read_table(place.lake.absolute(processed.quarantine_path))


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


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_row_left_without_a_message_is_announced_again(place: Workplace) -> None:
    class Lost(type(place.queue)):  # type: ignore[misc]
        def send(self, topic: str, body: dict[str, object], dedup_key: str) -> bool:
            raise BackendError("queue: gone; the same call may be repeated")

    path = place.deliver("rows.csv", csv_of(good_rows(3)))
    with pytest.raises(BackendError):
        accept_file(place.database, place.lake, Lost(place.database), model=MODEL, path=path, now=NOW)
    assert place.ingest().process_some(now=NOW) == []

    assert resend_unqueued(place.database, place.queue) == 1
    assert resend_unqueued(place.database, place.queue) == 0
    assert len(place.ingest().process_some(now=NOW)) == 1


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_what_the_callback_writes_and_the_state_are_one_transaction(place: Workplace) -> None:
    accepted(place, "rows.csv", csv_of(good_rows(3)))

    def refuse(_connection: Connection, _processed: Processed) -> None:
        raise ValueError("no")

    assert place.ingest(on_processed=refuse).process_some(now=NOW) == []
    with place.database.reading() as connection:
        (waiting,) = recent_deliveries(connection)
        assert waiting.state is DeliveryState.RECEIVED
        assert connection.execute(select(queue_message.c.attempts)).scalar_one() == 1


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_delivery_that_no_attempt_can_process_fails_for_people_to_see(place: Workplace) -> None:
    accepted(place, "rows.csv", csv_of(good_rows(3)))
    with place.database.transaction() as connection:
        connection.execute(queue_message.update().values(attempts=8))

    (done,) = place.ingest().process_some(now=NOW) or place.ingest().process_some(now=NOW)

    assert done.delivery.state is DeliveryState.FAILED
    assert "given up after 8 attempts" in str(done.error)
    assert place.ingest().process_some(now=NOW) == []


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_worker_that_comes_late_changes_nothing(place: Workplace) -> None:
    shipped(place, records_segment([Asked(1), Asked(2)]))

    def overtaken(connection: Connection, processed: Processed) -> None:
        place.told.append(processed)

    first = place.ingest(on_processed=overtaken)
    first.process_some(now=NOW)
    with place.database.transaction() as connection:
        # As if the lease had run out: the message is there again.
        connection.execute(queue_message.update().values(state="pending", leased_until_us=None))

    assert first.process_some(now=NOW + timedelta(minutes=1)) == []
    assert len(place.told) == 1
    with place.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(profile)).scalar_one() == 1
        assert connection.execute(select(func.count()).select_from(delivery)).scalar_one() == 1


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_deliveries_judged_at_once_do_not_both_bring_the_same_key(place: Workplace) -> None:
    accepted(place, "first.csv", csv_of(good_rows(5)))
    other = place.ingest()

    def meanwhile(name: str) -> ModelContext:
        # Between this worker's start and its end another one delivers and processes the same patients.
        if not place.told:
            accepted(place, "second.csv", csv_of([*good_rows(5), *good_rows(1, start=6)]))
            other.process_some(now=NOW)
        return {MODEL: CONTEXT}[name]

    slow = Ingest(
        place.database, place.lake, place.queue, meanwhile, on_processed=lambda _c, done: place.told.append(done)
    )
    slow.process_some(now=NOW)
    deadline = time.monotonic() + 10
    while len(place.told) < 2 and time.monotonic() < deadline:
        other.process_some(now=NOW)
        time.sleep(0.05)

    assert [done.delivery.rows_passed for done in place.told] == [6, 0]
    assert place.told[1].reasons == {"patient_id: processed before": 5}


def test_a_file_that_cannot_be_taken_in_is_refused_at_once(place: Workplace) -> None:
    with pytest.raises(DataContractError, match="no such file"):
        accept_file(place.database, place.lake, place.queue, model=MODEL, path=place.root / "none.csv", now=NOW)
    with pytest.raises(DataContractError, match=r"files of kind '\.xlsx' are not read"):
        accepted(place, "rows.xlsx", b"x")
    with place.database.reading() as connection:
        assert recent_deliveries(connection) == []


def test_a_file_of_another_model_is_another_delivery(place: Workplace) -> None:
    path = place.deliver("rows.csv", csv_of(good_rows(3)))
    first, second = (
        accept_file(place.database, place.lake, place.queue, model=model, path=path, now=NOW) for model in (MODEL, "b")
    )

    assert first.digest == second.digest
    assert first.id != second.id
    assert not second.repeated


@pytest.mark.parametrize("place", BOTH, indirect=True)
@pytest.mark.parametrize("also_delivered", [False, True])
def test_a_worker_that_was_paused_leaves_alone_what_another_has_written_since(
    place: Workplace, also_delivered: bool
) -> None:
    delivered = accepted(place, "rows.csv", csv_of(good_rows(20)))

    def paused(_name: str) -> ModelContext:
        """Come back when the lease has run out, and another worker has done all."""
        if not place.told:
            with place.database.transaction() as connection:
                connection.execute(update(queue_message).values(leased_until_us=0))
            if also_delivered:
                accepted(place, "others.csv", csv_of(good_rows(5, start=100)))
            place.ingest().process_some(now=NOW)
        return CONTEXT

    late = Ingest(place.database, place.lake, place.queue, paused, on_processed=lambda *_: pytest.fail("it is done"))

    assert late.process_some(now=NOW) == []
    with place.database.reading() as connection:
        found = find_delivery(connection, delivered)
        assert set(connection.execute(select(queue_message.c.state)).scalars()) == {"done"}
    assert (found.state, found.rows_passed, found.rows_quarantined) == (DeliveryState.PROCESSED, 20, 0)
    assert _table_rows(place, found.digest) == 20
    assert not place.lake.quarantined_table(MODEL, found.digest).exists()


def _table_rows(place: Workplace, digest: str) -> int:
    """Return how many rows of a delivered file are read now."""
    return int(pq.read_table(place.lake.tables_at_hand(MODEL, [digest])[digest], partitioning=None).num_rows)


def _record_rows(place: Workplace) -> int:
    files = place.lake.record_files(MODEL, start_us=0, end_us=1 << 62)
    return sum(pq.read_table(file.path, partitioning=None).num_rows for file in files)


class _PausedInAWrite(FolderStorage):
    """A folder whose writer is stopped with the first file in its hand, until others have been at work."""

    meanwhile: Callable[[], None] | None = None

    def store(self, name: str, content: bytes) -> None:
        if self.meanwhile is not None and name.startswith("processed/"):
            work, self.meanwhile = self.meanwhile, None
            work()
        super().store(name, content)


@pytest.mark.parametrize("place", BOTH, indirect=True)
@pytest.mark.parametrize("kind", ["table", "records"])
def test_a_worker_that_was_paused_inside_a_write_changes_nothing_that_is_read(place: Workplace, kind: str) -> None:
    if kind == "table":
        delivered = accepted(place, "rows.csv", csv_of(good_rows(20)))
    else:
        shipped(place, records_segment([Asked(number, chol=180.0 + 10 * number) for number in range(20)]))
        (delivered,) = (each.id for each in place.database.read(recent_deliveries))
    chol = CONTRACT.columns["chol"].model_copy(update={"max": 190})
    mended = CONTRACT.model_copy(update={"columns": {**CONTRACT.columns, "chol": chol}})

    def lease_runs_out() -> None:
        with place.database.transaction() as connection:
            connection.execute(update(queue_message).values(leased_until_us=0))
        place.ingest(ModelContext(MODEL_CONFIG, mended, 3600)).process_some(now=NOW)

    storage = _PausedInAWrite(place.root / "lake")
    storage.meanwhile = lease_runs_out
    late = Ingest(
        place.database,
        Lake(storage),
        place.queue,
        {MODEL: CONTEXT}.__getitem__,
        on_processed=lambda *_: pytest.fail("x"),
    )
    assert late.process_some(now=NOW) == []

    found = place.database.read(lambda connection: find_delivery(connection, delivered))
    (told,) = place.told
    assert 0 < (found.rows_passed or 0) < 20
    assert (_table_rows(place, found.digest) if kind == "table" else _record_rows(place)) == found.rows_passed
    assert quarantine_of(place, told).num_rows == found.rows_quarantined
    assert place.database.read(lambda c: set(c.execute(select(queue_message.c.state)).scalars())) == {"done"}


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_what_is_judged_again_leaves_one_edition_of_its_files(place: Workplace) -> None:
    shipped(place, records_segment([Asked(1), Asked(2, chol=2000.0), Asked(3)]))
    for _ in range(3):
        place.ingest().process_some(now=NOW)
        assert _record_rows(place) == 2
        assert len(list((place.lake.root / "processed/records").rglob("*.parquet"))) == 1
        assert quarantine_of(place, place.told[-1]).num_rows == 1
        assert len(list((place.lake.root / "quarantine/records").rglob("*.parquet"))) == 1
        with place.database.transaction() as connection:
            assert judge_again(connection, MODEL) == 1
        resend_unqueued(place.database, place.queue)
    assert len(place.told) == 3
