"""All tables of the metadata database.

Narrow typed columns for what is queried, one JSON column (``spec``) for the rest, ``version`` for optimistic locking.
Times end in ``_us``: microseconds since 1970 UTC. ``at_us`` and its like are domain time; what leases and retries use
(``leased_until_us``, ``available_us``) is machine time.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = ["metadata"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(36)
_NAME = String(128)
_OPEN_CASE = "state IN ('open', 'mitigating')"
_OPEN_ACTION = "state IN ('proposed', 'waiting_approval', 'approved', 'running')"
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def _spec() -> Column[object]:
    return Column("spec", JSON, nullable=False, default=dict)


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False, default=1)


def _micros(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


# --- plumbing -------------------------------------------------------------------------------------------------------

event = Table(
    "event",
    metadata,
    Column("position", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", _ID, nullable=False, unique=True),
    Column("kind", _NAME, nullable=False),
    Column("aggregate", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    _micros("at_us"),
)

event_delivery = Table(
    "event_delivery",
    metadata,
    Column("event_id", _ID, ForeignKey("event.id"), primary_key=True),
    Column("subscriber", _NAME, primary_key=True),
    Column("aggregate", String(200), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    _micros("available_us"),
    Column("lease_token", Integer, nullable=False, default=0),
    _micros("leased_until_us", nullable=True),
    Column("error", Text, nullable=True),
    Index(None, "subscriber", "state", "aggregate", "position"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("holder", _NAME, nullable=False),
    Column("token", Integer, nullable=False),
    _micros("until_us"),
)

queue_message = Table(
    "queue_message",
    metadata,
    Column("position", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", _ID, nullable=False, unique=True),
    Column("topic", _NAME, nullable=False),
    Column("dedup_key", String(200), nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", String(16), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    _micros("enqueued_us"),
    _micros("available_us"),
    Column("lease_token", Integer, nullable=False, default=0),
    _micros("leased_until_us", nullable=True),
    Column("error", Text, nullable=True),
    UniqueConstraint("topic", "dedup_key"),
    Index(None, "topic", "state", "position"),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("process", _NAME, primary_key=True),
    Column("pid", Integer, nullable=False),
    _micros("process_started_us"),
    _micros("beat_us"),
    _spec(),
)

schedule_run = Table(
    "schedule_run",
    metadata,
    Column("name", String(200), primary_key=True),
    _micros("last_us"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _NAME, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    _micros("created_us"),
    _micros("revoked_us", nullable=True),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("id", _ID, nullable=False, unique=True),
    _micros("at_us"),
    Column("actor", _NAME, nullable=False),
    Column("action", _NAME, nullable=False),
    Column("subject", String(200), nullable=False),
    _spec(),
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

notification = Table(
    "notification",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("dedup_key", String(200), nullable=False, unique=True),
    Column("route", _NAME, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("model", _NAME, nullable=True),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    _micros("available_us"),
    _micros("at_us"),
    Column("error", Text, nullable=True),
)

# --- data -----------------------------------------------------------------------------------------------------------

delivery = Table(
    "delivery",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("digest", String(128), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("model", _NAME, nullable=True),
    Column("endpoint", _NAME, nullable=True),
    Column("source", _NAME, nullable=True),
    Column("raw_path", Text, nullable=False),
    Column("state", String(16), nullable=False, default="received"),
    Column("rows", Integer, nullable=True),
    Column("rows_passed", Integer, nullable=True),
    Column("rows_quarantined", Integer, nullable=True),
    _micros("received_us"),
    _micros("processed_us", nullable=True),
    _spec(),
    _version(),
    Index(None, "model", "state"),
)

feed = Table(
    "feed",
    metadata,
    Column("model", _NAME, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("state", String(16), nullable=False, default="open"),
    _micros("since_us", nullable=True),
    _spec(),
    _version(),
)

profile = Table(
    "profile",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("segment_id", String(128), nullable=False),
    Column("endpoint", _NAME, nullable=False),
    Column("variant", _NAME, nullable=False),
    Column("model_version", Integer, nullable=False),
    _micros("start_us"),
    Column("period_s", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("segment_id", "endpoint", "variant", "model_version", "start_us"),
    Index(None, "endpoint", "start_us"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("model", _NAME, nullable=False),
    Column("dataset_hash", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    _micros("span_start_us", nullable=True),
    _micros("span_end_us", nullable=True),
    _micros("created_us"),
    _spec(),
    UniqueConstraint("model", "dataset_hash"),
)

# --- training and versions ------------------------------------------------------------------------------------------

job = Table(
    "job",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("model", _NAME, nullable=False),
    Column("idempotency_key", String(200), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=1),
    Column("out_dir", Text, nullable=False),
    _micros("created_us"),
    _micros("finished_us", nullable=True),
    Column("error", Text, nullable=True),
    _spec(),
    _version(),
    Index(None, "state"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("model", _NAME, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("bundle_path", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("algorithm", _NAME, nullable=False),
    Column("snapshot_id", _ID, ForeignKey("snapshot.id"), nullable=False),
    Column("job_id", _ID, ForeignKey("job.id"), nullable=False, unique=True),
    Column("run_id", String(64), nullable=True),
    _micros("created_us"),
    _micros("decided_us", nullable=True),
    Column("decided_by", _NAME, nullable=True),
    Column("projected_version", Integer, nullable=False, default=0),
    _spec(),
    _version(),
    UniqueConstraint("model", "number"),
)

# --- serving --------------------------------------------------------------------------------------------------------

endpoint = Table(
    "endpoint",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("model", _NAME, nullable=False),
    Column("generation", Integer, nullable=False),
    _micros("updated_us"),
    _spec(),
    _version(),
)

endpoint_history = Table(
    "endpoint_history",
    metadata,
    Column("endpoint", _NAME, primary_key=True),
    Column("generation", Integer, primary_key=True),
    _micros("at_us"),
    Column("actor", _NAME, nullable=False),
    Column("reason", Text, nullable=False),
    _spec(),
)

rollout = Table(
    "rollout",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("endpoint", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("stable", Integer, nullable=True),
    Column("phase", String(24), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("action_id", _ID, nullable=True),
    _micros("started_us"),
    _micros("finished_us", nullable=True),
    _spec(),
    _version(),
    # One rollout at a time on an endpoint.
    Index(None, "endpoint", unique=True, sqlite_where=text("active"), postgresql_where=text("active")),
    Index(None, "model", "started_us"),
)

# --- judgement ------------------------------------------------------------------------------------------------------

check_result = Table(
    "check_result",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("run_id", _ID, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("endpoint", _NAME, nullable=False),
    Column("variant", _NAME, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("monitor", _NAME, nullable=False),
    Column("kind", _NAME, nullable=False),
    Column("column", _NAME, nullable=True),
    _micros("window_start_us"),
    _micros("window_end_us"),
    Column("value", Float, nullable=True),
    Column("threshold", Float, nullable=True),
    Column("effect", Float, nullable=True),
    Column("verdict", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    _micros("at_us"),
    _spec(),
    UniqueConstraint("run_id", "monitor", "variant", "model_version", "column", "kind"),
    Index(None, "model", "at_us"),
)

alert = Table(
    "alert",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("dedup_key", String(200), nullable=False, unique=True),
    Column("kind", _NAME, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("model", _NAME, nullable=True),
    Column("endpoint", _NAME, nullable=True),
    Column("title", Text, nullable=False),
    Column("incident_id", _ID, nullable=True),
    _micros("at_us"),
    _spec(),
    Index(None, "model", "at_us"),
)

incident = Table(
    "incident",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("model", _NAME, nullable=False),
    Column("endpoint", _NAME, nullable=False),
    Column("state", String(16), nullable=False),
    Column("diagnosis", _NAME, nullable=True),
    Column("severity", Float, nullable=True),
    Column("title", Text, nullable=False),
    _micros("opened_us"),
    _micros("closed_us", nullable=True),
    _spec(),
    _version(),
    # One case at a time for an endpoint of a model.
    Index(None, "model", "endpoint", unique=True, sqlite_where=text(_OPEN_CASE), postgresql_where=text(_OPEN_CASE)),
    Index(None, "model", "state"),
)

action_request = Table(
    "action_request",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("dedup_key", String(200), nullable=False),
    Column("kind", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("endpoint", _NAME, nullable=True),
    Column("incident_id", _ID, ForeignKey("incident.id"), nullable=True),
    Column("tier", String(16), nullable=False),
    Column("state", String(20), nullable=False),
    Column("requested_by", _NAME, nullable=False),
    Column("decided_by", _NAME, nullable=True),
    _micros("created_us"),
    _micros("decided_us", nullable=True),
    _micros("finished_us", nullable=True),
    _spec(),
    _version(),
    # The same request can be made again once the earlier one is over.
    Index(None, "dedup_key", unique=True, sqlite_where=text(_OPEN_ACTION), postgresql_where=text(_OPEN_ACTION)),
    Index(None, "state"),
)

action_grant = Table(
    "action_grant",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("action_id", _ID, ForeignKey("action_request.id"), nullable=False, unique=True),
    Column("purpose", Text, nullable=False),
    Column("covers", JSON, nullable=False),
    Column("granted_by", _NAME, nullable=False),
    _micros("granted_us"),
    _micros("expires_us", nullable=True),
)

verification = Table(
    "verification",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("action_id", _ID, ForeignKey("action_request.id"), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("verdict", String(16), nullable=True),
    _micros("created_us"),
    _micros("finished_us", nullable=True),
    _spec(),
    _version(),
)

retraining_event = Table(
    "retraining_event",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("model", _NAME, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("action_id", _ID, nullable=True),
    _micros("at_us"),
    _spec(),
    Index(None, "model", "at_us"),
)

report = Table(
    "report",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("path", Text, nullable=False),
    _micros("at_us"),
    UniqueConstraint("kind", "subject"),
)
