"""What stands in the way of edits is told as gone when it is gone, or does nothing any more; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from trimtab.audit.guards import missing_guards
from trimtab.db.engine import Connection, Database

_SQLITE = (
    "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit_entry', 'audit_head')"
)
_BODIES = (
    "SELECT DISTINCT proname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
    "WHERE tgrelid IN ('audit_entry'::regclass, 'audit_head'::regclass) AND NOT tgisinternal"
)


def _left(database: Database, change: list[str]) -> list[str]:
    """What is missing after ``change``, which is taken back: the database is used again."""
    with database.transaction() as connection:
        attempt = connection.begin_nested()
        for statement in change:
            connection.execute(text(statement))
        found = missing_guards(connection)
        attempt.rollback()
    return found


def _names(connection: Connection) -> list[tuple[str, str]]:
    return [(str(row[0]), str(row[1])) for row in connection.execute(text(_SQLITE))]


def test_those_that_were_written_are_there(database: Database) -> None:
    assert database.read(missing_guards) == []


def test_one_of_the_same_name_that_does_nothing_is_missing(database: Database) -> None:
    if database.engine.dialect.name == "sqlite":
        names = database.read(_names)
        assert len(names) == 6
        for name, table in names:
            hollow = f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} BEGIN SELECT 1; END"
            assert _left(database, [f"DROP TRIGGER {name}", hollow]) == [name]
        return
    with database.reading() as connection:
        functions = [str(row[0]) for row in connection.execute(text(_BODIES))]
    hollow = "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    assert len(_left(database, [hollow.format(name) for name in functions])) == 5


@pytest.mark.parametrize(
    "narrowed",
    [
        "BEFORE INSERT ON audit_head FOR EACH ROW WHEN (NEW.id = 9) EXECUTE FUNCTION audit_head_stay_one()",
        "BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_stay_one()",
    ],
)
def test_one_that_was_narrowed_is_missing(database: Database, narrowed: str) -> None:
    if database.engine.dialect.name == "sqlite":
        pytest.skip("a trigger of SQLite is one text, which is compared as a whole")
    change = ["DROP TRIGGER audit_head_only_one ON audit_head", f"CREATE TRIGGER audit_head_only_one {narrowed}"]
    assert _left(database, change) == ["audit_head_only_one"]
