"""Where metadata and MLflow are: ``TRIMTAB_DATABASE_URL``, ``TRIMTAB_MLFLOW_URL``; without them, in the project."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.config.process import setting
from trimtab.core.errors import ConfigError

__all__ = ["MLFLOW_REFERENCE", "database_url", "mlflow_url", "with_driver"]

MLFLOW_REFERENCE = "${TRIMTAB_MLFLOW_URL}"
"""What stands in stored requests in place of an address that may hold a password."""

_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")
_MLFLOW = ("sqlite", "http", "https", *_POSTGRESQL)


def database_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return ``TRIMTAB_DATABASE_URL`` for SQLAlchemy, or None: it is not set.

    Raises:
        ConfigError: it is neither ``postgresql://user:password@host/database`` nor ``sqlite:///file``.

    >>> database_url({"TRIMTAB_DATABASE_URL": "postgres://ada@db.acme.org/trimtab"})
    'postgresql+psycopg://ada@db.acme.org/trimtab'
    """
    return _known("database_url", ("sqlite", *_POSTGRESQL), environment)


def mlflow_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return ``TRIMTAB_MLFLOW_URL``: a tracking server (``http://``) or a database of MLflow's own, or None.

    Raises:
        ConfigError: it is an address of another kind.

    >>> mlflow_url({"TRIMTAB_MLFLOW_URL": "https://mlflow.acme.org"})
    'https://mlflow.acme.org'
    """
    return _known("mlflow_url", _MLFLOW, environment)


def with_driver(url: str) -> str:
    """Return ``url`` with the driver that we use for PostgreSQL; other addresses stay as they are.

    >>> with_driver("postgresql://db/x"), with_driver("sqlite:///x.db")
    ('postgresql+psycopg://db/x', 'sqlite:///x.db')
    """
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in _POSTGRESQL else url


def _known(name: str, schemes: tuple[str, ...], environment: Mapping[str, str] | None) -> str | None:
    url = setting(name, environment=environment)
    if not url:
        return None
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in schemes:
        # The rest may hold a password; without a scheme, all of it.
        kinds = ", ".join(f"{each}://" for each in schemes if "+" not in each)
        found = f"begins with {scheme[:20]!r}" if separator else "names no scheme"
        raise ConfigError(f"TRIMTAB_{name.upper()}: {found}; expected one of {kinds}")
    return with_driver(url)
