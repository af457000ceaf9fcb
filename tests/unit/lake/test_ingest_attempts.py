from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select, update
from tests.conftest import BOTH
from tests.unit.lake.heart import (
    CONTEXT,
    CONTRACT,
    MODEL,
    MODEL_CONFIG,
    NOW,
    Asked,
    Workplace,
    accepted,
    csv_of,
    good_rows,
    quarantine_of,
    records_segment,
    shipped,
)

from trimtab.core.clock import to_micros
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
from trimtab.lake.ingest import Ingest, ModelContext, Processed
from trimtab.lake.profile_rollup import roll_up
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake


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


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_what_is_judged_again_after_its_profiles_were_folded_counts_once(place: Workplace) -> None:
    shipped(place, records_segment([Asked(1), Asked(2, chol=2000.0)]))
    shipped(place, records_segment([Asked(3)]))
    place.ingest().process_some(now=NOW)
    now_us = to_micros(NOW) + 3 * 3_600_000_000
    assert roll_up(place.database, MODEL, since_us=to_micros(NOW), now_us=now_us) == 1
    with place.database.transaction() as connection:
        assert judge_again(connection, MODEL) == 1
    resend_unqueued(place.database, place.queue)
    assert len(place.ingest().process_some(now=NOW)) == 1
    assert place.database.read(lambda c: c.execute(select(profile.c.rows)).scalars().all()) == [3]
