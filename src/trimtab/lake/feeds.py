"""Feeds: who sends rows for a model, and from when to when what they sent must not be learnt from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, insert, select, update

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import feed

__all__ = ["FeedState", "Interval", "feed_states", "quarantine_feed", "quarantined_intervals", "release_feed"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Event times ``since_us`` ≤ t < ``until_us`` of a feed are quarantined; None: until further notice."""

    since_us: int
    until_us: int | None
    reason: str

    def holds(self, event_us: int) -> bool:
        """Return whether a row of that event time is quarantined.

        >>> Interval(10, 20, "units").holds(10), Interval(10, 20, "units").holds(20), Interval(10, None, "").holds(99)
        (True, False, True)
        """
        return event_us >= self.since_us and (self.until_us is None or event_us < self.until_us)


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed and its intervals of quarantine, oldest first."""

    model: str
    name: str
    intervals: tuple[Interval, ...]
    version: int

    @property
    def quarantined(self) -> bool:
        """Whether the newest interval is still open."""
        return bool(self.intervals) and self.intervals[-1].until_us is None

    @property
    def state(self) -> str:
        """``quarantined`` or ``open``."""
        return "quarantined" if self.quarantined else "open"

    @property
    def since_us(self) -> int | None:
        """From which event time on it is quarantined, None when it is not."""
        return self.intervals[-1].since_us if self.quarantined else None


def quarantine_feed(
    connection: Connection, model: str, name: str, *, since_us: int, reason: str, at_us: int
) -> FeedState:
    """Quarantine what ``name`` sends from event time ``since_us`` on, and return its state.

    Repeating it changes nothing; an earlier ``since_us`` moves the beginning of the open interval back.

    Raises:
        ConflictError: somebody else changed the feed meanwhile.
    """
    known = _find(connection, model, name)
    intervals = known.intervals if known else ()
    if known is not None and known.quarantined:
        current = intervals[-1]
        if since_us >= current.since_us:
            return known
        intervals = (*intervals[:-1], Interval(since_us, None, current.reason))
    else:
        intervals = (*intervals, Interval(since_us, None, reason))
    return _store(connection, model, name, intervals, known, at_us)


def release_feed(connection: Connection, model: str, name: str, *, until_us: int, at_us: int) -> FeedState | None:
    """End the open quarantine of ``name`` at event time ``until_us``, and return its state; None for an unknown feed.

    Without effect when the feed is not quarantined.

    Raises:
        ConflictError: somebody else changed the feed meanwhile.
    """
    known = _find(connection, model, name)
    if known is None or not known.quarantined:
        return known
    current = known.intervals[-1]
    closed = Interval(current.since_us, max(until_us, current.since_us), current.reason)
    return _store(connection, model, name, (*known.intervals[:-1], closed), known, at_us)


def feed_states(connection: Connection, model: str) -> list[FeedState]:
    """Return the feeds of ``model`` that have ever been quarantined, sorted by name."""
    rows = connection.execute(select(feed).where(feed.c.model == model).order_by(feed.c.name))
    return [_state(row.model, row.name, row.spec, row.version) for row in rows]


def quarantined_intervals(states: Iterable[FeedState]) -> dict[str, tuple[Interval, ...]]:
    """Return the intervals of each feed that has any."""
    return {state.name: state.intervals for state in states if state.intervals}


def _find(connection: Connection, model: str, name: str) -> FeedState | None:
    row = connection.execute(select(feed).where(_is(model, name))).first()
    return None if row is None else _state(row.model, row.name, row.spec, row.version)


def _state(model: str, name: str, spec: JsonObject, version: int) -> FeedState:
    intervals = tuple(
        Interval(since_us=item["since_us"], until_us=item["until_us"], reason=item["reason"])
        for item in spec["intervals"]
    )
    return FeedState(model=model, name=name, intervals=intervals, version=version)


def _store(
    connection: Connection, model: str, name: str, intervals: tuple[Interval, ...], known: FeedState | None, at_us: int
) -> FeedState:
    state = FeedState(model=model, name=name, intervals=intervals, version=known.version + 1 if known else 1)
    spec = {
        "intervals": [
            {"since_us": each.since_us, "until_us": each.until_us, "reason": each.reason} for each in intervals
        ],
        "changed_us": at_us,
    }
    values = {
        "state": state.state,
        "since_us": state.since_us,
        "spec": spec,
        "version": state.version,
    }
    if known is None:
        connection.execute(insert(feed).values(model=model, name=name, **values))
        return state
    changed = connection.execute(update(feed).where(_is(model, name), feed.c.version == known.version).values(**values))
    if changed.rowcount != 1:
        raise ConflictError(f"feed {name!r} of {model!r}: changed meanwhile; read it again and repeat")
    return state


def _is(model: str, name: str) -> ColumnElement[bool]:
    return and_(feed.c.model == model, feed.c.name == name)
