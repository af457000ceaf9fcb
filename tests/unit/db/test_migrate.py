"""A database gets to the newest revision, from wherever it is, and stays there."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from trimtab.core.errors import BackendError
from trimtab.db.engine import Database
from trimtab.db.migrate import current_revision, newest_revision, upgrade
from trimtab.db.tables import metadata


def test_an_empty_database_gets_to_the_newest_revision_and_a_repeat_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    assert current_revision(database) is None
    upgrade(database)
    upgrade(database)
    assert current_revision(database) == newest_revision() is not None
    database.close()


def test_what_migrations_make_is_what_the_tables_say(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == set(metadata.tables) | {"alembic_version"}


def test_a_database_of_a_newer_program_is_left_alone(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BackendError, match="revision '9999' is newer than this Trimtab; upgrade Trimtab"):
        upgrade(database)
    assert current_revision(database) == "9999"


_UPGRADE = """
import sys
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
upgrade(Database(sys.argv[1]))
"""


def test_processes_that_start_at_once_upgrade_it_once(database_url: str) -> None:
    command = [sys.executable, "-c", _UPGRADE, database_url]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, said
    database = Database(database_url)
    assert current_revision(database) == newest_revision()
    database.close()
