"""What monitors and retraining rules remember; a retraining's event keeps its cause, its job and how that ended.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Events that lie there already keep nulls: nobody noted it then.
    op.add_column("retraining_event", sa.Column("job_id", sa.String(length=36), nullable=True))
    op.add_column("retraining_event", sa.Column("cause", sa.String(length=128), nullable=True))
    op.add_column("retraining_event", sa.Column("outcome", sa.Text(), nullable=True))
    _monitors()
    _rules()


def _monitors() -> None:
    op.create_table(
        "monitor_state",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("endpoint", sa.String(length=128), nullable=False),
        sa.Column("variant", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("monitor", sa.String(length=128), nullable=False),
        sa.Column("window_end_us", sa.BigInteger(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "endpoint", "variant", "model_version", "monitor", name=op.f("pk_monitor_state")
        ),
    )


def _rules() -> None:
    op.create_table(
        "version_loss",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("endpoint", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "endpoint", "model_version", "series", "start_us", name=op.f("pk_version_loss")
        ),
    )
    columns = ["model", "endpoint", "start_us"]
    op.create_index(op.f("ix_version_loss_model_endpoint_start_us"), "version_loss", columns, unique=False)
    op.create_table(
        "trigger_state",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_trigger_state")),
    )
