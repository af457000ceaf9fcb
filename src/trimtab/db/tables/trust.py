"""Who may do what, and what was done: keys and the audit log."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table

from trimtab.db.tables.columns import ID, NAME, SEQUENCE, metadata, micros, spec

__all__ = ["api_key", "audit_about", "audit_entry", "audit_head", "request_once", "session", "webhook_receipt"]

api_key = Table(
    "api_key",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    micros("created_us"),
    micros("revoked_us", nullable=True),
    Column("owner", NAME, nullable=True),
    Column("created_by", NAME, nullable=True),
    micros("expires_us", nullable=True),
    micros("last_used_us", nullable=True),
)
"""``owner`` is the person behind the key, by its name where none is stated: whoever holds two keys votes once."""

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False, unique=True),
    micros("at_us"),
    Column("actor", NAME, nullable=False),
    Column("action", NAME, nullable=False),
    Column("subject", String(200), nullable=False),
    spec(),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Index(None, "subject"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_about = Table(
    "audit_about",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    Index(None, "sequence"),
)
"""What entries are about, to find them by: made of the entries, and never evidence."""

session = Table(
    "session",
    metadata,
    Column("id", ID, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("key_id", ID, nullable=False),
    Column("csrf_hash", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    micros("created_us"),
    micros("seen_us"),
    micros("expires_us"),
    micros("ended_us", nullable=True),
    Index(None, "key_id"),
)
"""Whoever signed in at the console; all its times are machine time."""

webhook_receipt = Table(
    "webhook_receipt",
    metadata,
    Column("source", NAME, primary_key=True),
    Column("digest", String(64), primary_key=True),
    micros("received_us"),
    Column("answer", JSON, nullable=False),
)
"""Signed bodies that were taken, by machine time: the same one again gets the same answer, and does nothing."""

request_once = Table(
    "request_once",
    metadata,
    Column("actor", NAME, primary_key=True),
    Column("idempotency_key", NAME, primary_key=True),
    Column("operation", NAME, nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer, nullable=True),
    Column("answer", JSON, nullable=False),
    micros("at_us"),
)
"""Requests that carried an idempotency key, by machine time; without a status: nobody knows yet how it ended."""
