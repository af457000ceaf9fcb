"""What every storage of the lake promises, held against a folder and against a bucket with a folder before it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.object_store import BUCKET, ObjectStore, object_store

from trimtab.core.errors import BackendError, DataContractError
from trimtab.core.ids import new_id
from trimtab.lake.storage.base import NEVER_CHANGED, Storage, StoredFile
from trimtab.lake.storage.cached import CachedStorage
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.storage.s3 import S3Bucket

TABLE = "processed/tables/heart/abc.parquet"


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture(autouse=True)
def settings_of_the_store(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in objects.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def cached(tmp_path: Path) -> CachedStorage:
    return CachedStorage(S3Bucket(BUCKET, f"lakes/{new_id()}"), tmp_path / "cache", limit_bytes=10_000)


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "lake")
    storage: Storage = request.getfixturevalue("cached")
    return storage


def elsewhere(storage: CachedStorage, root: Path) -> CachedStorage:
    """Return the same bucket as another machine sees it."""
    return CachedStorage(storage._bucket, root, limit_bytes=10_000)


def content(storage: Storage, name: str) -> bytes:
    found = storage.find(name)
    assert found is not None
    return storage.fetch([found])[0].read_bytes()


class TestEveryStorage:
    def test_what_was_stored_is_found_listed_and_read(self, storage: Storage) -> None:
        storage.store(TABLE, b"rows")

        found = storage.find(TABLE)
        assert found is not None
        assert (found.name, found.size_bytes) == (TABLE, 4)
        assert [file.name for file in storage.files_in("processed/tables/heart")] == [TABLE]
        assert content(storage, TABLE) == b"rows"

    @pytest.mark.parametrize("zone", ["raw", "processed", "quarantine", "snapshots", "audit"])
    def test_storing_again_replaces(self, storage: Storage, zone: str) -> None:
        storage.store(f"{zone}/a.bin", b"first")
        tag = storage.files_in(zone)[0].tag
        storage.store(f"{zone}/a.bin", b"after")

        assert content(storage, f"{zone}/a.bin") == b"after"
        assert storage.files_in(zone)[0].tag != tag

    def test_a_name_that_begins_another_is_not_that_other(self, storage: Storage) -> None:
        storage.store("raw/segments/ab.arrow", b"1")

        assert storage.find("raw/segments/ab") is None
        assert storage.find("raw/segments") is None or not (storage.root / "raw" / "segments").is_file()

    def test_a_listing_holds_the_folder_alone_sorted_and_without_hidden_names(self, storage: Storage) -> None:
        for name in ("b.parquet", "a.parquet", "deeper/c.parquet", ".hidden"):
            storage.store(f"processed/records/e/{name}", b"x")

        assert [file.name.rpartition("/")[2] for file in storage.files_in("processed/records/e")] == [
            "a.parquet",
            "b.parquet",
        ]
        assert storage.files_in("processed/records/nobody") == []
        assert storage.files_in("processed/records") == []

    def test_more_files_than_one_page_are_listed_whole(self, storage: Storage) -> None:
        names = [f"processed/truth/e/{number:04d}.parquet" for number in range(1_020)]
        storage.take([(name, _small(storage.root / "given" / str(place))) for place, name in enumerate(names)])

        assert [file.name for file in storage.files_in("processed/truth/e")] == names

    def test_what_is_taken_is_there_and_no_longer_where_it_was(self, storage: Storage) -> None:
        paths = [_small(storage.root / "given" / name) for name in ("a", "b")]

        storage.take([("raw/segments/a.arrow", paths[0]), ("raw/segments/b.arrow", paths[1])])

        assert [content(storage, f"raw/segments/{name}.arrow") for name in ("a", "b")] == [b"a", b"b"]
        assert not any(path.exists() for path in paths)

    def test_what_was_removed_is_gone_and_may_be_removed_again(self, storage: Storage) -> None:
        for zone in ("raw", "quarantine"):
            storage.store(f"{zone}/a.bin", b"x")
            storage.remove(f"{zone}/a.bin")
            storage.remove(f"{zone}/a.bin")

            assert storage.find(f"{zone}/a.bin") is None
            assert storage.files_in(zone) == []

    def test_files_are_fetched_in_the_order_asked_for(self, storage: Storage) -> None:
        for number in range(40):
            storage.store(f"processed/records/e/{number:02d}", str(number).encode())
        files = storage.files_in("processed/records/e")[::-1]

        assert [path.read_bytes() for path in storage.fetch(files)] == [str(n).encode() for n in range(39, -1, -1)]

    def test_a_missing_file_is_told_with_its_name_and_what_to_do(self, storage: Storage) -> None:
        storage.store(TABLE, b"rows")
        (file,) = storage.files_in("processed/tables/heart")
        storage.remove(TABLE)
        shutil.rmtree(storage.root, ignore_errors=True)

        with pytest.raises(BackendError, match=r"abc\.parquet.*missing.*; .*deliver what it was made of again"):
            storage.fetch([file])

    def test_a_storage_that_works_passes_its_check_and_shows_nothing_of_it(self, storage: Storage) -> None:
        storage.check()

        assert storage.files_in("processed") == []

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.binary(max_size=20)), max_size=10))
    def test_any_sequence_of_calls_leaves_what_was_stored_last(
        self, storage: Storage, steps: list[tuple[str, bytes | None]]
    ) -> None:
        for zone in ("raw", "processed"):
            expected: dict[str, bytes | None] = dict.fromkeys("abc")
            for name in "abc":
                storage.remove(f"{zone}/{name}")
            for name, value in steps:
                expected[name] = value
                if value is None:
                    storage.remove(f"{zone}/{name}")
                else:
                    storage.store(f"{zone}/{name}", value)

            stored = {file.name: content(storage, file.name) for file in storage.files_in(zone)}
            assert stored == {f"{zone}/{name}": value for name, value in expected.items() if value is not None}


def test_a_folder_takes_files_from_another_file_system(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system in /dev/shm")
    with TemporaryDirectory(dir=memory) as folder:
        came = Path(folder) / "came.arrow"
        came.write_bytes(b"rows")
        storage = FolderStorage(tmp_path / "lake")

        storage.take([("raw/segments/a.arrow", came)])

        assert not came.exists()
        assert content(storage, "raw/segments/a.arrow") == b"rows"
        assert os.listdir(tmp_path / "lake" / "raw" / "segments") == ["a.arrow"]


class TestBucket:
    def test_another_machine_reads_what_this_one_wrote_also_when_it_is_written_anew(
        self, cached: CachedStorage, tmp_path: Path
    ) -> None:
        other = elsewhere(cached, tmp_path / "other")
        cached.store(TABLE, b"first")
        before = other.fetch(other.files_in("processed/tables/heart"))[0]
        cached.store(TABLE, b"other")

        assert content(other, TABLE) == b"other"
        assert before.read_bytes() == b"first"

    def test_the_folder_may_be_removed_at_any_time(self, cached: CachedStorage) -> None:
        names = [f"{zone}/a.bin" for zone in (*NEVER_CHANGED, "processed", "quarantine")]
        for name in names:
            cached.store(name, name.encode())

        shutil.rmtree(cached.root)

        assert [content(cached, name) for name in names] == [name.encode() for name in names]

    def test_a_copy_that_was_cut_short_is_fetched_again(self, cached: CachedStorage) -> None:
        cached.store(TABLE, b"rows")
        (path,) = cached.fetch(cached.files_in("processed/tables/heart"))
        path.write_bytes(b"ro")

        assert content(cached, TABLE) == b"rows"

    def test_what_is_here_and_cannot_change_is_read_while_the_store_is_down(
        self, cached: CachedStorage, objects: ObjectStore
    ) -> None:
        cached.store("raw/tables/heart/a.csv", b"rows")
        with objects.down():
            assert content(cached, "raw/tables/heart/a.csv") == b"rows"

    def test_a_large_file_goes_in_parts_and_comes_back_whole(self, cached: CachedStorage, objects: ObjectStore) -> None:
        given = cached.root / "large"
        given.parent.mkdir(parents=True)
        given.write_bytes(os.urandom(1 << 20) * 33)
        expected = given.read_bytes()
        cached.take([("raw/tables/heart/large.csv", given)])
        shutil.rmtree(cached.root)

        found = cached.find("raw/tables/heart/large.csv")
        assert found is not None
        assert found.tag.strip('"').endswith("-2")
        assert cached.fetch([found])[0].read_bytes() == expected

    def test_a_damaged_object_is_refused_with_what_to_do(self, cached: CachedStorage, objects: ObjectStore) -> None:
        cached.store(TABLE, b"rows")
        key = f"{cached.where.removeprefix(f's3://{BUCKET}/')}/{TABLE}"
        metadata = objects.client.head_object(Bucket=BUCKET, Key=key)["Metadata"]
        objects.client.put_object(Bucket=BUCKET, Key=key, Body=b"rowz", Metadata=metadata)

        with pytest.raises(DataContractError, match=r"abc\.parquet: it is damaged .*; restore an earlier version"):
            content(cached, TABLE)

    def test_an_object_that_others_put_is_read_without_a_checksum(
        self, cached: CachedStorage, objects: ObjectStore
    ) -> None:
        key = f"{cached.where.removeprefix(f's3://{BUCKET}/')}/{TABLE}"
        objects.client.put_object(Bucket=BUCKET, Key=key, Body=b"copied by hand")

        assert content(cached, TABLE) == b"copied by hand"

    def test_the_folder_is_swept_down_to_its_limit_and_what_was_used_last_stays(self, cached: CachedStorage) -> None:
        for number in range(5):
            cached.store(f"raw/tables/heart/{number}.csv", bytes(4_000))
            os.utime(cached.root / f"raw/tables/heart/{number}.csv", (number, number))
        cached.fetch([StoredFile("raw/tables/heart/0.csv", 4_000, "")])
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)

        assert cached.sweep(older_than=an_hour_ago) == 3
        assert sorted(path.name for path in (cached.root / "raw/tables/heart").iterdir()) == ["0.csv", "4.csv"]
        assert cached.sweep(older_than=an_hour_ago) == 0
        assert len(content(cached, "raw/tables/heart/1.csv")) == 4_000

    def test_a_snapshot_of_today_is_not_swept(self, cached: CachedStorage) -> None:
        for number in range(5):
            cached.store(f"snapshots/heart/{number}/rows.parquet", bytes(4_000))

        assert cached.sweep(older_than=datetime.now(UTC) + timedelta(hours=1)) == 0

    def test_uploads_that_a_killed_process_left_are_given_up(self, cached: CachedStorage, objects: ObjectStore) -> None:
        key = f"{cached.where.removeprefix(f's3://{BUCKET}/')}/raw/x"
        objects.client.create_multipart_upload(Bucket=BUCKET, Key=key)

        assert cached.find("raw/x") is None
        # The store of the tests says of all uploads that they were begun in 2010.
        assert cached.sweep(older_than=datetime(2010, 1, 1, tzinfo=UTC)) == 0
        assert cached.sweep(older_than=datetime.now(UTC)) == 1
        assert cached.sweep(older_than=datetime.now(UTC)) == 0

    def test_a_store_that_is_down_and_comes_back_needs_nobody(
        self, cached: CachedStorage, objects: ObjectStore
    ) -> None:
        cached.store(TABLE, b"rows")
        with objects.down():
            with pytest.raises(BackendError, match=r"cannot list .*: the endpoint cannot be reached"):
                cached.files_in("processed")
            with pytest.raises(BackendError, match="cannot be reached"):
                cached.store(TABLE, b"others")

        assert content(cached, TABLE) == b"rows"

    def test_a_missing_bucket_is_told(self, tmp_path: Path) -> None:
        storage = CachedStorage(S3Bucket("nobodys-bucket"), tmp_path, limit_bytes=1)

        told = "there is no bucket 'nobodys-bucket'; create it, or correct"
        with pytest.raises(BackendError, match=told):
            storage.check()
        with pytest.raises(BackendError, match=told):
            storage.find(TABLE)
        with pytest.raises(BackendError, match=told):
            storage.store(TABLE, b"")

    def test_absent_credentials_are_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        storage = CachedStorage(S3Bucket(BUCKET), tmp_path, limit_bytes=1)

        with pytest.raises(BackendError, match="no whole credentials; set AWS_ACCESS_KEY_ID"):
            storage.check()

    def test_an_address_with_a_secret_in_it_is_not_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hunter2@127.0.0.1:9")

        with pytest.raises(BackendError) as told:
            CachedStorage(S3Bucket(BUCKET), tmp_path, limit_bytes=1).check()

        assert "hunter2" not in str(told.value)
        assert told.value.__cause__ is None
        assert told.value.__suppress_context__


def _small(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    return path
