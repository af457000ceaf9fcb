"""Frames to write in tests."""

from __future__ import annotations

from pathlib import Path

from trimtab.core.enums import ColumnKind, Task
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame

SCHEMA = SchemaFrame(
    schema_id=1,
    endpoint="heart",
    model="heart",
    model_version=3,
    variant="stable",
    bundle_digest="d" * 64,
    task=Task.BINARY,
    features=(("age", ColumnKind.NUMBER), ("sick", ColumnKind.BOOLEAN), ("sex", ColumnKind.CATEGORY)),
)


def prediction(place: int, schema_id: int = 1) -> PredictionFrame:
    return PredictionFrame(
        schema_id=schema_id,
        prediction_id=f"p{place:07d}",
        request_id="r",
        event_us=place,
        received_us=place,
        generation=2,
        assignment_probability=0.9,
        record_key=str(place),
        source=None,
        sticky_hash=None,
        values=(float(place), None, "male"),
        prediction="yes",
        probability=0.5,
        latency_ms=0.1,
    )


def truth(place: int) -> TruthFrame:
    return TruthFrame(
        endpoint="heart",
        prediction_id=f"p{place:07d}",
        record_key=None,
        event_us=None,
        truth="yes",
        labelled_us=place,
        received_us=place,
    )


def writer(folder: Path, *, writer_id: str | None = None, file_bytes: int = 1 << 20) -> JournalWriter:
    return JournalWriter(folder, sync_interval_s=0.01, file_bytes=file_bytes, writer_id=writer_id)
