"""A real database file at the newest revision."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.at(tmp_path / "trimtab.db")
    upgrade(database)
    yield database
    database.close()
