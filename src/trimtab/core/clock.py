"""Where time comes from. Domain code takes ``now`` as an argument; only processes own a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock", "from_micros", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Says what time it is, in UTC."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's current time in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved: for tests and simulations.

    >>> clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(hours=2)).isoformat()
    '2030-01-01T02:00:00+00:00'
    """

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the time that was last set."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on by ``by`` and return the new time."""
        self._now += by
        return self._now


def to_micros(moment: datetime) -> int:
    """Return whole microseconds since 1970-01-01 UTC, exactly (no floats on the way).

    Raises:
        ValueError: ``moment`` has no timezone.

    >>> to_micros(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()}: no timezone; pass an aware datetime, e.g. with tzinfo=UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the UTC time that lies ``micros`` microseconds after 1970-01-01.

    >>> from_micros(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=micros)
