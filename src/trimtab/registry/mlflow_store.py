"""Opens MLflow's store: whole or not at all, whoever was killed while its tables were made.

MLflow makes some hundred tables by thirty migrations. One that is ended half-way leaves an SQLite file that no later
process can open ("table logged_models already exists"). So an embedded store is made beside its place, and moved there
when it is whole; of several processes that start at once, one makes it.

Importing this file imports MLflow (3.5 s).
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
import structlog
from mlflow import MlflowClient
from mlflow.store.db.utils import (
    _all_tables_exist,
    _get_latest_schema_revision,
    _get_schema_version,
    _initialize_tables,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, SADeprecationWarning

from trimtab.core.errors import BackendError

__all__ = ["open_client", "without_login"]

_log = structlog.get_logger(__name__)

_BOUNDS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""How long a tracking server that is away is waited for: by MLflow's defaults it is minutes, for each call."""

_MAKING_LOCK = 0x6D6C666C6F77
"""The advisory lock of who makes the tables on PostgreSQL: "mlflow" in ASCII."""

_LOCK_WAIT_S, _LOCK_POLL_S = 120.0, 0.1
_POSTGRESQL = {"connect_timeout": 5, "options": f"-c lock_timeout={_LOCK_WAIT_S:.0f}s"}
_BESIDE = ("-journal", "-wal", "-shm")
_USED = ("runs", "registered_models", "logged_models")
"""Tables with rows in a store that somebody has worked with."""


def without_login(text: str, uri: str) -> str:
    """Return ``text``, which may name ``uri`` or an address below it, without the user and password of ``uri``.

    >>> without_login("https://ada:s3cret@ml/api: refused", "https://ada:s3cret@ml")
    'https://ml/api: refused'
    """
    login, at, _ = uri.partition("://")[2].rpartition("@")
    return text.replace(f"{login}{at}", "") if at else text


def open_client(tracking_uri: str, registry_uri: str | None = None) -> MlflowClient:
    """Return a client of the store at ``tracking_uri``, whose tables are made first when it is a database of our own.

    An SQLite store that was left half-made, and that nobody has written into, is made anew. Everything else that MLflow
    refuses, it says itself.

    Raises:
        MlflowException, SQLAlchemyError, OSError: it is not reached, or refuses.
        BackendError: another process holds the lock of its making.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # MLflow 3.17 configures its tables with an option that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", category=SADeprecationWarning)
        for uri in {tracking_uri, registry_uri or tracking_uri}:
            _prepare(uri)
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri)


def _prepare(uri: str) -> None:
    if uri.startswith("sqlite:"):
        name = sqlalchemy.make_url(uri).database
        # One that lives in memory alone has nothing to lose; a folder in its place is for MLflow to refuse.
        if name and name != ":memory:" and not Path(name).is_dir():
            _prepare_file(Path(name))
    elif uri.startswith("postgresql"):
        _prepare_postgresql(uri)


def _prepare_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_name(f"{path.name}.lock")):
        if path.exists() and (_is_whole_file(path) or _is_used_file(path)):
            return
        making = path.with_name(f"{path.name}.making")
        _remove(making)
        engine = _engine(making)
        try:
            _initialize_tables(engine)
        finally:
            engine.dispose()
        if path.exists():
            _log.warning("mlflow.store_replaced", path=str(path), why="its tables were half-made, and it was empty")
        # Whatever lies beside the old file would be taken for unfinished work of the new one.
        _remove(path)
        making.rename(path)


def _is_whole_file(path: Path) -> bool:
    engine = _engine(path)
    try:
        return _is_whole(engine)
    except DatabaseError:  # no database, or one that cannot be read: MLflow says so
        return True
    finally:
        engine.dispose()


def _is_used_file(path: Path) -> bool:
    engine = _engine(path)
    try:
        with engine.connect() as connection:
            present = set(sqlalchemy.inspect(connection).get_table_names())
            return any(
                connection.execute(sqlalchemy.text(f"SELECT 1 FROM {name} LIMIT 1")).first() is not None
                for name in _USED
                if name in present
            )
    finally:
        engine.dispose()


def _prepare_postgresql(uri: str) -> None:
    """Make the tables once, though several processes start at once; each migration is a transaction there."""
    engine = sqlalchemy.create_engine(uri, connect_args=_POSTGRESQL)
    try:
        if _is_whole(engine):
            return
        with engine.connect() as waiting:
            waiting.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_MAKING_LOCK)))
            # The server lets the lock go with the connection, also of a process that is killed.
            waiting.commit()
            if not _is_whole(engine):
                _initialize_tables(engine)
    finally:
        engine.dispose()


def _is_whole(engine: Engine) -> bool:
    return bool(_all_tables_exist(engine) and _get_schema_version(engine) == _get_latest_schema_revision())


def _engine(path: Path) -> Engine:
    return sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file ``path``; the kernel lets it go when its holder ends, however it does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"{path}: another process has been making MLflow's store for {_LOCK_WAIT_S:.0f} s; end it if it is "
                    "paused; it is tried again"
                )
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
