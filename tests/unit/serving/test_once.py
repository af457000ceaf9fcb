"""Rows of a job in a real journal: cut short anywhere, begun again, delivered meanwhile, and there once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from trimtab.core.enums import ColumnKind, Task
from trimtab.core.ids import IdFactory
from trimtab.records.journal import JournalFullError, JournalWriter
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame, SchemaFrame
from trimtab.serving.once import RecordedOnce, held_files

JOB = IdFactory()()
SCHEMA = SchemaFrame(1, "heart", "tiny", 1, "stable", "0" * 64, Task.REGRESSION, (("age", ColumnKind.NUMBER),))


def _journal(folder: Path, *, limit_bytes: int | None = None) -> JournalWriter:
    journal = JournalWriter(folder / "journal", sync_interval_s=60, file_bytes=4096, limit_bytes=limit_bytes)
    journal.declare(SCHEMA)
    return journal


def _run(folder: Path, journal: JournalWriter, rows: int) -> RecordedOnce:
    """Record ``rows`` of the job, as far as no earlier run has."""
    once = RecordedOnce(journal, folder / "jobs", JOB, 1_790_000_000_000_000)
    once.look()
    ids = [once.new_id() for _ in range(rows)]
    once.append_framed(
        once.framed(
            [PredictionFrame(1, one, "r", 5, 5, 1, None, None, None, None, (60.0,), 1.5, None, 0.1) for one in ids]
        )
    )
    return once


def _recorded(folder: Path) -> list[str]:
    return [
        frame.prediction_id
        for path in (folder / "journal").glob("*.journal")
        for _, frame in read_frames(path)
        if isinstance(frame, PredictionFrame)
    ]


@pytest.mark.parametrize("rows", [1, 5, 200])
@pytest.mark.parametrize("filled", range(0, 4000, 190))
def test_a_second_run_adds_nothing_wherever_the_journals_files_end(tmp_path: Path, rows: int, filled: int) -> None:
    (tmp_path / "jobs").mkdir()
    with closing(_journal(tmp_path)) as journal:
        while journal.position < filled:
            journal.append(PredictionFrame(1, "x", "r", 5, 5, 1, None, None, None, None, (), 1.5, None, 0.1))
        assert _run(tmp_path, journal, rows).answered_by is None
        assert len(held_files(tmp_path / "jobs", JOB)) == (1 if rows < 200 else len(_files_of_job(tmp_path)))
        before = _recorded(tmp_path)
    with closing(_journal(tmp_path)) as journal:
        assert _run(tmp_path, journal, rows).answered_by == SCHEMA
    assert sorted(_recorded(tmp_path)) == sorted(before)
    assert len({one for one in before if one != "x"}) == rows


def _files_of_job(folder: Path) -> set[Path]:
    return {
        path
        for path in (folder / "journal").glob("*.journal")
        for _, frame in read_frames(path)
        if isinstance(frame, PredictionFrame) and frame.prediction_id != "x"
    }


def test_rows_that_a_full_journal_cut_short_are_completed(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    with closing(_journal(tmp_path, limit_bytes=8192)) as journal, pytest.raises(JournalFullError):
        _run(tmp_path, journal, 200)
    first = _recorded(tmp_path)
    assert 0 < len(first) < 200
    with closing(_journal(tmp_path)) as journal:
        _run(tmp_path, journal, 200)
    recorded = _recorded(tmp_path)
    assert (len(recorded), len(set(recorded))) == (200, 200)
    assert set(first) < set(recorded)


def test_the_ids_of_a_jobs_predictions_are_its_own_and_do_not_tell_the_jobs(tmp_path: Path) -> None:
    with closing(_journal(tmp_path)) as journal:
        one, again = (RecordedOnce(journal, tmp_path, JOB, 7_000_000) for _ in range(2))
        other = RecordedOnce(journal, tmp_path, IdFactory()(), 7_000_000)
        ids = [one.new_id() for _ in range(3)]
        assert ids == [again.new_id() for _ in range(3)]
        assert ids == sorted(ids)
        assert ids[0][:13] == "00000000-1b58"
        assert other.new_id()[14:] != ids[0][14:]
        assert not {ids[0][start : start + 12] for start in (19, 24)} & {JOB[19:31], JOB[24:]}
