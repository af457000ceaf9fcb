"""Transactions are whole, readers see one moment, and writers of several processes lose nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from trimtab.core.errors import BackendError
from trimtab.db.engine import Database, machine_us
from trimtab.db.migrate import upgrade
from trimtab.db.tables import event, lease

_WRITER = """
import sys
from sqlalchemy import insert, select, update
from trimtab.db.engine import Database
from trimtab.db.tables import event, lease
database = Database(sys.argv[1])
for number in range(60):
    with database.transaction() as connection:
        count = connection.execute(select(lease.c.token)).scalar_one()
        connection.execute(update(lease).values(token=count + 1))
        connection.execute(
            insert(event).values(id=f"{sys.argv[2]}-{number}", kind="k", aggregate="a", payload={}, at_us=0)
        )
"""


def _count(database: Database) -> int:
    return database.read(lambda connection: connection.execute(select(func.count()).select_from(event)).scalar_one())


def _insert(database: Database, name: str) -> None:
    with database.transaction() as connection:
        connection.execute(insert(event).values(id=name, kind="k", aggregate="a", payload={}, at_us=0))


def test_two_processes_that_write_at_once_lose_nothing(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(insert(lease).values(name="counter", holder="test", token=0, until_us=0))
    command = [sys.executable, "-c", _WRITER, database.url]
    processes = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in ("a", "b")]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert _count(database) == 120
    assert database.read(lambda connection: connection.execute(select(lease.c.token)).scalar_one()) == 120


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "trimtab.db"
    upgrade(Database.at(path))
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom sqlalchemy import insert\n"
        "from trimtab.db.engine import Database\nfrom trimtab.db.tables import event\n"
        "database = Database.at(Path(sys.argv[1]))\n"
        "for name in ('kept', 'lost'):\n"
        "    with database.transaction() as connection:\n"
        "        connection.execute(insert(event).values(id=name, kind='k', aggregate='a', payload={}, at_us=0))\n"
        "        if name == 'lost':\n"
        "            os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == -9
    database = Database.at(path)
    assert database.read(lambda c: list(c.execute(select(event.c.id)).scalars())) == ["kept"]
    database.close()


def test_an_exception_rolls_everything_back(database: Database) -> None:
    def fails_late() -> None:
        with database.transaction() as connection:
            connection.execute(insert(event).values(id="x", kind="k", aggregate="a", payload={}, at_us=0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_late()
    assert _count(database) == 0


def test_a_reader_sees_one_moment_and_holds_up_no_writer(database: Database) -> None:
    with database.reading() as connection:
        before = connection.execute(select(func.count()).select_from(event)).scalar_one()
        _insert(database, "meanwhile")
        assert connection.execute(select(func.count()).select_from(event)).scalar_one() == before
    assert _count(database) == before + 1


def test_a_file_that_is_no_database_is_a_backend_error_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "trimtab.db"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 100)
    with pytest.raises(BackendError, match=r"trimtab\.db"):
        upgrade(Database.at(path))


def test_a_missing_table_and_a_bad_path_are_backend_errors(tmp_path: Path) -> None:
    empty = Database.at(tmp_path / "empty.db")
    with pytest.raises(BackendError, match="no such table"):
        empty.read(lambda connection: connection.execute(select(event)).all())
    empty.close()
    with pytest.raises(BackendError, match="unable to open database file"):
        Database(f"sqlite:///{tmp_path}").read(lambda connection: connection.execute(text("SELECT 1")))


def test_foreign_keys_hold_and_time_is_in_microseconds(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "trimtab.db")
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    database.close()
    assert 1_700_000_000_000_000 < machine_us() < 10_000_000_000_000_000
