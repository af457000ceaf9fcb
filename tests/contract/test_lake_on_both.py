"""The lake's whole work (ingest, labels, snapshots) on a folder and on a bucket: the same rows, the same hashes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.object_store import BUCKET, ObjectStore, object_store
from tests.unit.lake.heart import (
    CONTEXT,
    CONTRACT,
    MODEL,
    MODEL_CONFIG,
    NOW,
    Asked,
    Workplace,
    csv_of,
    good_rows,
    outcome_of,
    records_segment,
    truth_segment,
)

from trimtab.core.crashpoints import arm
from trimtab.core.errors import BackendError
from trimtab.core.ids import new_id
from trimtab.lake.deliveries import DeliveryState, accept_file, judge_again, recent_deliveries, resend_unqueued
from trimtab.lake.ingest import Ingest, Processed
from trimtab.lake.intake import take_in
from trimtab.lake.labelled import labelled_rows
from trimtab.lake.snapshots import Snapshot, make_snapshot
from trimtab.lake.storage.cached import CachedStorage
from trimtab.lake.storage.s3 import S3Bucket
from trimtab.lake.zones import Lake
from trimtab.records.segments import write_segment


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture(autouse=True)
def settings_of_the_store(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in objects.environment.items():
        monkeypatch.setenv(name, value)


def on_a_bucket(root: Path, prefix: str) -> Workplace:
    place = Workplace.at(root)
    place.lake = Lake(CachedStorage(S3Bucket(BUCKET, prefix, read_s=5), root / "cache", limit_bytes=1_000_000))
    return place


@pytest.fixture
def prefix() -> str:
    return f"lakes/{new_id()}"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace.at(tmp_path / "folder")
    yield place
    place.database.close()


@pytest.fixture
def bucket(tmp_path: Path, prefix: str) -> Iterator[Workplace]:
    place = on_a_bucket(tmp_path / "bucket", prefix)
    yield place
    place.database.close()


def fill(place: Workplace) -> None:
    """Deliver tables, answered rows and outcomes, some of each broken, and process them."""
    for number in range(2):
        rows = [*good_rows(30, start=number * 25 + 1), f"{900 + number},200,male,233,normal,0"]
        path = place.deliver(f"{number}.csv", csv_of(rows))
        accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, now=NOW)
        place.ingest().process_some(now=NOW)
    for number in range(5):
        asked = [Asked(number * 10 + row, chol=220.0 if row else 5.7) for row in range(10)]
        write_segment(place.root / "intake", records_segment(asked))
    outcomes = [outcome_of("1", prediction_id=f"prediction-{row:06d}") for row in range(40)]
    write_segment(place.root / "intake", truth_segment([*outcomes, outcome_of(" ", prediction_id="x")]))
    assert take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW) == 6
    place.ingest().process_some(now=NOW)


def freeze(place: Workplace) -> Snapshot:
    return make_snapshot(
        place.database,
        place.lake,
        model=MODEL_CONFIG,
        contract=CONTRACT,
        endpoint=MODEL,
        recent_share=0.25,
        now=NOW,
    )


def states(place: Workplace) -> list[tuple[str, int | None, int | None]]:
    with place.database.reading() as connection:
        return sorted((each.state, each.rows_passed, each.rows_quarantined) for each in recent_deliveries(connection))


def test_a_bucket_and_a_folder_hold_the_same_files_and_give_the_same_snapshot(
    folder: Workplace, bucket: Workplace, objects: ObjectStore, prefix: str
) -> None:
    fill(folder)
    fill(bucket)

    frozen, also_frozen = freeze(folder), freeze(bucket)

    assert states(folder) == states(bucket)
    assert frozen.dataset_hash == also_frozen.dataset_hash
    assert (frozen.rows, frozen.recent_rows) == (also_frozen.rows, also_frozen.recent_rows)
    zones = ("raw", "processed", "quarantine", "snapshots", ".dvc/cache/files")
    files = {
        path.relative_to(folder.lake.root).as_posix(): path.read_bytes()
        for zone in zones
        for path in (folder.lake.root / zone).rglob("*")
        if path.is_file() and path.name != ".gitignore"
    }
    stored = {key.removeprefix(f"{prefix}/"): objects.read(key) for key in objects.keys(prefix)}
    assert stored == files


def test_dvc_finds_a_snapshot_in_the_bucket_as_in_a_remote(
    bucket: Workplace, objects: ObjectStore, prefix: str
) -> None:
    fill(bucket)
    made = freeze(bucket)

    remote = f"{prefix}/.dvc/cache/files/md5/"
    stored = {key.removeprefix(remote).replace("/", ""): objects.read(key) for key in objects.keys(remote)}
    cache = bucket.lake.root / ".dvc" / "cache" / "files" / "md5"
    local = {"".join(path.parts[-2:]): path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    assert stored == local
    assert made.dataset_hash in stored
    assert made.path.read_bytes() in stored.values()


def test_the_cache_removed_midway_loses_nothing(bucket: Workplace) -> None:
    fill(bucket)
    before = freeze(bucket)
    labelled = labelled_rows(bucket.lake, MODEL)

    shutil.rmtree(bucket.lake.root)

    assert labelled_rows(bucket.lake, MODEL).table.equals(labelled.table)
    shutil.rmtree(bucket.lake.root)
    again = freeze(bucket)
    assert again.dataset_hash == before.dataset_hash
    assert again.id == before.id
    assert pq.read_table(again.path).num_rows == before.rows
    shutil.rmtree(bucket.lake.root)
    with bucket.database.transaction() as connection:
        assert judge_again(connection, MODEL) == 5
    resend_unqueued(bucket.database, bucket.queue)
    assert len(bucket.ingest().process_some(now=NOW)) == 5
    assert freeze(bucket).dataset_hash == before.dataset_hash


def test_an_outage_of_the_store_costs_no_delivery_an_attempt(bucket: Workplace, objects: ObjectStore) -> None:
    for number in range(3):
        write_segment(bucket.root / "intake", records_segment([Asked(number)]))
    take_in(bucket.database, bucket.lake, bucket.queue, bucket.root / "intake", now=NOW)
    shutil.rmtree(bucket.lake.root)
    ingest = bucket.ingest()
    write_segment(bucket.root / "intake", records_segment([Asked(9)]))

    with objects.down():
        assert ingest.process_some(now=NOW) == []
        for _ in range(12):
            with pytest.raises(BackendError, match="cannot be reached"):
                ingest.process_some(now=NOW)
        with pytest.raises(BackendError, match="cannot be reached"):
            take_in(bucket.database, bucket.lake, bucket.queue, bucket.root / "intake", now=NOW)

    take_in(bucket.database, bucket.lake, bucket.queue, bucket.root / "intake", now=NOW)
    deadline = time.monotonic() + 30
    done: list[Processed] = []
    while len(done) < 4 and time.monotonic() < deadline:
        done += ingest.process_some(now=NOW)
    assert [each.delivery.state for each in done] == [DeliveryState.PROCESSED] * 4


def work(place: Workplace) -> None:
    """Deliver what lies there, and process it to the end."""
    models = {MODEL: CONTEXT}
    ingest = Ingest(place.database, place.lake, place.queue, lambda name: models[name], lease_s=0.05)
    for number in range(6):
        path = place.root / "deliveries" / f"{number}.csv"
        accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, now=NOW)
    take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)
    resend_unqueued(place.database, place.queue)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(state == "received" for state, _, _ in states(place)):
        ingest.process_some(now=NOW, limit=2)


def work_and_be_killed(root: Path, prefix: str, settings: Mapping[str, str], at: str) -> None:
    # A forked process has the environment of the day on which the server that forks it was started.
    os.environ.update(settings)
    place = on_a_bucket(root, prefix)
    arm(at)
    work(place)


@pytest.mark.parametrize(
    "at",
    ["bucket.file_ready", "bucket.file_put", "bucket.file_put#28", "ingest.passed_written#3"],
)
def test_a_process_killed_while_it_puts_leaves_what_the_next_one_ends(
    bucket: Workplace, objects: ObjectStore, prefix: str, at: str
) -> None:
    for number in range(6):
        bucket.deliver(f"{number}.csv", csv_of(good_rows(2_000, start=number * 2_000 + 1)))
    for number in range(20):
        write_segment(bucket.root / "intake", records_segment([Asked(number * 10 + row) for row in range(10)]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["great_expectations", "trimtab.lake.ingest"])
    worker = context.Process(target=work_and_be_killed, args=(bucket.root, prefix, objects.environment, at))
    worker.start()
    worker.join(90)
    assert worker.exitcode == -signal.SIGKILL, f"{at} was not reached"

    work(bucket)
    assert states(bucket) == [*[("processed", 10, 0)] * 20, *[("processed", 2_000, 0)] * 6]
    with bucket.database.reading() as connection:
        deliveries = recent_deliveries(connection)
    digests = [each.digest for each in deliveries if each.kind == "table"]
    tables = bucket.lake.tables_at_hand(MODEL, digests)
    assert sum(pq.read_table(path).num_rows for path in tables.values()) == 12_000
    records = bucket.lake.record_files(MODEL, start_us=-(1 << 62), end_us=1 << 62)
    assert sum(pq.read_table(file.path).num_rows for file in records) == 200
