"""Heart-like rows, contract and records for the tests of the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.sqlite import at_newest_revision

from trimtab.config.columns import ContractConfig
from trimtab.config.model import ModelConfig
from trimtab.core.clock import to_micros
from trimtab.core.enums import ColumnKind, Task, VariantRole
from trimtab.db.engine import Database
from trimtab.lake.deliveries import accept_file
from trimtab.lake.ingest import Ingest, ModelContext, OnProcessed, Processed
from trimtab.lake.intake import take_in
from trimtab.lake.queues.embedded import EmbeddedQueue
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, segment_id, truth_table, write_segment

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NOW_US = to_micros(NOW)
HOUR_US = 3_600_000_000
MODEL = "heart"

CONTRACT = ContractConfig.model_validate(
    {
        "columns": {
            "patient_id": {"type": "integer"},
            "age": {"type": "integer", "min": 0, "max": 120},
            "sex": {"type": "category", "values": ["male", "female"]},
            "chol": {"type": "number", "min": 80, "max": 700, "unit": "mg/dL"},
            "thal": {"type": "category", "nullable": True},
            "disease": {"type": "category", "values": ["0", "1"]},
        },
        "unique": ["patient_id"],
    }
)
MODEL_CONFIG = ModelConfig.model_validate(
    {"name": MODEL, "task": "binary", "target": "disease", "positive_class": "1", "key": "patient_id"}
)
CONTEXT = ModelContext(model=MODEL_CONFIG, contract=CONTRACT, profile_period_s=3600)

GOOD_ROW = "63,male,233,normal,0"


def csv_of(rows: Sequence[str]) -> str:
    """Return a delivery of these rows, each with its patient_id first."""
    return "\n".join(["patient_id,age,sex,chol,thal,disease", *rows]) + "\n"


def good_rows(count: int, *, start: int = 1) -> list[str]:
    """Return rows that keep the contract, numbered from ``start``."""
    return [
        f"{number},{30 + number % 40},{'male' if number % 3 else 'female'},{180 + number % 90},normal,{number % 2}"
        for number in range(start, start + count)
    ]


@dataclass
class Workplace:
    """A database, a lake, a queue and what ingest told of its work."""

    root: Path
    database: Database
    lake: Lake
    queue: EmbeddedQueue
    told: list[Processed]

    @staticmethod
    def at(root: Path, database: Database | None = None) -> Workplace:
        """Make (or open) a workplace below ``root``; a ``database`` of somebody else's is at the newest revision."""
        if database is None:
            database = at_newest_revision(root / "trimtab.db")
        return Workplace(root, database, Lake(FolderStorage(root / "lake")), EmbeddedQueue(database), [])

    def ingest(self, context: ModelContext = CONTEXT, on_processed: OnProcessed | None = None) -> Ingest:
        """Return an ingest that knows one model."""
        return Ingest(
            self.database,
            self.lake,
            self.queue,
            lambda name: {context.model.name: context}[name],
            on_processed=on_processed or (lambda _connection, processed: self.told.append(processed)),
        )

    def deliver(self, name: str, content: str | bytes) -> Path:
        """Write a file as somebody would deliver it."""
        path = self.root / "deliveries" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


FEATURES = (
    ("age", ColumnKind.INTEGER),
    ("sex", ColumnKind.CATEGORY),
    ("chol", ColumnKind.NUMBER),
    ("thal", ColumnKind.CATEGORY),
)


@dataclass(frozen=True)
class Asked:
    """One prediction request, in short."""

    number: int
    event_us: int = NOW_US
    chol: float = 220.0
    age: float = 50.0
    source: str | None = None
    key: str | None = None
    prediction: str = "1"

    @property
    def prediction_id(self) -> str:
        """The id of the answer."""
        return f"prediction-{self.number:06d}"


def records_segment(
    asked: Sequence[Asked],
    *,
    part: str = "1",
    variant: str = "v1",
    version: int = 1,
    role: VariantRole = VariantRole.LIVE,
) -> pa.Table:
    """Return the segment that a shipper would make of these requests; a shadow's rows name the live predictions."""
    schema = SchemaFrame(
        schema_id=1,
        endpoint=MODEL,
        model=MODEL,
        model_version=version,
        variant=variant,
        bundle_digest="b" * 64,
        task=Task.BINARY,
        features=FEATURES,
        role=role,
    )
    frames = [
        PredictionFrame(
            schema_id=1,
            prediction_id=each.prediction_id,
            request_id=f"request-{each.number}",
            event_us=each.event_us,
            received_us=each.event_us,
            generation=1,
            assignment_probability=1.0,
            record_key=each.key,
            source=each.source,
            sticky_hash=None,
            values=(each.age, "male", each.chol, None),
            prediction=each.prediction,
            probability=0.75,
            latency_ms=1.5,
            shadow_of=each.prediction_id if role is VariantRole.SHADOW else None,
        )
        for each in asked
    ]
    first = asked[0].number if asked else 0
    return predictions_table(schema, frames, segment_id("journal", first, first + len(asked), part))


def truth_segment(frames: Sequence[TruthFrame], *, part: str = "t") -> pa.Table:
    """Return the segment that a shipper would make of these outcomes."""
    return truth_table(frames, segment_id("journal", 0, len(frames), f"truth-{part}"))


def outcome_of(
    truth: str,
    *,
    prediction_id: str | None = None,
    key: str | None = None,
    event_us: int | None = None,
    labelled_us: int = NOW_US,
    endpoint: str = MODEL,
) -> TruthFrame:
    """Return one true outcome."""
    return TruthFrame(
        endpoint=endpoint,
        prediction_id=prediction_id,
        record_key=key,
        event_us=event_us,
        truth=truth,
        labelled_us=labelled_us,
        received_us=labelled_us,
    )


def accepted(place: Workplace, name: str, content: str | bytes, feed: str | None = None) -> str:
    path = place.deliver(name, content)
    return accept_file(place.database, place.lake, place.queue, model=MODEL, path=path, feed=feed, now=NOW).id


def shipped(place: Workplace, *tables: pa.Table) -> int:
    for table in tables:
        write_segment(place.root / "intake", table)
    return take_in(place.database, place.lake, place.queue, place.root / "intake", now=NOW)


def quarantine_of(place: Workplace, processed: Processed) -> pa.Table:
    assert processed.quarantine_path is not None
    return pq.read_table(place.lake.absolute(processed.quarantine_path))
