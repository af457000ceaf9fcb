from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.records.frames import SCHEMA

from trimtab.records.journal import JournalWriter
from trimtab.records.layout import journal_files
from trimtab.records.reader import read_frames
from trimtab.records.schema import Frame, PredictionFrame, TruthFrame
from trimtab.records.segments import read_segment
from trimtab.records.shipper import Shipper

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
MOMENTS = st.integers(-(2**62), 2**62)
NUMBERS = st.floats(allow_nan=False)
PREDICTIONS = st.builds(
    PredictionFrame,
    schema_id=st.just(1),
    prediction_id=TEXT,
    request_id=TEXT,
    event_us=MOMENTS,
    received_us=MOMENTS,
    generation=st.integers(0, 2**31),
    assignment_probability=st.floats(0, 1),
    record_key=st.none() | TEXT,
    source=st.none() | TEXT,
    sticky_hash=st.none() | TEXT,
    values=st.tuples(st.none() | NUMBERS, st.none() | st.booleans(), st.none() | TEXT),
    prediction=TEXT,
    probability=st.none() | NUMBERS,
    latency_ms=NUMBERS,
)
TRUTHS = st.builds(
    TruthFrame,
    endpoint=TEXT,
    prediction_id=st.none() | TEXT,
    record_key=st.none() | TEXT,
    event_us=st.none() | MOMENTS,
    truth=TEXT,
    labelled_us=MOMENTS,
    received_us=MOMENTS,
)
FRAMES: st.SearchStrategy[list[Frame]] = st.lists(PREDICTIONS | TRUTHS, max_size=30)


@settings(max_examples=40, deadline=None)
@given(frames=FRAMES, cut=st.integers(0, 4000))
def test_a_journal_cut_anywhere_gives_a_prefix_of_what_was_written(frames: list[Frame], cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = JournalWriter(folder, sync_interval_s=1, file_bytes=1 << 18)
        for frame in frames:
            journal.append(frame)
        path = journal.path
        assert [frame for _, frame in read_frames(path)] == frames
        journal.close()
        with path.open("r+b") as stream:
            stream.truncate(min(cut, path.stat().st_size))
        read = [frame for _, frame in read_frames(path)]
        assert read == frames[: len(read)]


@settings(max_examples=20, deadline=None)
@given(frames=FRAMES, max_rows=st.integers(1, 12), stops=st.sets(st.integers(0, 30)))
def test_whatever_is_written_arrives_once_whenever_it_is_shipped(
    frames: list[Frame], max_rows: int, stops: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        journals, intake = Path(name) / "j", Path(name) / "in"
        journal = JournalWriter(journals, sync_interval_s=1, file_bytes=1 << 14)
        journal.declare(SCHEMA)
        shipped = 0
        for place, frame in enumerate(frames):
            journal.append(frame)
            if place in stops:
                shipped += Shipper(journals, intake, max_rows=max_rows).ship_once()
        journal.close()
        shipped += Shipper(journals, intake, max_rows=max_rows).ship_once()
        rows = [row for path in intake.glob("*.arrow") for row in read_segment(path).to_pylist()]
        assert shipped == len(rows) == len(frames)
        assert journal_files(journals) == []
        wanted = sorted(frame.prediction_id for frame in frames if isinstance(frame, PredictionFrame))
        assert sorted(row["prediction_id"] for row in rows if "variant" in row) == wanted
