from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from tests.unit.records.frames import SCHEMA, prediction, writer

from trimtab.core.errors import BackendError, ConfigError, DataContractError
from trimtab.records.cursor import backlog_bytes
from trimtab.records.journal import JournalFullError, JournalWriter
from trimtab.records.layout import HEAD, MAGIC, journal_files
from trimtab.records.reader import WriterState, read_frames, writer_state
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame


def test_frames_come_back_in_order_while_the_file_is_still_written(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.declare(SCHEMA)
    journal.append(prediction(1))
    read = list(read_frames(journal.path))
    assert [frame for _, frame in read] == [SCHEMA, prediction(1)]
    assert read[-1][0] == journal.position
    journal.append(prediction(2))
    assert [frame for _, frame in read_frames(journal.path, read[-1][0])] == [prediction(2)]
    journal.close()


def test_each_file_begins_with_the_schemas_that_live(tmp_path: Path) -> None:
    journal = writer(tmp_path, file_bytes=8192)
    journal.declare(SCHEMA)
    journal.declare(SchemaFrame(2, "other", "m", 1, "v", "d", SCHEMA.task, ()))
    journal.withdraw(2)
    for place in range(400):
        journal.append(prediction(place))
    journal.close()
    files = journal_files(tmp_path)
    assert len(files) > 2
    frames = [[frame for _, frame in read_frames(path)] for path in files]
    assert all(group[0] == SCHEMA for group in frames)
    assert all(isinstance(frame, PredictionFrame) for group in frames[1:] for frame in group[1:])
    rows = [frame for group in frames for frame in group if isinstance(frame, PredictionFrame)]
    assert rows == [prediction(place) for place in range(400)]


def test_closing_seals_and_cuts_the_file(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    path = journal.path
    journal.append(prediction(1))
    assert writer_state(path, journal.position) is WriterState.ALIVE
    end = journal.position
    journal.close()
    journal.close()
    assert writer_state(path, end) is WriterState.SEALED
    assert path.stat().st_size == end + 4
    assert [frame for _, frame in read_frames(path)] == [prediction(1)]


def test_a_killed_process_leaves_every_frame_it_was_told_is_accepted(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.records.frames import SCHEMA, prediction, writer\n"
        "journal = writer(Path(sys.argv[1]))\n"
        "journal.declare(SCHEMA)\n"
        "for place in range(1000): journal.append(prediction(place))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    (path,) = journal_files(tmp_path)
    read = list(read_frames(path))
    assert [frame for _, frame in read[1:]] == [prediction(place) for place in range(1000)]
    assert writer_state(path, read[-1][0]) is WriterState.DEAD


@pytest.mark.parametrize("cut", [1, 7, 8, 40])
def test_a_torn_tail_ends_the_reading_before_it(tmp_path: Path, cut: int) -> None:
    journal = writer(tmp_path)
    for place in range(3):
        journal.append(prediction(place))
    path, ends = journal.path, [end for end, _ in read_frames(journal.path)]
    journal.close()
    with path.open("r+b") as stream:
        stream.truncate(ends[1] + cut)
    assert [frame for _, frame in read_frames(path)] == [prediction(0), prediction(1)]


def test_a_damaged_frame_ends_the_reading_before_it(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(prediction(0))
    middle = journal.position + 20
    journal.append(prediction(1))
    journal.close()
    (path,) = journal_files(tmp_path)
    content = bytearray(path.read_bytes())
    content[middle] ^= 1
    path.write_bytes(content)
    assert [frame for _, frame in read_frames(path)] == [prediction(0)]


def test_a_whole_frame_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a-000001.journal"
    payload = b"\x93\xa1p\x01\x02"
    path.write_bytes(MAGIC + HEAD.pack(len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(DataContractError, match="frame at byte 8"):
        list(read_frames(path))
    path.write_bytes(b"something else")
    with pytest.raises(DataContractError, match="no journal of this version"):
        list(read_frames(path))


def test_a_frame_larger_than_a_file_is_refused_and_the_journal_goes_on(tmp_path: Path) -> None:
    journal = writer(tmp_path, file_bytes=4096)
    large = PredictionFrame(1, "p", "r", 0, 0, 0, 1.0, None, None, None, ("x" * 5000,), "yes", None, 0.0)
    with pytest.raises(ConfigError, match="send smaller rows"):
        journal.append(large)
    journal.append(prediction(1))
    assert [frame for _, frame in read_frames(journal.path)] == [prediction(1)]
    journal.close()


def test_a_full_disk_is_told_at_rotation_and_forgotten_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = writer(tmp_path, file_bytes=4096)
    allocate = os.posix_fallocate

    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    accepted = 0
    with pytest.raises(BackendError, match="no room for a journal file"):  # noqa: PT012 - how many fit is the question
        while True:
            journal.append(prediction(accepted))
            accepted += 1
    assert accepted > 5
    assert len(journal_files(tmp_path)) == 1
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    journal.append(prediction(accepted))
    journal.close()
    read = [frame for path in journal_files(tmp_path) for _, frame in read_frames(path)]
    assert read == [prediction(place) for place in range(accepted + 1)]


def test_two_writers_never_share_a_file(tmp_path: Path) -> None:
    first, second = writer(tmp_path), writer(tmp_path)
    first.append(prediction(1))
    second.append(prediction(2))
    assert first.path != second.path
    assert [frame for _, frame in read_frames(first.path)] == [prediction(1)]
    first.close()
    second.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match="no room for a journal file"):
        writer(tmp_path / "file")


def test_frames_that_belong_together_are_accepted_all_or_none(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, sync_interval_s=60, file_bytes=8192, limit_bytes=16_384)
    journal.declare(SCHEMA)
    taken: list[PredictionFrame] = []
    batch = [prediction(place) for place in range(7)]

    def fill() -> None:
        for _ in range(1_000):
            journal.append_all(batch)
            taken.extend(batch)

    with pytest.raises(JournalFullError):
        fill()
    journal.append_all([])
    read = [frame for path in journal_files(tmp_path) for _, frame in read_frames(path)]
    assert len(taken) > 14
    assert [frame for frame in read if isinstance(frame, PredictionFrame)] == taken
    journal.close()


def test_a_schema_for_which_there_is_no_room_stands_before_its_first_row(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, sync_interval_s=60, file_bytes=8192, limit_bytes=16_384)
    with pytest.raises(JournalFullError):
        journal.append_all([prediction(place) for place in range(1_000)])
    wide = SchemaFrame(2, "wide", "m", 1, "v" * 400, "d", SCHEMA.task, ())
    journal.declare(wide)
    with pytest.raises(JournalFullError):
        journal.append(TruthFrame("heart", None, "7", 5, "yes", 9, 10))
    for path in journal_files(tmp_path):
        if path != journal.path:
            path.unlink()
    while journal.hindered is not None:
        journal.try_again()
    journal.append(prediction(1, schema_id=2))
    assert [frame for _, frame in read_frames(journal.path)] == [wide, prediction(1, schema_id=2)]
    journal.close()


def test_a_file_that_was_taken_away_gets_nothing_more(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = writer(folder, file_bytes=8192)
    journal.declare(SCHEMA)
    journal.append(prediction(1))
    assert journal.try_again() is None
    before = journal.path
    # The next one is there already, and goes with the folder.
    while len(journal.filled) < 2:
        if journal.position < 8192 * 0.6:
            journal.append(prediction(2))
        time.sleep(0.001)
    shutil.rmtree(folder)
    assert journal.try_again() == before
    assert journal.try_again() is None
    journal.append(prediction(3))
    (present,) = journal_files(folder)
    assert [frame for _, frame in read_frames(present)] == [SCHEMA, prediction(3)]
    # Moved away, it is as good as gone, but is closed as ever.
    moved = folder.rename(tmp_path / "aside") / present.name
    folder.write_text("in the way")
    assert [journal.try_again(), journal.try_again()] == [present, None]
    with pytest.raises(JournalFullError):
        journal.append(prediction(4))
    folder.unlink()
    journal.try_again()
    journal.append(prediction(5))
    journal.close()
    assert [frame for _, frame in read_frames(moved)] == [SCHEMA, prediction(3)]
    (present,) = journal_files(folder)
    assert [frame for _, frame in read_frames(present)] == [SCHEMA, prediction(5)]


def test_frames_that_no_single_file_holds_span_several(tmp_path: Path) -> None:
    journal = writer(tmp_path, file_bytes=4096)
    journal.declare(SCHEMA)
    frames = [prediction(place) for place in range(300)]
    journal.append_all(frames)
    journal.close()
    assert len(journal_files(tmp_path)) > 2
    read = [frame for path in journal_files(tmp_path) for _, frame in read_frames(path)]
    assert [frame for frame in read if isinstance(frame, PredictionFrame)] == frames


def test_the_next_file_is_made_before_it_is_needed_and_leaves_nothing_behind(tmp_path: Path) -> None:
    journal = writer(tmp_path, file_bytes=8192)
    journal.declare(SCHEMA)
    while 2 * journal.position < 8192:
        journal.append(prediction(1))
    deadline = time.monotonic() + 20
    while len(journal.filled) == 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    spare = next(path for path in journal.filled if path != journal.path)
    assert list(read_frames(spare)) == []
    assert backlog_bytes(tmp_path, journal.filled) == journal.position + len(MAGIC)
    while journal.path != spare:
        journal.append(prediction(2))
    assert [frame for _, frame in read_frames(spare)][:2] == [SCHEMA, prediction(2)]
    journal.close()

    short = writer(tmp_path / "short", file_bytes=8192)
    while 2 * short.position < 8192:
        short.append(prediction(1))
    while len(short.filled) == 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    short.close()
    assert len(journal_files(tmp_path / "short")) == 1
