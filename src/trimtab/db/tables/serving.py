"""What is served where, and what takes it there."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from trimtab.db.tables.columns import ID, NAME, metadata, micros, spec, version

__all__ = ["endpoint", "endpoint_history", "rollout", "rollout_analysis", "rollout_look"]

endpoint = Table(
    "endpoint",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("model", NAME, nullable=False),
    Column("generation", Integer, nullable=False),
    micros("updated_us"),
    spec(),
    version(),
)

endpoint_history = Table(
    "endpoint_history",
    metadata,
    Column("endpoint", NAME, primary_key=True),
    Column("generation", Integer, primary_key=True),
    micros("at_us"),
    Column("actor", NAME, nullable=False),
    Column("reason", Text, nullable=False),
    spec(),
    micros("served_us", nullable=True),
    Column("rollout_id", ID, nullable=True),
    Index(None, "endpoint", "at_us"),
)

rollout = Table(
    "rollout",
    metadata,
    Column("id", ID, primary_key=True),
    Column("endpoint", NAME, nullable=False),
    Column("model", NAME, nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("stable", Integer, nullable=True),
    Column("phase", String(24), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("action_id", ID, nullable=True),
    micros("started_us"),
    micros("finished_us", nullable=True),
    spec(),
    version(),
    # One rollout at a time on an endpoint.
    Index(None, "endpoint", unique=True, sqlite_where=text("active"), postgresql_where=text("active")),
    Index(None, "model", "started_us"),
)

rollout_analysis = Table(
    "rollout_analysis",
    metadata,
    Column("rollout_id", ID, ForeignKey("rollout.id"), primary_key=True),
    micros("updated_us"),
    Column("looks", Integer, nullable=False),
    spec(),
    version(),
)

rollout_look = Table(
    "rollout_look",
    metadata,
    Column("rollout_id", ID, ForeignKey("rollout.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    micros("at_us"),
    Column("generation", Integer, nullable=True),
    Column("step_index", Integer, nullable=False),
    Column("phase", String(24), nullable=False),
    Column("verdict", String(16), nullable=True),
    spec(),
)
