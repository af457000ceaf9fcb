"""Who may do what, and what was done: keys and the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from trimtab.db.tables.columns import ID, NAME, SEQUENCE, metadata, micros, spec

__all__ = ["api_key", "audit_entry", "audit_head"]

api_key = Table(
    "api_key",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    micros("created_us"),
    micros("revoked_us", nullable=True),
)

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
