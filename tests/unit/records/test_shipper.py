from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.records.frames import SCHEMA, prediction, truth, writer

from trimtab.core.errors import BackendError
from trimtab.records.cursor import backlog_bytes, cursor_path, read_cursor
from trimtab.records.intakes.folder import FolderIntake
from trimtab.records.journal import JournalWriter
from trimtab.records.layout import MAGIC, journal_files
from trimtab.records.liveness import shipper_state
from trimtab.records.reader import is_damaged
from trimtab.records.segments import read_segment
from trimtab.records.shipper import Shipper


def shipped_ids(intake: Path) -> list[str]:
    tables = [read_segment(path) for path in intake.glob("*.arrow")]
    rows: list[str] = []
    for table in tables:
        if table.schema.metadata[b"kind"] == b"predictions":
            rows += table.column("prediction_id").to_pylist()
    return sorted(rows)


def expected_ids(count: int) -> list[str]:
    return [f"p{place:07d}" for place in range(count)]


def test_rows_arrive_once_and_the_sealed_journal_goes(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    for place in range(10):
        journal.append(prediction(place))
    journal.append(truth(1))
    shipper = Shipper(tmp_path / "j", tmp_path / "in")
    assert shipper.ship_once() == 11
    assert shipper.ship_once() == 0
    assert backlog_bytes(tmp_path / "j", {journal.path: journal.position}) == 0
    journal.append(prediction(10))
    assert backlog_bytes(tmp_path / "j", {journal.path: journal.position}) > 0
    assert journal_files(tmp_path / "j") == [journal.path]
    journal.close()
    assert shipper.ship_once() == 1
    assert shipped_ids(tmp_path / "in") == expected_ids(11)
    assert list((tmp_path / "j").iterdir()) == []


def test_a_new_shipper_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    for place in range(20):
        journal.append(prediction(place))
        if place % 6 == 0:
            Shipper(tmp_path / "j", tmp_path / "in").ship_once()
    journal.close()
    Shipper(tmp_path / "j", tmp_path / "in").ship_once()
    assert shipped_ids(tmp_path / "in") == expected_ids(20)


def test_a_range_is_limited_in_rows(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    for place in range(25):
        journal.append(prediction(place))
    journal.close()
    assert Shipper(tmp_path / "j", tmp_path / "in", max_rows=10).ship_once() == 25
    sizes = sorted(read_segment(path).num_rows for path in (tmp_path / "in").glob("*.arrow"))
    assert sizes == [5, 10, 10]


@pytest.mark.parametrize("crash_at", range(1, 9))
def test_a_crash_at_any_write_repeats_the_same_segments(
    tmp_path: Path, crash_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    for place in range(15):
        journal.append(prediction(place))
        journal.append(truth(place))
    replaced = 0
    replace = os.replace

    def crash(source: str, target: str) -> None:
        nonlocal replaced
        replaced += 1
        if replaced == crash_at:
            raise OSError("pulled the plug")
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    shipper = Shipper(tmp_path / "j", tmp_path / "in", max_rows=20)
    with pytest.raises(OSError, match="plug"):
        shipper.ship_once()
    for place in range(15, 20):
        journal.append(prediction(place))
    # The same shipper, and one that knows nothing of it, both repeat what was planned.
    (shipper if crash_at % 2 else Shipper(tmp_path / "j", tmp_path / "in", max_rows=20)).ship_once()
    journal.close()
    Shipper(tmp_path / "j", tmp_path / "in", max_rows=20).ship_once()
    assert shipped_ids(tmp_path / "in") == expected_ids(20)
    assert journal_files(tmp_path / "j") == []


def test_the_journal_of_a_living_writer_is_never_removed(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    begun = tmp_path / "j" / "other-000001.journal"
    begun.write_bytes(bytes(4096))
    shipper = Shipper(tmp_path / "j", tmp_path / "in")
    assert shipper.ship_once() == 0
    assert set(journal_files(tmp_path / "j")) == {journal.path, begun}
    journal.close()


def test_a_damaged_journal_does_not_hold_up_the_others(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "0-000001.journal").write_bytes(b"no journal")
    torn = tmp_path / "j" / "1-000001.journal"
    torn.write_bytes(MAGIC)
    cursor_path(torn).write_text("{")
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    journal.append(prediction(0))
    assert Shipper(tmp_path / "j", tmp_path / "in").ship_once() == 1
    journal.close()
    assert torn.exists()


def test_rows_without_a_schema_are_kept_back(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.append(prediction(0))
    journal.close()
    assert Shipper(tmp_path / "j", tmp_path / "in").ship_once() == 0
    assert len(journal_files(tmp_path / "j")) == 1


def start(tmp_path: Path) -> subprocess.Popen[bytes]:
    arguments = ["--journal", str(tmp_path / "j"), "--intake", str(tmp_path / "in"), "--interval", "50ms"]
    return subprocess.Popen(
        [sys.executable, "-m", "trimtab.records.shipper", *arguments], stderr=subprocess.PIPE, bufsize=0
    )


def test_the_process_ships_until_told_to_stop_and_once_more_then(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    journal.append(prediction(0))
    with start(tmp_path) as process:
        deadline = time.monotonic() + 20
        while not list((tmp_path / "in").glob("*.arrow")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        told = shipper_state(tmp_path / "j")
        assert told is not None
        assert (told.pid, told.alive, told.error) == (process.pid, True, None)
        second = subprocess.run(process.args, capture_output=True, check=False)
        assert second.returncode == 1
        assert b"another shipper is at work" in second.stderr
        journal.append(prediction(1))
        journal.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert {"shipped"} <= {line["event"] for line in lines}
    assert shipped_ids(tmp_path / "in") == expected_ids(2)
    assert journal_files(tmp_path / "j") == []
    assert not told.alive


def test_a_shipper_that_cannot_write_says_so_until_it_can_again(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    journal.append(prediction(0))
    (tmp_path / "in").write_bytes(b"a file where the intake should be")

    def error() -> str | None:
        told = shipper_state(tmp_path / "j")
        return None if told is None else told.error

    with start(tmp_path) as process:
        deadline = time.monotonic() + 20
        while error() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert str(tmp_path / "in") in (error() or "")
        (tmp_path / "in").unlink()
        while error() is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        journal.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert shipped_ids(tmp_path / "in") == expected_ids(1)


def test_a_word_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert shipper_state(tmp_path) is None
    (tmp_path / "shipper.json").write_bytes(b'{"pid": "no number"}')
    assert shipper_state(tmp_path) is None


def test_the_plan_stands_before_its_first_segment(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    journal.append(prediction(0))
    planned: list[int | None] = []

    class Noting(FolderIntake):
        def put(self, segment_id: str, content: bytes) -> None:
            planned.append(read_cursor(journal.path).planned_end)
            super().put(segment_id, content)

    Shipper(tmp_path / "j", Noting(tmp_path / "in")).ship_once()
    assert planned == [journal.position]
    journal.close()


def test_an_intake_that_is_full_is_waited_for(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    for place in range(30):
        journal.append(prediction(place))
    journal.close()
    shipper = Shipper(tmp_path / "j", FolderIntake(tmp_path / "in", limit_bytes=1), max_rows=10)
    with pytest.raises(BackendError, match="the limit is 1"):
        shipper.ship_once()
    [first] = (tmp_path / "in").glob("*.arrow")
    assert shipped_ids(tmp_path / "in") == expected_ids(10), "an empty folder takes a segment of any size"
    assert len(journal_files(tmp_path / "j")) == 1
    first.rename(tmp_path / first.name)
    Shipper(tmp_path / "j", tmp_path / "in", max_rows=10).ship_once()
    assert shipped_ids(tmp_path / "in") == expected_ids(30)[10:]
    assert journal_files(tmp_path / "j") == []


def _appended(journal: JournalWriter, count: int) -> list[int]:
    """Append rows, and return where each one ends."""
    ends = []
    for place in range(count):
        journal.append(prediction(place))
        ends.append(journal.position)
    return ends


def test_a_journal_damaged_in_the_middle_is_never_deleted(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    ends = _appended(journal, 20)
    journal.close()
    with journal.path.open("r+b") as stream:
        stream.seek(ends[9] + 20)
        stream.write(b"\xff\x00\xff\x00")

    for _restart in range(2):
        Shipper(tmp_path / "j", tmp_path / "in").ship_once()

    assert shipped_ids(tmp_path / "in") == expected_ids(10)
    assert journal.path.exists()


def test_the_torn_frame_of_a_killed_writer_is_no_damage(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    ends = _appended(journal, 3)
    with journal.path.open("r+b") as stream:
        stream.seek(ends[1] + 20)
        stream.write(b"\xff\x00\xff\x00")

    assert not is_damaged(journal.path, ends[1])
    assert not is_damaged(journal.path, ends[2])
    journal.close()


def test_frames_that_came_after_the_last_look_are_no_damage(tmp_path: Path) -> None:
    journal = writer(tmp_path / "j")
    journal.declare(SCHEMA)
    ends = _appended(journal, 5)

    assert not any(is_damaged(journal.path, end) for end in ends)
    journal.close()


def test_what_a_killed_shipper_had_half_written_is_removed_once_nobody_can_be_writing_it(tmp_path: Path) -> None:
    journals, intake = tmp_path / "journal", tmp_path / "intake"
    journal = writer(journals)
    journal.declare(SCHEMA)
    journal.append(prediction(1))
    journal.close()
    intake.mkdir()
    left, fresh = intake / f".{'a' * 32}.arrow.abcdefgh", intake / f".{'b' * 32}.arrow.abcdefgh"
    cursor, lock = journals / ".1.2.3-000001.cursor.abcdefgh", journals / ".of-somebody-else"
    for path in (left, fresh, cursor, lock):
        path.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "trimtab.records.shipper",
            "--journal",
            journals,
            "--intake",
            intake,
            "--interval",
            "50ms",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(intake.glob("*.arrow")) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.terminate()
        process.wait(60)
    assert [path.exists() for path in (left, fresh, cursor, lock)] == [False, True, False, True]
    assert len(list(intake.glob("*.arrow"))) == 1
