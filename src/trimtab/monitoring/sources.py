"""Where numbers come from that no record holds: a query of a database, or of Prometheus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.monitoring.check import Window

__all__ = ["NumberReading", "NumberSource", "PromqlSource", "Question", "Source", "SqlSource"]

_LONGEST = timedelta(seconds=60)
_PASSWORD = re.compile(r"://[^/@:]*:(?!\$\{)[^/@]+@")
_TIMEOUT_TEXT = "How long one query may take, at most 60s; after that the number is not known."


@dataclass(frozen=True, slots=True)
class Question:
    """For whom and when a number is wanted: what a query may name."""

    model: str
    endpoint: str
    variant: str
    version: int
    window: Window


@dataclass(frozen=True, slots=True)
class NumberReading:
    """The number that a query gave; None where it gave none, and ``problem`` says why."""

    value: float | None
    problem: str = ""


class NumberSource(Protocol):
    """Answers questions with one number each.

    Only ever reads; bounds how long it takes and how much it takes in; may be called from several threads. It does not
    raise: what goes wrong is told in the reading, without any secret.
    """

    def read(self, question: Question) -> NumberReading:
        """Return the number for ``question``."""


class _Asked(Strict):
    query: str = Field(min_length=1, max_length=20_000, description="What gives the number.")
    timeout: Duration = Field(default="10s", validate_default=True, description=_TIMEOUT_TEXT)

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, timeout: timedelta) -> timedelta:
        if not timedelta(0) < timeout <= _LONGEST:
            raise ValueError("timeout must be more than 0s and at most 60s; e.g. '10s'")
        return timeout


class SqlSource(_Asked):
    """A ``SELECT`` of one row and one column. The connection can only read.

    The query may name ``:window_start`` and ``:window_end`` (seconds since 1970, UTC), ``:model``, ``:endpoint``,
    ``:variant`` and ``:version``; they are bound, never written into its text.
    """

    type: Literal["sql"] = "sql"
    url: str = Field(
        pattern=r"^(sqlite|postgresql)(\+psycopg)?://",
        description="'sqlite:///shop.db' (below the project) or 'postgresql://reader:${SHOP_PASSWORD}@host/shop': "
        "the environment holds the secret percent-encoded.",
    )

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        if _PASSWORD.search(self.url):
            raise ValueError("url holds a password; write ${NAME} in its place, and NAME in the environment")
        return self


class PromqlSource(_Asked):
    """An instant query at the window's end that gives a scalar, or a vector of one element.

    It may name ``$window`` (its length, e.g. ``3600s``), ``$model``, ``$endpoint``, ``$variant`` and ``$version``.
    """

    type: Literal["promql"] = "promql"
    url: str = Field(pattern=r"^https?://", description="Prometheus' address, e.g. 'http://127.0.0.1:9090'.")
    token_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the bearer token, if one is asked for.",
    )

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        # The address stands in messages and in checks, which every viewer may read.
        if _PASSWORD.search(self.url):
            raise ValueError("url holds a password; leave it out, and name the variable of a token in token_env")
        return self


Source = Annotated[SqlSource | PromqlSource, Field(discriminator="type")]
