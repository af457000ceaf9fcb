"""Segments that a shipper sends to a control plane over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from tests.integration.office import is_problem, platform_at, served
from tests.integration.processes import eventually
from tests.object_store import BUCKET, object_store
from tests.unit.records.frames import SCHEMA, prediction, truth, writer

from trimtab.api.door import Limits
from trimtab.core.enums import Role
from trimtab.core.errors import BackendError, ConfigError
from trimtab.lake.deliveries import recent_deliveries
from trimtab.lake.intake import fetch_in, take_in
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.keys import replace_key
from trimtab.loop.platform import Platform
from trimtab.records.intakes.address import intake_at
from trimtab.records.intakes.folder import FolderIntake
from trimtab.records.intakes.http import HttpIntake
from trimtab.records.layout import journal_files
from trimtab.records.liveness import shipper_state
from trimtab.records.segments import predictions_table, read_segment, segment_bytes
from trimtab.records.shipper import Shipper

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SEGMENT = "ab" * 16
CONTENT = segment_bytes(predictions_table(SCHEMA, [prediction(place) for place in range(5)], SEGMENT))
POINTS = (
    "shipper.planned",
    "shipper.segment_written",
    "shipper.segment_written#2",
    "shipper.moved",
    "shipper.released",
)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_at(tmp_path / "project") as built:
        yield built


@pytest.fixture
def key(platform: Platform) -> str:
    with platform.database.transaction() as connection:
        return replace_key(connection, "edge", Role.SERVICE, at_us=0)


def journalled(folder: Path, count: int = 10) -> None:
    journal = writer(folder)
    journal.declare(SCHEMA)
    for place in range(count):
        journal.append(prediction(place))
        journal.append(truth(place))
    journal.close()


def arrived(platform: Platform) -> Counter[str]:
    tables = [read_segment(path) for path in platform.project.intake.glob("*.arrow")]
    return Counter(one for table in tables for one in table["prediction_id"].to_pylist())


def shipper(tmp_path: Path, url: str, key: str, crash_at: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TRIMTAB_API_KEY": key, **({"TRIMTAB_CRASH_AT": crash_at} if crash_at else {})}
    arguments = ("--journal", str(tmp_path / "journal"), "--intake", url, "--interval", "20ms")
    return subprocess.Popen([sys.executable, "-m", "trimtab.records.shipper", *arguments], env=environment)


@pytest.mark.parametrize("point", POINTS)
def test_a_shipper_that_is_killed_anywhere_sends_each_row_once(
    tmp_path: Path, platform: Platform, key: str, point: str
) -> None:
    journalled(tmp_path / "journal")
    with served(platform) as client:
        killed = shipper(tmp_path, str(client.base_url), key, crash_at=point)
        assert killed.wait(60) == -signal.SIGKILL
        # What came before the crash is in the lake by now, as it would be.
        taken = arrived(platform)
        Ingestion(platform).run()
        intake = HttpIntake(str(client.base_url), key)
        Shipper(tmp_path / "journal", intake).ship_once()
        intake.close()
    assert journal_files(tmp_path / "journal") == []
    found = arrived(platform) + taken
    assert found == Counter({f"p{place:07d}": 2 for place in range(10)}), "the answer and the outcome of each row, once"


def test_a_control_plane_that_is_down_is_waited_for_and_told(tmp_path: Path, platform: Platform, key: str) -> None:
    journalled(tmp_path / "journal")
    with served(platform) as client:
        url = str(client.base_url)
    intake = HttpIntake(url, key)
    with pytest.raises(BackendError, match="is the control plane up"):
        Shipper(tmp_path / "journal", intake).ship_once()
    intake.close()
    waiting = shipper(tmp_path, url, key)
    try:
        eventually(
            lambda: (state := shipper_state(tmp_path / "journal")) is not None and state.error is not None,
            within_s=60,
            wanted="a word about the control plane",
        )
    finally:
        waiting.terminate()
        assert waiting.wait(60) == 0
    assert len(journal_files(tmp_path / "journal")) == 1, "what nobody took is kept"


def test_only_a_whole_segment_from_a_service_is_taken(platform: Platform, key: str) -> None:
    with served(platform, Limits(segment_bytes=100_000)) as client:
        path = f"/v1/intake/segments/{SEGMENT}"
        service = {"Authorization": f"Bearer {key}"}

        def send(content: bytes, to: str = path, **headers: str) -> httpx.Response:
            return client.post(to, content=content, headers={**service, **headers})

        assert is_problem(client.post(path, content=CONTENT, headers={"Authorization": "Bearer tt_no"}), 401)
        with platform.database.transaction() as connection:
            approver = replace_key(connection, "person", Role.APPROVER, at_us=0)
        assert is_problem(send(CONTENT, Authorization=f"Bearer {approver}"), 403)
        assert is_problem(send(CONTENT[:-9]), 422)
        assert is_problem(send(b""), 422)
        assert is_problem(send(CONTENT, f"/v1/intake/segments/{'cd' * 16}"), 422)
        assert is_problem(send(CONTENT, "/v1/intake/segments/..%2f..%2fx"), 404)
        assert is_problem(send(CONTENT, "/v1/intake/segments/x"), 422)
        assert is_problem(send(CONTENT, **{"X-Content-SHA256": "0" * 64}), 422)
        assert is_problem(send(bytes(100_001)), 413)
        assert list(platform.project.intake.glob("*")) == []
        for repeated in (False, False):
            assert send(CONTENT).json() == {"segment_id": SEGMENT, "repeated": repeated}
        Ingestion(platform).run()
        assert send(CONTENT).json() == {"segment_id": SEGMENT, "repeated": True}
        assert list(platform.project.intake.glob("*")) == []
        uploads = platform.project.state / "uploads"
        assert list(uploads.glob("*")) == []


def test_segments_left_in_a_bucket_are_brought_in_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TRIMTAB_INTAKE_URL", f"s3://{BUCKET}/shop/intake")
        journalled(tmp_path / "journal")
        intake = intake_at(f"s3://{BUCKET}/shop/intake")
        assert Shipper(tmp_path / "journal", intake).ship_once() == 20
        [first, second] = store.keys("shop/intake/")
        damaged = f"shop/intake/{'cd' * 16}.arrow"
        store.client.put_object(Bucket=BUCKET, Key=damaged, Body=b"cut", Metadata={"sha256": "0" * 64})
        with platform_at(tmp_path / "project") as platform:
            bucket = platform.intake_bucket
            assert bucket is not None
            sent = {key: store.read(key) for key in (first, second)}
            assert fetch_in(*bucket, platform.project.intake) == 2
            assert store.keys("shop/intake/") == [damaged], "what cannot be read is kept for somebody to look at"
            assert arrived(platform) == Counter({f"p{place:07d}": 2 for place in range(10)})
            Ingestion(platform).run()
            # The machine died after it had written the segment, and before it removed it there.
            store.client.put_object(Bucket=BUCKET, Key=first, Body=sent[first])
            ingestion = Ingestion(platform)
            while ingestion.run():
                pass
            assert fetch_in(*bucket, platform.project.intake) == 0
            assert take_in(platform.database, platform.lake, platform.queue, platform.project.intake, now=NOW) == 0
            with platform.database.reading() as connection:
                assert len(recent_deliveries(connection)) == 2
        with store.down(), pytest.raises(BackendError, match="cannot be reached") as refused:
            intake.put(SEGMENT, CONTENT)
        assert "s3cret" not in str(refused.value)
        intake.close()


def test_an_address_says_which_intake_is_meant(tmp_path: Path) -> None:
    assert isinstance(intake_at(str(tmp_path)), FolderIntake)
    assert intake_at(f"file://{tmp_path}").where == str(tmp_path)
    there = intake_at("https://plane.example:8765/", environment={"TRIMTAB_API_KEY": "tt_k"})
    assert there.where == "https://plane.example:8765"
    there.close()
    for address, word in (
        ("https://plane.example", "TRIMTAB_API_KEY"),
        ("https://me:secret@plane.example", "holds more than an address"),
        ("s3://acme", "is none"),
        ("ftp://plane.example", "is none"),
    ):
        with pytest.raises(ConfigError, match=word) as refused:
            intake_at(address, environment={})
        assert "secret" not in str(refused.value)
