"""Who agreed to an action, by what way, and when nothing may run by itself."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, text

from trimtab.db.tables.columns import ID, NAME, metadata, micros

__all__ = ["approval_link", "autonomy_pause", "vote"]

_COUNTED = "word <> 'comment'"

vote = Table(
    "vote",
    metadata,
    Column("id", ID, primary_key=True),
    Column("action_id", ID, ForeignKey("action_request.id"), nullable=False),
    Column("owner", NAME, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("word", String(16), nullable=False),
    Column("via", String(16), nullable=False),
    Column("comment", Text, nullable=False),
    micros("at_us"),
    # A person agrees or disagrees once, with whichever of their keys.
    Index(None, "action_id", "owner", unique=True, sqlite_where=text(_COUNTED), postgresql_where=text(_COUNTED)),
)

approval_link = Table(
    "approval_link",
    metadata,
    Column("id", ID, primary_key=True),
    Column("action_id", ID, ForeignKey("action_request.id"), nullable=False),
    Column("person", NAME, nullable=False),
    Column("word", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    micros("created_us"),
    micros("expires_us"),
    micros("used_us", nullable=True),
    micros("voided_us", nullable=True),
    Index(None, "action_id"),
)

autonomy_pause = Table(
    "autonomy_pause",
    metadata,
    Column("id", ID, primary_key=True),
    Column("scope", NAME, nullable=False),
    micros("from_us"),
    micros("until_us"),
    Column("reason", Text, nullable=False),
    Column("actor", NAME, nullable=False),
    micros("ended_us", nullable=True),
    Column("ended_by", NAME, nullable=True),
)
"""``scope`` is a model, or ``*`` for all of them."""
