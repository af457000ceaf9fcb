"""The connection to the metadata database: short transactions that start as writers, so that none fails half-way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from trimtab.core.errors import BackendError

__all__ = ["Connection", "Database", "machine_us"]

_BUSY_TIMEOUT_S = 30
_READ_ONLY = "trimtab_read_only"

ResultT = TypeVar("ResultT")


def machine_us() -> int:
    """Return the machine's time in microseconds, for leases and retries only; domain time is an argument."""
    return time.time_ns() // 1_000


class Database:
    """Hands out transactions. Safe to share between threads; a connection is not.

    No transaction spans I/O other than the database's own.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: Engine = sqlalchemy.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine)

    @staticmethod
    def at(path: Path) -> Database:
        """Return the embedded database in the file ``path``; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return Database(f"sqlite:///{path}")

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for migrations."""
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a write transaction: committed at the end, rolled back on an exception.

        Raises:
            BackendError: the database cannot be reached, or stayed locked.
        """
        with _translated(self.url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read transaction: one consistent view, and no lock on writers.

        Raises:
            BackendError: the database cannot be reached.
        """
        with (
            _translated(self.url),
            self._engine.connect().execution_options(**{_READ_ONLY: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Return ``query``'s answer from one read transaction."""
        with self.reading() as connection:
            return query(connection)

    def close(self) -> None:
        """Close pooled connections."""
        self._engine.dispose()


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        where = sqlalchemy.make_url(url).render_as_string(hide_password=True)
        raise BackendError(f"database {where}: {error.orig}; check that it runs, is writable, has disk left") from error
    except DBAPIError as error:
        if (
            type(error) is DatabaseError
        ):  # its subclasses are the caller's mistakes; itself is a file that is no database
            where = sqlalchemy.make_url(url).render_as_string(hide_password=True)
            raise BackendError(f"database {where}: {error.orig}; restore it from a backup, or move it away") from error
        if error.connection_invalidated:
            raise BackendError(f"database: connection lost ({error.orig}); the same call may be repeated") from error
        raise


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(raw: object, _record: object) -> None:
        # The driver must not open transactions by itself: we open them, as writers, in _on_begin.
        raw.isolation_level = None  # type: ignore[attr-defined]
        cursor = raw.cursor()  # type: ignore[attr-defined]
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_S * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
