"""The connection to the metadata database: short transactions that start as writers, so that none fails half-way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from trimtab.config.database import with_driver
from trimtab.core.errors import BackendError, ConfigError, DataContractError

__all__ = ["Connection", "Database", "machine_us"]

_BUSY_TIMEOUT_S = 30
_READ_ONLY = "trimtab_read_only"
_WRITER_LOCK = 0x7472696D746162
"""The advisory lock of the one writer: "trimtab" in ASCII."""

_POOL: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 20, "pool_timeout": 30}
_POSTGRESQL = {
    "connect_timeout": 5,
    "application_name": "trimtab",
    # A server that vanished without a word is noticed in half a minute, and not in two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # A writer that was paused in its transaction is put out before those who wait for it give up.
    "options": f"-c lock_timeout={_BUSY_TIMEOUT_S}s -c idle_in_transaction_session_timeout={_BUSY_TIMEOUT_S // 2}s",
}
_NOT_OURS = frozenset({"42P01", "42501", "25006", "3F000"})
"""SQLSTATE: no such table, no permission, a standby that only reads, no such schema."""
_PUT_OUT = frozenset({"25P03", "25P04"})
"""SQLSTATE: idle in its transaction, or in it, for too long. The driver counts these among the caller's mistakes."""

ResultT = TypeVar("ResultT")


def machine_us() -> int:
    """Return the machine's time in microseconds, for leases and retries only; domain time is an argument."""
    return time.time_ns() // 1_000


class Database:
    """Hands out transactions. Safe to share between threads; a connection is not.

    One writer at a time, whichever database it is: what a write transaction has read stays true until its commit. No
    transaction spans I/O other than the database's own.

    Raises:
        ConfigError: the address cannot be used, or the driver is not installed.
    """

    def __init__(
        self, url: str, *, base: Database | None = None, fence: Callable[[Connection], None] | None = None
    ) -> None:
        self.url = with_driver(url)
        self._engine = base.engine if base is not None else _engine(self.url)
        self._writer = base.writer if base is not None else threading.Lock()
        self._fence = fence

    @staticmethod
    def at(path: Path) -> Database:
        """Return the embedded database in the file ``path``; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return Database(f"sqlite:///{path}")

    def fenced(self, fence: Callable[[Connection], None]) -> Database:
        """Return this database with ``fence`` called first in each write transaction.

        When it raises, nothing is written. Since there is one writer at a time, what it found stays so until the
        commit.
        """
        return Database(self.url, base=self, fence=fence)

    @property
    def writer(self) -> threading.Lock:
        """The lock of this process's one writer, shared by all that are fenced from here."""
        return self._writer

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for migrations."""
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a write transaction: committed at the end, rolled back on an exception.

        Raises:
            BackendError: the database cannot be reached, or stayed locked.
            DataContractError: it refuses a value.
        """
        with self._only_writer_here(), _translated(self.url), self._engine.begin() as connection:
            if self._fence is not None:
                self._fence(connection)
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

    @contextmanager
    def _only_writer_here(self) -> Iterator[None]:
        # One thread at a time waits at the database. If this process is paused, what waits there is given the lock all
        # the same, and everybody waits until the database puts it out: once for a process, not for each of its threads.
        if not self._writer.acquire(timeout=_BUSY_TIMEOUT_S):
            raise BackendError(f"database: another thread of this process wrote for {_BUSY_TIMEOUT_S} s; try again")
        try:
            yield
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close pooled connections."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    try:
        if not url.startswith("postgresql"):
            engine = sqlalchemy.create_engine(url, json_serializer=_json)
        else:
            engine = sqlalchemy.create_engine(url, json_serializer=_json, connect_args=_POSTGRESQL, **_POOL)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "TRIMTAB_DATABASE_URL: PostgreSQL's driver is not installed; pip install 'trimtab[postgres]'"
        ) from error
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            "TRIMTAB_DATABASE_URL: cannot be read; write postgresql://user:password@host:5432/database, "
            "with special characters of the password as %XX"
        ) from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)
    return engine


def _json(value: object) -> str:
    """Return ``value`` as JSON that every database takes: a number that is none (NaN, infinity) is null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Integers beyond 64 bits and text with half a surrogate pair: what is no JSON at all is told here.
        return json.dumps(value)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        where = f"database {sqlalchemy.make_url(url).render_as_string(hide_password=True)}"
        said = " ".join(str(error.orig).split())[:400]
        state = getattr(error.orig, "sqlstate", None)
        if isinstance(error, DataError):
            raise DataContractError(f"{where}: refuses a value: {said}; correct or shorten it") from error
        # An interface's error is a connection that is closed already; the states are a schema that is gone or not ours,
        # and a session that was ended, whose connection may not look closed yet.
        ended = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
        if ended or state in _NOT_OURS | _PUT_OUT:
            raise BackendError(f"{where}: {said}; check that it runs, is writable, has disk left") from error
        if type(error) is DatabaseError:  # its subclasses are the caller's mistakes; itself: a file that is no database
            raise BackendError(f"{where}: {said}; restore it from a backup, or move it away") from error
        raise
    except PoolTimeoutError as error:
        raise BackendError(
            f"database: all {_POOL['pool_size'] + _POOL['max_overflow']} connections of this process were busy for "
            f"{_POOL['pool_timeout']} s; try again"
        ) from error


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_READ_ONLY, False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            # READ COMMITTED is needed: a snapshot that were taken here would be older than the lock that is waited for.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


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
