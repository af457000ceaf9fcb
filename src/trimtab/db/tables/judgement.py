"""What monitors found, the cases it became, what was done about them, and the reports."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from trimtab.db.tables.columns import ID, NAME, metadata, micros, spec, version

__all__ = [
    "action_grant",
    "action_request",
    "alert",
    "check_result",
    "incident",
    "policy_decision",
    "report",
    "retraining_event",
    "verification",
]

_OPEN_CASE = "state IN ('open', 'mitigating')"
_OPEN_ACTION = "state IN ('proposed', 'waiting_approval', 'approved', 'running')"

check_result = Table(
    "check_result",
    metadata,
    Column("id", ID, primary_key=True),
    Column("run_id", ID, nullable=False),
    Column("model", NAME, nullable=False),
    Column("endpoint", NAME, nullable=False),
    Column("variant", NAME, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("monitor", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("column", NAME, nullable=True),
    micros("window_start_us"),
    micros("window_end_us"),
    Column("value", Float, nullable=True),
    Column("threshold", Float, nullable=True),
    Column("effect", Float, nullable=True),
    Column("verdict", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    micros("at_us"),
    spec(),
    UniqueConstraint("run_id", "monitor", "variant", "model_version", "column", "kind"),
    Index(None, "model", "at_us"),
)

alert = Table(
    "alert",
    metadata,
    Column("id", ID, primary_key=True),
    Column("dedup_key", String(200), nullable=False, unique=True),
    Column("kind", NAME, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("model", NAME, nullable=True),
    Column("endpoint", NAME, nullable=True),
    Column("title", Text, nullable=False),
    Column("incident_id", ID, nullable=True),
    micros("at_us"),
    spec(),
    Index(None, "model", "at_us"),
    Index(None, "incident_id"),
)

incident = Table(
    "incident",
    metadata,
    Column("id", ID, primary_key=True),
    Column("model", NAME, nullable=False),
    Column("endpoint", NAME, nullable=False),
    Column("family", String(16), nullable=False, server_default="model"),
    Column("state", String(16), nullable=False),
    Column("diagnosis", NAME, nullable=True),
    Column("severity", Float, nullable=True),
    Column("title", Text, nullable=False),
    micros("opened_us"),
    micros("closed_us", nullable=True),
    spec(),
    version(),
    # One case of a family at a time for an endpoint of a model.
    Index(
        None,
        "model",
        "endpoint",
        "family",
        unique=True,
        sqlite_where=text(_OPEN_CASE),
        postgresql_where=text(_OPEN_CASE),
    ),
    Index(None, "model", "state"),
)

action_request = Table(
    "action_request",
    metadata,
    Column("id", ID, primary_key=True),
    Column("dedup_key", String(200), nullable=False),
    Column("kind", NAME, nullable=False),
    Column("model", NAME, nullable=False),
    Column("endpoint", NAME, nullable=True),
    Column("incident_id", ID, ForeignKey("incident.id"), nullable=True),
    Column("tier", String(16), nullable=False),
    Column("state", String(20), nullable=False),
    Column("requested_by", NAME, nullable=False),
    Column("decided_by", NAME, nullable=True),
    micros("created_us"),
    micros("decided_us", nullable=True),
    micros("finished_us", nullable=True),
    micros("deadline_us", nullable=True),
    Column("needed", Integer, nullable=False, server_default="1"),
    Column("owner", NAME, nullable=True),
    spec(),
    version(),
    # The same request can be made again once the earlier one is over.
    Index(None, "dedup_key", unique=True, sqlite_where=text(_OPEN_ACTION), postgresql_where=text(_OPEN_ACTION)),
    Index(None, "state"),
)

action_grant = Table(
    "action_grant",
    metadata,
    Column("id", ID, primary_key=True),
    Column("action_id", ID, ForeignKey("action_request.id"), nullable=False, unique=True),
    Column("purpose", Text, nullable=False),
    Column("covers", JSON, nullable=False),
    Column("granted_by", NAME, nullable=False),
    micros("granted_us"),
    micros("expires_us", nullable=True),
)

policy_decision = Table(
    "policy_decision",
    metadata,
    Column("id", ID, primary_key=True),
    Column("origin", String(16), nullable=False),
    Column("model", NAME, nullable=False),
    Column("incident_id", ID, nullable=True),
    Column("action", NAME, nullable=True),
    Column("policy_hash", String(64), nullable=False),
    Column("held", Boolean, nullable=False),
    micros("at_us"),
    spec(),
    Index(None, "incident_id"),
    Index(None, "model", "at_us"),
)
"""What the policy said of a proposal, also where nothing followed from it."""

verification = Table(
    "verification",
    metadata,
    Column("id", ID, primary_key=True),
    Column("action_id", ID, ForeignKey("action_request.id"), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("verdict", String(16), nullable=True),
    micros("created_us"),
    micros("finished_us", nullable=True),
    micros("due_us", nullable=True),
    micros("deadline_us", nullable=True),
    spec(),
    version(),
)

retraining_event = Table(
    "retraining_event",
    metadata,
    Column("id", ID, primary_key=True),
    Column("model", NAME, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("action_id", ID, nullable=True),
    micros("at_us"),
    spec(),
    Column("job_id", ID, nullable=True),
    Column("cause", NAME, nullable=True),
    Column("outcome", Text, nullable=True),
    Index(None, "model", "at_us"),
)

report = Table(
    "report",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("path", Text, nullable=False),
    micros("at_us"),
    Column("digest", String(64), nullable=True),
    Column("spec", JSON, nullable=True),
    UniqueConstraint("kind", "subject"),
)
