"""A database with a snapshot and a few jobs, for versions to refer to."""

import pytest
from sqlalchemy import insert

from trimtab.db.engine import Database
from trimtab.db.tables import job, snapshot


@pytest.fixture
def database(database: Database) -> Database:
    with database.transaction() as connection:
        connection.execute(
            insert(snapshot).values(id="s1", model="bike", dataset_hash="d" * 32, path="x", rows=1, created_us=0)
        )
        for number in range(1, 6):
            connection.execute(
                insert(job).values(
                    id=f"j{number}",
                    kind="train",
                    model="bike",
                    idempotency_key=f"j{number}",
                    state="succeeded",
                    out_dir="x",
                    created_us=0,
                )
            )
    return database
