"""Brings a database to the newest revision."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from trimtab.core.errors import BackendError
from trimtab.db.engine import Database

__all__ = ["current_revision", "newest_revision", "revisions", "upgrade"]

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Apply the revisions that are missing; safe to repeat, and safe when several processes start at once.

    Raises:
        BackendError: the database is newer than this program.
    """
    found = current_revision(database)
    if found is not None and found not in revisions():
        where = database.engine.url.render_as_string(hide_password=True)
        raise BackendError(f"database {where}: revision {found!r} is newer than this Trimtab; upgrade Trimtab")
    if found == newest_revision():
        return
    with database.transaction() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current_revision(database: Database) -> str | None:
    """Return the revision that the database has, None when it is empty."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """Return the revision that this program knows as the newest."""
    return _directory().get_current_head()


def revisions() -> tuple[str, ...]:
    """Return the revisions that this program knows, oldest first.

    >>> revisions()[0]
    '0001'
    """
    return tuple(reversed([script.revision for script in _directory().walk_revisions()]))


def _directory() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config
