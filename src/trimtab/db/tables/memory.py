"""What monitors and retraining rules remember: their state, and losses by version."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table

from trimtab.db.tables.columns import NAME, metadata, micros, spec, version

__all__ = ["monitor_state", "trigger_state", "version_loss"]

monitor_state = Table(
    "monitor_state",
    metadata,
    Column("model", NAME, primary_key=True),
    Column("endpoint", NAME, primary_key=True),
    Column("variant", NAME, primary_key=True),
    Column("model_version", Integer, primary_key=True, autoincrement=False),
    Column("monitor", NAME, primary_key=True),
    micros("window_end_us"),
    spec(),
    version(),
)

version_loss = Table(
    "version_loss",
    metadata,
    Column("model", NAME, primary_key=True),
    Column("endpoint", NAME, primary_key=True),
    Column("model_version", Integer, primary_key=True, autoincrement=False),
    # "answers" (of the version itself), or "twin:NAME".
    Column("series", String(64), primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    micros("end_us"),
    Column("rows", Integer, nullable=False),
    Column("loss", Float, nullable=False),
    spec(),
    Column("revision", BigInteger, nullable=False, default=0),
    Index(None, "model", "endpoint", "start_us"),
)

trigger_state = Table(
    "trigger_state",
    metadata,
    Column("model", NAME, primary_key=True),
    spec(),
    version(),
)
