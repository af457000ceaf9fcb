"""What rollouts rest on: evidence and looks; which brought a generation of an endpoint, and when it was seen served.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What lies there already keeps null: nobody looked when it was served.
    op.add_column("endpoint_history", sa.Column("served_us", sa.BigInteger(), nullable=True))
    op.add_column("endpoint_history", sa.Column("rollout_id", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_endpoint_history_endpoint_at_us"), "endpoint_history", ["endpoint", "at_us"], unique=False)
    op.create_table(
        "rollout_analysis",
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", name=op.f("pk_rollout_analysis")),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollout.id"], name=op.f("fk_rollout_analysis_rollout_id")),
    )
    op.create_table(
        "rollout_look",
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("step_index", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=24), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "sequence", name=op.f("pk_rollout_look")),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollout.id"], name=op.f("fk_rollout_look_rollout_id")),
    )
