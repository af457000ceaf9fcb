"""Sums up the stored profiles of periods and days, so that a check of a long window reads few of them.

A segment leaves one part for each period (an hour, say) that it has rows of: a shipper that sends every few seconds
leaves hundreds of an hour. They are folded into one, which takes their place. Of a closed day there is a roll-up beside
its parts, which stay, since they tell since which hour something holds, and are what counts: a roll-up stands for them
only while it has exactly as many rows. So one that a late segment made stale is passed over, whoever wrote what in
which order, until it is made anew. Days whose hours nobody asks for any more are folded, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, delete, insert, select

from trimtab.core.errors import DataContractError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import profile
from trimtab.lake.profile_spans import Lane, Made, Span, chosen, read_spans, spans_of
from trimtab.profiles.profile import Profile, merge_all

__all__ = ["fold_days", "roll_up"]

_log = structlog.get_logger(__name__)

_DAY_S = 86_400
_DAY_US = _DAY_S * 1_000_000
_GRACE_US = 3_600_000_000
_AT_ONCE = 8
_MANY_PARTS = 64
"""So many parts are folded before their period is over: a look at the present need not read them all."""
_MOST_PARTS = 256
"""More are folded in several goes, which bounds memory."""
_FOLDED = "folded:"


@dataclass(frozen=True, slots=True)
class _Task:
    """``whole`` is to be made of what lies in it: in place of that (``fold``), or beside it."""

    whole: Span
    fold: bool


def roll_up(database: Database, endpoint: str, *, since_us: int, now_us: int, at_once: int = _AT_ONCE) -> int:
    """Sum up at most ``at_once`` periods and days that began at ``since_us`` or later and ended an hour ago.

    Periods of several parts are folded; a period of very many, though it is open. Days of several periods get a
    roll-up; where there is one with as many rows, nothing is done. Return how many were written. Many may call it at
    once. A span whose profiles don't fit together (its numbers became categories) is left as it is, and not tried again
    until it has other rows.

    Raises:
        BackendError: the database cannot be reached.
    """
    day_us = since_us // _DAY_US * _DAY_US
    with database.reading() as connection:
        held, sums, unfit = (
            spans_of(connection, endpoint, start_us=day_us, end_us=now_us, made=made)
            for made in (Made.PART, Made.ROLL_UP, Made.UNFIT)
        )
    closed_us = now_us - _GRACE_US
    tasks = [
        *(_Task(span, True) for span in held if span.parts > 1 and (span.end_us <= closed_us or _is_many(span))),
        *(_Task(day, False) for day in _days(held) if day_us <= day.start_us and day.end_us <= closed_us),
    ]
    rows_tried, rows_summed = ({_key(span): span.rows for span in spans} for spans in (unfit, sums))
    written = 0
    for task in tasks:
        key, rows = _key(task.whole), task.whole.rows
        if rows_tried.get(key) == rows or (not task.fold and rows_summed.get(key) == rows):
            continue
        written += _fold(database, endpoint, task.whole) if task.fold else _sum_up(database, endpoint, task.whole)
        if written >= at_once:
            break
    return written


def fold_days(
    database: Database, endpoint: str, *, until_us: int, id_below: str | None = None, at_once: int = _AT_ONCE
) -> int:
    """Fold at most ``at_once`` whole days that ended by ``until_us``, whose hours nobody asks for; return how many.

    With ``id_below`` only of what was written before ids like that were made: rows of long ago may come today.

    Raises:
        BackendError: the database cannot be reached.
    """
    with database.reading() as connection:
        held, unfit = (
            spans_of(connection, endpoint, start_us=0, end_us=until_us, made=made, id_below=below)
            for made, below in ((Made.PART, id_below), (Made.UNFIT, None))
        )
    rows_tried = {_key(span): span.rows for span in unfit}
    written = 0
    for day in _days(held):
        if written < at_once and day.end_us <= until_us and rows_tried.get(_key(day)) != day.rows:
            written += _fold(database, endpoint, day, id_below)
    return written


def _is_many(span: Span) -> bool:
    return span.parts >= _MANY_PARTS


def _key(span: Span) -> tuple[Lane, int, int]:
    return span.lane, span.start_us, span.period_s


def _days(held: Sequence[Span]) -> Iterator[Span]:
    """Yield the days of which several spans are held."""
    days: dict[tuple[int, Lane], list[Span]] = defaultdict(list)
    for span in held:
        start_us = span.start_us // _DAY_US * _DAY_US
        if span.end_us <= start_us + _DAY_US:
            days[start_us, span.lane].append(span)
    for (start_us, lane), spans in sorted(days.items()):
        if len(spans) > 1:
            yield Span(lane, start_us, _DAY_S, sum(span.rows for span in spans), len(spans))


def _fold(database: Database, endpoint: str, whole: Span, id_below: str | None = None) -> int:
    """Put one part in place of those of ``whole``, of the first ones if there are many; return whether it was done."""
    with database.reading() as connection:
        ids = _part_ids(connection, endpoint, whole, id_below)[:_MOST_PARTS]
        payloads = connection.execute(select(profile.c.payload).where(profile.c.id.in_(ids))).scalars().all()
    try:
        merged = merge_all(map(Profile.from_bytes, payloads))
    except DataContractError as error:
        return _mark_unfit(database, endpoint, whole, error)
    with database.transaction() as connection:
        if not set(ids) <= set(_part_ids(connection, endpoint, whole)):  # another process has just folded them
            return 0
        connection.execute(delete(profile).where(profile.c.id.in_(ids)))
        if whole.period_s == _DAY_S:
            _forget(connection, endpoint, whole, Made.ROLL_UP)
        _insert(connection, endpoint, whole, f"{_FOLDED}{new_id()}", merged)
    return 1


def _part_ids(connection: Connection, endpoint: str, whole: Span, id_below: str | None = None) -> list[str]:
    """Return the parts that lie in ``whole``: of a shorter period than its own in a day alone."""
    query = select(profile.c.id, profile.c.start_us, profile.c.period_s).where(
        *_of(endpoint, whole),
        profile.c.start_us >= whole.start_us,
        profile.c.start_us < whole.end_us,
        Made.PART.where(),
    )
    return [
        row.id
        for row in connection.execute(query.order_by(profile.c.start_us, profile.c.id))
        if (id_below is None or row.id < id_below)
        and (
            (row.start_us, row.period_s) == (whole.start_us, whole.period_s)
            or (whole.period_s == _DAY_S and row.start_us + row.period_s * 1_000_000 <= whole.end_us)
        )
    ]


def _sum_up(database: Database, endpoint: str, whole: Span) -> int:
    """Write one roll-up; return whether it was done."""
    with database.reading() as connection:
        held, shorter = (
            _within(whole, spans_of(connection, endpoint, start_us=whole.start_us, end_us=whole.end_us, made=made))
            for made in (Made.PART, Made.ROLL_UP)
        )
        spans, sums = chosen(held, [span for span in shorter if span.period_s < whole.period_s])
        parts = [
            *read_spans(connection, endpoint, spans),
            *read_spans(connection, endpoint, sums, made=Made.ROLL_UP),
        ]
    try:
        merged = merge_all(part.profile for part in parts)
    except DataContractError as error:
        return _mark_unfit(database, endpoint, whole, error)
    with database.transaction() as connection:
        _forget(connection, endpoint, whole, Made.ROLL_UP)
        _insert(connection, endpoint, whole, f"{Made.ROLL_UP}{whole.period_s}:{endpoint}", merged)
    return 1


def _mark_unfit(database: Database, endpoint: str, whole: Span, error: DataContractError) -> int:
    """Note that what has so many rows does not fit together; return 0."""
    _log.warning("profiles.not_summed_up", endpoint=endpoint, start_us=whole.start_us, error=str(error))
    with database.transaction() as connection:
        _forget(connection, endpoint, whole, Made.UNFIT)
        nothing = Profile(whole.rows, {})
        _insert(connection, endpoint, whole, f"{Made.UNFIT}{whole.period_s}:{endpoint}", nothing)
    return 0


def _insert(connection: Connection, endpoint: str, whole: Span, segment_id: str, found: Profile) -> None:
    connection.execute(
        insert(profile).values(
            id=new_id(),
            segment_id=segment_id,
            endpoint=endpoint,
            variant=whole.lane.variant,
            model_version=whole.lane.model_version,
            start_us=whole.start_us,
            period_s=whole.period_s,
            rows=found.rows,
            payload=found.to_bytes(),
        )
    )


def _forget(connection: Connection, endpoint: str, whole: Span, made: Made) -> None:
    within = *_of(endpoint, whole), profile.c.start_us == whole.start_us, profile.c.period_s == whole.period_s
    connection.execute(delete(profile).where(*within, made.where()))


def _of(endpoint: str, whole: Span) -> tuple[ColumnElement[bool], ...]:
    lane = whole.lane
    return (
        profile.c.endpoint == endpoint,
        profile.c.variant == lane.variant,
        profile.c.model_version == lane.model_version,
    )


def _within(whole: Span, spans: Sequence[Span]) -> list[Span]:
    return [
        span
        for span in spans
        if span.lane == whole.lane and whole.start_us <= span.start_us and span.end_us <= whole.end_us
    ]
