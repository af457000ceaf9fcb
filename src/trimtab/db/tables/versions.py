"""Jobs and the model versions that they leave."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from trimtab.db.tables.columns import ID, NAME, metadata, micros, spec, version

__all__ = ["job", "model_version"]

job = Table(
    "job",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("model", NAME, nullable=False),
    Column("idempotency_key", String(200), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=1),
    Column("out_dir", Text, nullable=False),
    micros("created_us"),
    micros("finished_us", nullable=True),
    Column("error", Text, nullable=True),
    spec(),
    version(),
    Index(None, "state"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("id", ID, primary_key=True),
    Column("model", NAME, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("bundle_path", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("algorithm", NAME, nullable=False),
    Column("snapshot_id", ID, ForeignKey("snapshot.id"), nullable=False),
    Column("job_id", ID, ForeignKey("job.id"), nullable=False, unique=True),
    Column("run_id", String(64), nullable=True),
    micros("created_us"),
    micros("decided_us", nullable=True),
    Column("decided_by", NAME, nullable=True),
    Column("projected_version", Integer, nullable=False, default=0),
    spec(),
    version(),
    UniqueConstraint("model", "number"),
)
