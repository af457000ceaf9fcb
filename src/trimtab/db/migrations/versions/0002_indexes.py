"""What is looked for several times a second is found by an index, however much is done already.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = {
    "alert": (("incident_id",),),
    "delivery": (("state", "received_us"), ("endpoint", "state")),
    "event_delivery": (("state", "position"),),
    "notification": (("state", "available_us"),),
}


def upgrade() -> None:
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)
