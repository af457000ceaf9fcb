"""What came in and what is learnt from: deliveries, feeds, profiles, snapshots."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from trimtab.db.tables.columns import ID, NAME, metadata, micros, spec, version

__all__ = ["delivery", "feed", "profile", "snapshot"]

delivery = Table(
    "delivery",
    metadata,
    Column("id", ID, primary_key=True),
    Column("digest", String(128), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("model", NAME, nullable=True),
    Column("endpoint", NAME, nullable=True),
    Column("source", NAME, nullable=True),
    Column("raw_path", Text, nullable=False),
    Column("state", String(16), nullable=False, default="received"),
    Column("rows", Integer, nullable=True),
    Column("rows_passed", Integer, nullable=True),
    Column("rows_quarantined", Integer, nullable=True),
    micros("received_us"),
    micros("processed_us", nullable=True),
    spec(),
    version(),
    Index(None, "model", "state"),
    Index(None, "state", "received_us"),
    Index(None, "endpoint", "state"),
)

feed = Table(
    "feed",
    metadata,
    Column("model", NAME, primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("state", String(16), nullable=False, default="open"),
    micros("since_us", nullable=True),
    spec(),
    version(),
)

profile = Table(
    "profile",
    metadata,
    Column("id", ID, primary_key=True),
    Column("segment_id", String(128), nullable=False),
    Column("endpoint", NAME, nullable=False),
    Column("variant", NAME, nullable=False),
    Column("model_version", Integer, nullable=False),
    micros("start_us"),
    Column("period_s", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("segment_id", "endpoint", "variant", "model_version", "start_us"),
    Index(None, "endpoint", "start_us"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", ID, primary_key=True),
    Column("model", NAME, nullable=False),
    Column("dataset_hash", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    micros("span_start_us", nullable=True),
    micros("span_end_us", nullable=True),
    micros("created_us"),
    spec(),
    UniqueConstraint("model", "dataset_hash"),
)
