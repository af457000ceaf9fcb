"""A disk without room is waited for: no delivery is used up by it, and each is taken in once there is room."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from tests.full_disk import no_file_above
from tests.unit.lake.heart import MODEL, NOW, Workplace, csv_of

from trimtab.core.errors import BackendError
from trimtab.db.tables import queue_message
from trimtab.files.disk import is_of_the_disk, probe_room
from trimtab.lake.deliveries import DeliveryState, accept_file, recent_deliveries
from trimtab.lake.queues.base import MAX_ATTEMPTS
from trimtab.lake.storage.folder import FolderStorage

_ROOM_BYTES = 900_000
"""Enough for the small database of these tests, and for no table of theirs."""


def _large_rows(count: int = 9_000) -> list[str]:
    """Return rows that keep the contract and cannot be compressed much."""
    words = np.random.default_rng(5).bytes(150 * count)
    thals = [base64.b64encode(words[150 * place : 150 * (place + 1)]).decode() for place in range(count)]
    return [f"{place + 1},50,male,233,{thal},0" for place, thal in enumerate(thals)]


def _states(place: Workplace) -> list[DeliveryState]:
    with place.database.reading() as connection:
        return [each.state for each in recent_deliveries(connection, model=MODEL, limit=10)]


def test_a_delivery_outlasts_a_full_disk_however_often_it_is_tried(place: Workplace) -> None:
    path = place.deliver("rows.csv", csv_of(_large_rows()))
    accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, feed=None, now=NOW)
    ingest = place.ingest()
    with no_file_above(_ROOM_BYTES):
        assert ingest.process_some(now=NOW) == []
        for _ in range(2 * MAX_ATTEMPTS):
            with pytest.raises(BackendError, match=r"lake .*: cannot be read and written .*; make room on its disk"):
                ingest.process_some(now=NOW)
    assert _states(place) == [DeliveryState.RECEIVED]
    assert not list((place.root / "lake" / "processed").rglob("*.parquet")), "half a table was left"

    deadline = time.monotonic() + 100
    while _states(place) != [DeliveryState.PROCESSED]:
        assert time.monotonic() < deadline
        ingest.process_some(now=NOW)
    (done,) = place.told
    assert done.delivery.rows_passed == 9_000


def test_a_message_does_not_die_of_an_outage_and_dies_of_its_own_faults(place: Workplace) -> None:
    place.queue.send("topic", {}, "key")
    now_us = [0]
    queue = type(place.queue)(place.database, lambda: now_us[0])
    now_us[0] = 10**18
    for _ in range(2 * MAX_ATTEMPTS):
        (message,) = queue.receive("topic", limit=1, lease_s=1)
        assert not queue.nack(message, "no room", outage=True)
        now_us[0] += 61_000_000
    attempts = select(queue_message.c.attempts).where(queue_message.c.topic == "topic")
    assert place.database.read(lambda c: c.execute(attempts).scalar_one()) < MAX_ATTEMPTS
    dead = False
    while not dead:
        (message,) = queue.receive("topic", limit=1, lease_s=1)
        dead = queue.nack(message, "its own fault")
        now_us[0] += 61_000_000
    assert message.attempts == MAX_ATTEMPTS


def test_a_folder_without_room_fails_its_check_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "lake")
    with no_file_above(4096), pytest.raises(BackendError, match="make room on its disk"):
        storage.check()
    assert list((tmp_path / "lake").iterdir()) == []
    storage.check()
    assert list((tmp_path / "lake").iterdir()) == []


def test_numpys_short_write_is_known_as_the_disks(tmp_path: Path) -> None:
    with no_file_above(4096), pytest.raises(OSError, match="requested and") as refused:
        np.save(tmp_path / "rows.npy", np.zeros(10_000))
    assert is_of_the_disk(refused.value)
    with no_file_above(4096), pytest.raises(OSError, match="too large"):
        probe_room(tmp_path)


def test_a_fault_that_a_disk_led_to_is_the_disks_and_another_one_is_not() -> None:
    told = BackendError("cannot be written")
    told.__cause__ = OSError(28, "No space left on device")
    assert is_of_the_disk(told)
    assert not is_of_the_disk(BackendError("cannot be written"))
    assert not is_of_the_disk(PermissionError(13, "Permission denied"))
