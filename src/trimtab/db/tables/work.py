"""What moves the loop: events and their deliveries, queues, leases, heartbeats, messages to people."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from trimtab.db.tables.columns import ID, NAME, SEQUENCE, metadata, micros, spec

__all__ = ["event", "event_delivery", "heartbeat", "lease", "notification", "queue_message", "schedule_run"]

event = Table(
    "event",
    metadata,
    Column("position", SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", ID, nullable=False, unique=True),
    Column("kind", NAME, nullable=False),
    Column("aggregate", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    micros("at_us"),
)

event_delivery = Table(
    "event_delivery",
    metadata,
    Column("event_id", ID, ForeignKey("event.id"), primary_key=True),
    Column("subscriber", NAME, primary_key=True),
    Column("aggregate", String(200), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    micros("available_us"),
    Column("lease_token", Integer, nullable=False, default=0),
    micros("leased_until_us", nullable=True),
    Column("error", Text, nullable=True),
    Index(None, "subscriber", "state", "aggregate", "position"),
    Index(None, "state", "position"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("holder", NAME, nullable=False),
    Column("token", Integer, nullable=False),
    micros("until_us"),
)

queue_message = Table(
    "queue_message",
    metadata,
    Column("position", SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", ID, nullable=False, unique=True),
    Column("topic", NAME, nullable=False),
    Column("dedup_key", String(200), nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", String(16), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    micros("enqueued_us"),
    micros("available_us"),
    Column("lease_token", Integer, nullable=False, default=0),
    micros("leased_until_us", nullable=True),
    Column("error", Text, nullable=True),
    UniqueConstraint("topic", "dedup_key"),
    Index(None, "topic", "state", "position"),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("process", NAME, primary_key=True),
    Column("pid", Integer, nullable=False),
    micros("process_started_us"),
    micros("beat_us"),
    spec(),
)

schedule_run = Table(
    "schedule_run",
    metadata,
    Column("name", String(200), primary_key=True),
    micros("last_us"),
)

notification = Table(
    "notification",
    metadata,
    Column("id", ID, primary_key=True),
    Column("dedup_key", String(200), nullable=False, unique=True),
    Column("route", NAME, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("model", NAME, nullable=True),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    micros("available_us"),
    micros("at_us"),
    Column("error", Text, nullable=True),
    Column("kind", NAME, nullable=True),
    Column("digest_key", String(200), nullable=True),
    Column("attachment", Text, nullable=True),
    Column("fallback_of", ID, nullable=True),
    Index(None, "state", "available_us"),
)
