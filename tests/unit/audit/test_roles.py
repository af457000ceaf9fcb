"""On PostgreSQL the platform needs no right to change the log: the grants in the docs are enough to work with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.postgres import PostgresServer
from tests.unit.audit.forging import Sealed, make_sealed

from trimtab.audit.index import reindex
from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade

_DOCS = Path(__file__).parents[3] / "docs" / "audit.md"


@pytest.fixture(scope="module")
def as_platform(postgres: PostgresServer, postgres_template: str) -> Iterator[Database]:
    """A database of the owner's, as the role that the docs describe may use it."""
    name = postgres.create(postgres_template)
    owner = Database(postgres.url(name))
    found = re.search(r"```sql\n(.*?)```", _DOCS.read_text(), re.DOTALL)
    assert found is not None
    with owner.transaction() as connection:
        connection.execute(text(found[1]))
    owner.close()
    database = Database(f"postgresql://trimtab_app:change-me@127.0.0.1:{postgres.port}/{name}")
    yield database
    database.close()


@pytest.fixture(scope="module")
def made(as_platform: Database) -> Sealed:
    return make_sealed(as_platform)


def test_it_starts_writes_finds_and_verifies(made: Sealed) -> None:
    upgrade(made.database)
    assert reindex(made.database) == 30
    with made.database.reading() as connection:
        assert made.verified(connection, made.key.public).problems == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'eve'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "ALTER TABLE audit_entry DISABLE TRIGGER USER",
        "DROP TRIGGER audit_entry_only_next ON audit_entry",
        "DROP TABLE audit_entry",
        "DELETE FROM audit_head",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE OR REPLACE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ],
)
def test_it_may_not_change_what_was_written_nor_what_guards_it(made: Sealed, statement: str) -> None:
    with (
        pytest.raises((DBAPIError, BackendError), match=r"permission denied|must be owner"),
        made.database.transaction() as connection,
    ):
        connection.execute(text(statement))


def test_nor_may_it_set_the_head_back(made: Sealed) -> None:
    with pytest.raises(DBAPIError, match="audit_head only moves"), made.database.transaction() as connection:
        connection.execute(text("UPDATE audit_head SET sequence = 3"))
