"""Databases in a file that need not be migrated one by one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade

__all__ = ["at_newest_revision", "write_newest"]


def at_newest_revision(path: Path) -> Database:
    """Return a database in the file ``path``: what is there, else an empty one at the newest revision."""
    write_newest(path)
    return Database.at(path)


def write_newest(path: Path) -> None:
    """Write an empty database at the newest revision to ``path``, where there is none."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_newest())


@cache
def _newest() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trimtab.db"
        database = Database.at(path)
        upgrade(database)
        database.close()
        return path.read_bytes()
