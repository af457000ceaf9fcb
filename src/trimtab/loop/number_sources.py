"""Asks databases and Prometheus for the numbers that monitors watch; nothing here can write."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from string import Template
from typing import Any, Final

import httpx
import orjson
import structlog
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from trimtab.config.process import expand_secrets
from trimtab.core.errors import ConfigError, TrimtabError
from trimtab.monitoring.business import BusinessSettings
from trimtab.monitoring.settings import MonitoringConfig
from trimtab.monitoring.sources import NumberReading, NumberSource, PromqlSource, Question, Source, SqlSource
from trimtab.monitoring.time_limit import within

__all__ = ["PromqlNumbers", "SqlNumbers", "read_numbers", "source_of"]

_MOST_BYTES: Final = 1_000_000
_STEPS: Final = 10_000
_CLEAR_OF_US: Final = 1e6
# All that reading takes. ATTACH, PRAGMA, and whatever SQLite learns to do next, are not among it.
_READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
# bool, the integers, oid, the floats and numeric: none has cells of any size.
_NUMBERS_OF_POSTGRESQL: Final = frozenset({16, 20, 21, 23, 26, 700, 701, 1700})
_LOADS_CODE: Final = frozenset({"load_extension", "readfile", "writefile", "edit"})
_SECRET: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_DIVIDES_URL: Final = frozenset("@:/?#[]")

_MISREAD: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What an answer that is none of Prometheus' gives when it is read as one."""

_log = structlog.get_logger(__name__)


def read_numbers(
    config: MonitoringConfig, root: Path, question: Question, answering: Callable[[Source, Path], NumberSource]
) -> dict[str, NumberReading]:
    """Return the numbers that the monitors of ``config`` want, by their names. Never raises.

    ``root`` is the project's folder; each is asked for its own window, which ends where the question's does.
    ``answering``: what returns who answers for a source; `source_of`, but in a simulation.
    """
    found: dict[str, NumberReading] = {}
    for settings in config.monitors:
        if isinstance(settings, BusinessSettings):
            length_us = int(config.window_of(settings).total_seconds() * _CLEAR_OF_US)
            own = _ending_with(question, length_us)
            name = f"{question.model}/{question.variant}@{question.version}/{settings.title}: query"
            limit_s = settings.source.timeout.total_seconds() + 1
            source = answering(settings.source, root)
            try:
                found[settings.title] = within(limit_s, name, lambda source=source, own=own: source.read(own))  # type: ignore[misc]
            except TrimtabError as error:
                found[settings.title] = NumberReading(None, str(error))
            except Exception as error:  # noqa: BLE001 - a boundary: one source must not silence all other monitors
                # Its text may hold what was read, or a secret.
                _log.warning("number.unread", monitor=settings.title, error=type(error).__name__)
                found[settings.title] = NumberReading(None, f"the source failed: {type(error).__name__}; look at it")
    return found


def source_of(settings: Source, root: Path) -> NumberSource:
    """Return what answers for ``settings``."""
    return SqlNumbers(settings, root) if isinstance(settings, SqlSource) else PromqlNumbers(settings)


def _ending_with(question: Question, length_us: int) -> Question:
    window = type(question.window)(question.window.end_us - length_us, question.window.end_us)
    return Question(question.model, question.endpoint, question.variant, question.version, window)


class SqlNumbers:
    """One number by SQL, over a connection that can only read: see `trimtab.monitoring.sources.NumberSource`.

    SQLite: the file is opened read-only, and whatever is not reading is refused when the statement is prepared.
    PostgreSQL: the session is read-only, and each statement is prepared, so that there is one. Still give it a role
    that may only read: the server then refuses too what a function of it would do.
    """

    def __init__(self, settings: SqlSource, root: Path) -> None:
        self._settings = settings
        self._root = root

    def read(self, question: Question) -> NumberReading:
        """Return the number for ``question``."""
        secret: str | None = None
        try:
            url = _address(self._settings.url)
            secret = url.password
            is_file = url.drivername.startswith("sqlite")
            return _only(self._of_file(url.database, question) if is_file else self._of_server(url, question))
        except ConfigError as error:
            return NumberReading(None, str(error))
        except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
            told = str(getattr(error, "orig", None) or error).strip().partition("\n")[0][:300]
            told = told.replace(secret, "***") if secret else told
            return NumberReading(None, f"the query failed: {told}; expected a SELECT that this database answers")

    def _of_file(self, database: str | None, question: Question) -> Sequence[Any]:
        root = self._root.resolve()
        path = (root / (database or "")).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise ConfigError(f"source {self._settings.url!r}: no such file below {root}; expected a database there")
        until_s = time.monotonic() + self._settings.timeout.total_seconds()
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            # No cell of any size either: one of a gigabyte is made by a word.
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
            connection.execute("PRAGMA query_only = ON")
            connection.set_authorizer(_only_reading)
            connection.set_progress_handler(lambda: int(time.monotonic() > until_s), _STEPS)
            return connection.execute(self._settings.query, _named(question)).fetchmany(2)

    def _of_server(self, url: URL, question: Question) -> Sequence[Any]:
        # By a cursor of the server: what kind a column has is known before one cell of it is sent.
        statement = text(f"DECLARE asked NO SCROLL CURSOR FOR {self._settings.query}")
        given = {name: value for name, value in _named(question).items() if name in statement.compile().params}
        with self._postgresql(url).connect() as connection:
            if connection.execute(text("SHOW is_superuser")).scalar_one() == "on":
                # A read-only session does not bind it: it reads and writes files of the server.
                raise ConfigError(f"source: role {url.username!r} is a superuser; expected one that may only read")
            connection.execute(statement, given)
            with connection.execute(text("FETCH FORWARD 0 FROM asked")) as nothing:
                columns = nothing.cursor.description
            if len(columns) != 1:
                raise ConfigError(f"the query gave {len(columns)} columns; expected one row of one column")
            if columns[0][1] not in _NUMBERS_OF_POSTGRESQL:
                raise ConfigError("the query gave no column of numbers; expected a number: cast it, e.g. ::float")
            return connection.execute(text("FETCH FORWARD 2 FROM asked")).fetchall()

    def _postgresql(self, url: URL) -> Engine:
        timeout_ms = int(self._settings.timeout.total_seconds() * 1000)
        options = f"-c default_transaction_read_only=on -c statement_timeout={timeout_ms} -c lock_timeout={timeout_ms}"
        # Prepared from the first: the simple protocol would take several statements, `COMMIT` among them.
        told = {"options": options, "connect_timeout": max(2, timeout_ms // 1000), "prepare_threshold": 0}
        engine = create_engine(url.set(drivername="postgresql+psycopg"), connect_args=told, poolclass=NullPool)
        return engine.execution_options(postgresql_readonly=True)


def _address(text: str) -> URL:
    """Return a URL with its secrets in it.

    Raises:
        ConfigError: a secret is not set, or not percent-encoded: a part of it would be read as host, and told.
    """
    for secret in _SECRET.findall(text.rpartition("@")[0]):
        if _DIVIDES_URL & set(expand_secrets(secret)):
            raise ConfigError(f"source: {secret} holds a character that divides a URL; expected it percent-encoded")
    return make_url(expand_secrets(text))


def _only_reading(action: int, _first: str | None, second: str | None, *_rest: str | None) -> int:
    refused = action not in _READING or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _LOADS_CODE)
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _named(question: Question) -> dict[str, Any]:
    return {
        "window_start": question.window.start_us / _CLEAR_OF_US,
        "window_end": question.window.end_us / _CLEAR_OF_US,
        "model": question.model,
        "endpoint": question.endpoint,
        "variant": question.variant,
        "version": question.version,
    }


def _only(rows: Sequence[Any]) -> NumberReading:
    if len(rows) != 1 or len(rows[0]) != 1:
        many = "gave more than one row" if len(rows) > 1 else f"gave {len(rows[0])} columns" if rows else ""
        return NumberReading(None, f"the query {many or 'found nothing'}; expected one row of one column")
    return _number(rows[0][0])


def _number(found: Any) -> NumberReading:
    try:
        value = math.nan if found is None else float(found)
    except (TypeError, ValueError):
        return NumberReading(None, f"the query gave {type(found).__name__}; expected a number")
    return NumberReading(value) if math.isfinite(value) else NumberReading(None, "the query gave no number")


class PromqlNumbers:
    """One number by PromQL, over Prometheus' HTTP API: see `trimtab.monitoring.sources.NumberSource`."""

    def __init__(self, settings: PromqlSource) -> None:
        self._settings = settings

    def read(self, question: Question) -> NumberReading:
        """Return the number for ``question``."""
        try:
            headers = self._headers()
            return self._asked(question, headers)
        except ConfigError as error:
            return NumberReading(None, str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, *_MISREAD) as error:
            told = f"{type(error).__name__}: {str(error)[:200]}"
            return NumberReading(None, f"{self._settings.url} cannot be asked: {told}; expected Prometheus' API")

    def _headers(self) -> Mapping[str, str]:
        name = self._settings.token_env
        if name is None:
            return {}
        token = expand_secrets(f"${{{name}}}")
        if not token.isascii() or not token.isprintable():
            # The client would refuse it, and say it.
            raise ConfigError(f"${{{name}}} holds what no header may, e.g. a line's end; expected a bare token")
        return {"Authorization": f"Bearer {token}"}

    def _asked(self, question: Question, headers: Mapping[str, str]) -> NumberReading:
        window, timeout_s = question.window, self._settings.timeout.total_seconds()
        names = {**_named(question), "window": f"{max(1, (window.end_us - window.start_us) // 1_000_000)}s"}
        asked = {
            "query": Template(self._settings.query).safe_substitute(names),
            "time": f"{window.end_us / _CLEAR_OF_US:.3f}",
            "timeout": f"{timeout_s:g}s",
        }
        url, until_s = f"{self._settings.url.rstrip('/')}/api/v1/query", time.monotonic() + timeout_s
        with (
            httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as client,
            client.stream("GET", url, params=asked, headers=headers) as answer,
        ):
            content = b""
            for part in answer.iter_bytes():
                content += part
                if time.monotonic() > until_s:
                    # The client's own limit is for each part: one that drips would be read for days.
                    return NumberReading(None, f"no whole answer within {timeout_s:g} s; expected one number")
                if len(content) > _MOST_BYTES:
                    return NumberReading(None, f"the query gave more than {_MOST_BYTES} bytes; expected one number")
        return _of_answer(answer.status_code, orjson.loads(content))


def _of_answer(status: int, answer: Any) -> NumberReading:
    if status != 200 or answer["status"] != "success":
        told = str(answer.get("error", "no reason"))[:300]
        return NumberReading(None, f"Prometheus answered {status}: {told}; correct the query or the address")
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    if kind == "scalar":
        return _number(result[1])
    if kind != "vector" or len(result) != 1:
        found = f"gave a {kind} of {len(result)}" if result else "found nothing"
        return NumberReading(None, f"the query {found}; expected a scalar, or a vector of one")
    return _number(result[0]["value"][1])
