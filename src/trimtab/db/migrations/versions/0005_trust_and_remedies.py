"""Cases by family, decisions, votes, links, pauses, sessions; the audit log takes only its next entry.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# On SQLite a REPLACE deletes the row in its way without asking the trigger against deletion: so what may be inserted is
# guarded too. The driver of SQLite takes one statement at a time.
_GUARDS = {
    "sqlite": (
        "CREATE TRIGGER audit_entry_only_next BEFORE INSERT ON audit_entry "
        "WHEN NEW.sequence IS NOT (SELECT sequence + 1 FROM audit_head WHERE id = 1) "
        "OR NEW.previous_hash IS NOT (SELECT hash FROM audit_head WHERE id = 1) "
        "OR EXISTS (SELECT 1 FROM audit_entry WHERE sequence = NEW.sequence OR id = NEW.id OR hash = NEW.hash) "
        "BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only: only the next entry is taken'); END",
        "CREATE TRIGGER audit_head_only_forward BEFORE UPDATE ON audit_head "
        "WHEN NEW.id IS NOT OLD.id OR NEW.sequence IS NOT OLD.sequence + 1 "
        "OR NEW.hash IS NOT (SELECT hash FROM audit_entry WHERE sequence = NEW.sequence) "
        "BEGIN SELECT RAISE(ABORT, 'audit_head only moves to the next entry'); END",
        "CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head "
        "BEGIN SELECT RAISE(ABORT, 'audit_head only moves to the next entry'); END",
        "CREATE TRIGGER audit_head_only_one BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head) "
        "BEGIN SELECT RAISE(ABORT, 'audit_head only moves to the next entry'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_entry_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "DECLARE head record; BEGIN "
        "SELECT sequence, hash INTO head FROM audit_head WHERE id = 1; "
        "IF NEW.sequence IS DISTINCT FROM head.sequence + 1 OR NEW.previous_hash IS DISTINCT FROM head.hash THEN "
        "RAISE EXCEPTION 'audit_entry is append-only: only the next entry is taken'; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER audit_entry_only_next BEFORE INSERT ON audit_entry "
        "FOR EACH ROW EXECUTE FUNCTION audit_entry_take_next()",
        "CREATE FUNCTION audit_head_move_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.id IS DISTINCT FROM OLD.id OR NEW.sequence IS DISTINCT FROM OLD.sequence + 1 OR NOT EXISTS "
        "(SELECT 1 FROM audit_entry WHERE sequence = NEW.sequence AND hash = NEW.hash) THEN "
        "RAISE EXCEPTION 'audit_head only moves to the next entry'; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER audit_head_only_forward BEFORE UPDATE ON audit_head "
        "FOR EACH ROW EXECUTE FUNCTION audit_head_move_on()",
        "CREATE FUNCTION audit_head_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit_head only moves to the next entry'; END $$",
        # For a row, an insert is refused only where there is a head already: a dump brings its own.
        "CREATE TRIGGER audit_head_no_delete BEFORE DELETE OR TRUNCATE ON audit_head "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_head_refuse()",
        "CREATE FUNCTION audit_head_stay_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT 1 FROM audit_head) THEN "
        "RAISE EXCEPTION 'audit_head only moves to the next entry'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER audit_head_only_one BEFORE INSERT ON audit_head "
        "FOR EACH ROW EXECUTE FUNCTION audit_head_stay_one()",
    ),
}


def upgrade() -> None:
    _cases()
    _agreement()
    _callers()
    _messages_and_reports()
    _audit()


def _cases() -> None:
    # Cases that are there were about everything of an endpoint: most of it was the model.
    op.add_column("incident", sa.Column("family", sa.String(length=16), server_default="model", nullable=False))
    still_open = sa.text("state IN ('open', 'mitigating')")
    op.drop_index(op.f("ix_incident_model_endpoint"), table_name="incident")
    op.create_index(
        op.f("ix_incident_model_endpoint_family"),
        "incident",
        ["model", "endpoint", "family"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_table(
        "policy_decision",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=True),
        sa.Column("action", sa.String(length=128), nullable=True),
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_decision")),
    )
    op.create_index(op.f("ix_policy_decision_incident_id"), "policy_decision", ["incident_id"], unique=False)
    op.create_index(op.f("ix_policy_decision_model_at_us"), "policy_decision", ["model", "at_us"], unique=False)
    op.add_column("verification", sa.Column("due_us", sa.BigInteger(), nullable=True))
    op.add_column("verification", sa.Column("deadline_us", sa.BigInteger(), nullable=True))


def _agreement() -> None:
    op.add_column("action_request", sa.Column("deadline_us", sa.BigInteger(), nullable=True))
    op.add_column("action_request", sa.Column("needed", sa.Integer(), server_default="1", nullable=False))
    op.add_column("action_request", sa.Column("owner", sa.String(length=128), nullable=True))
    op.create_table(
        "vote",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("action_id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("word", sa.String(length=16), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["action_request.id"], name=op.f("fk_vote_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vote")),
    )
    counted = sa.text("word <> 'comment'")
    op.create_index(
        op.f("ix_vote_action_id_owner"),
        "vote",
        ["action_id", "owner"],
        unique=True,
        sqlite_where=counted,
        postgresql_where=counted,
    )
    op.create_table(
        "approval_link",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("action_id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("word", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("voided_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["action_id"], ["action_request.id"], name=op.f("fk_approval_link_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_approval_link_token_hash")),
    )
    op.create_index(op.f("ix_approval_link_action_id"), "approval_link", ["action_id"], unique=False)
    op.create_table(
        "autonomy_pause",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.String(length=128), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autonomy_pause")),
    )


def _callers() -> None:
    op.add_column("api_key", sa.Column("owner", sa.String(length=128), nullable=True))
    op.add_column("api_key", sa.Column("created_by", sa.String(length=128), nullable=True))
    op.add_column("api_key", sa.Column("expires_us", sa.BigInteger(), nullable=True))
    op.add_column("api_key", sa.Column("last_used_us", sa.BigInteger(), nullable=True))
    op.create_table(
        "session",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("csrf_hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_session_token_hash")),
    )
    op.create_index(op.f("ix_session_key_id"), "session", ["key_id"], unique=False)
    op.create_table(
        "webhook_receipt",
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("source", "digest", name=op.f("pk_webhook_receipt")),
    )
    op.create_table(
        "request_once",
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=False),
        sa.Column("operation", sa.String(length=128), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor", "idempotency_key", name=op.f("pk_request_once")),
    )


def _messages_and_reports() -> None:
    op.add_column("notification", sa.Column("kind", sa.String(length=128), nullable=True))
    op.add_column("notification", sa.Column("digest_key", sa.String(length=200), nullable=True))
    op.add_column("notification", sa.Column("attachment", sa.Text(), nullable=True))
    op.add_column("notification", sa.Column("fallback_of", sa.String(length=36), nullable=True))
    op.add_column("report", sa.Column("digest", sa.String(length=64), nullable=True))
    op.add_column("report", sa.Column("spec", sa.JSON(), nullable=True))


def _audit() -> None:
    # Filled from the entries by whoever first looks something up in it.
    op.create_table(
        "audit_about",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("kind", "value", "sequence", name=op.f("pk_audit_about")),
    )
    op.create_index(op.f("ix_audit_about_sequence"), "audit_about", ["sequence"], unique=False)
    for statement in _GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)
