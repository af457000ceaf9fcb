"""What a report is asked about, read from one word: ``MODEL``, ``MODEL@VERSION``, ``MODEL@OLD..NEW``, a day."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from trimtab.core.errors import ConfigError

__all__ = ["day_of", "model_of", "pair_in", "version_in"]

_OF_MODEL: Final = re.compile(
    r"(?P<model>[a-z0-9][a-z0-9-]{0,62})(@(?P<first>[0-9]{1,9})(\.\.(?P<second>[0-9]{1,9}))?)?"
)


def model_of(subject: str) -> str:
    """Return the model that ``subject`` names, and nothing else.

    Raises:
        ConfigError: it is no model's name.

    >>> model_of("heart-disease")
    'heart-disease'
    """
    model, first, _second = _read(subject, "MODEL")
    if first is not None:
        raise _no("MODEL", subject)
    return model


def version_in(subject: str) -> tuple[str, int | None]:
    """Return a model, and the version that is meant; None where none is named.

    Raises:
        ConfigError: it is neither.

    >>> version_in("heart@3"), version_in("heart")
    (('heart', 3), ('heart', None))
    """
    model, first, second = _read(subject, "MODEL or MODEL@VERSION")
    if second is not None:
        raise _no("MODEL or MODEL@VERSION", subject)
    return model, first


def pair_in(subject: str) -> tuple[str, int | None, int | None]:
    """Return a model and two versions of it, None for each that is not named.

    Raises:
        ConfigError: it is neither.

    >>> pair_in("heart@1..2"), pair_in("heart")
    (('heart', 1, 2), ('heart', None, None))
    """
    model, first, second = _read(subject, "MODEL or MODEL@OLD..NEW")
    if (first is None) is not (second is None):
        raise _no("MODEL or MODEL@OLD..NEW", subject)
    return model, first, second


def day_of(subject: str) -> datetime:
    """Return the midnight (UTC) with which the day begins that ``subject`` names.

    Raises:
        ConfigError: it is no day.

    >>> day_of("2030-01-07")
    datetime.datetime(2030, 1, 7, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        return datetime.strptime(subject, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise _no("a day such as 2030-01-07", subject) from None


def _read(subject: str, expected: str) -> tuple[str, int | None, int | None]:
    found = _OF_MODEL.fullmatch(subject)
    if found is None:
        raise _no(expected, subject)
    first, second = found["first"], found["second"]
    return found["model"], None if first is None else int(first), None if second is None else int(second)


def _no(expected: str, subject: str) -> ConfigError:
    return ConfigError(
        f"report: found subject {subject[:80]!r}; expected {expected}; see 'trimtab reports make --help'"
    )
