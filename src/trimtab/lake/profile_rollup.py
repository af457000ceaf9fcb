"""Sums up the stored profiles of closed hours and days, so that a check of a long window reads few of them.

A segment leaves one profile for each period (an hour, say) that it has rows of: a shipper that sends every few seconds
leaves hundreds of an hour. A roll-up is one more profile beside them, of a whole period or day. What it was made from
stays, and is what counts: a roll-up stands for it only while it has exactly as many rows. So one that a late segment
made stale is passed over, whoever wrote what in which order, until it is made anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import structlog
from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from trimtab.core.errors import DataContractError
from trimtab.core.ids import new_id
from trimtab.db.engine import Database
from trimtab.db.tables import profile
from trimtab.lake.profile_spans import ROLLED, Lane, Span, chosen, read_spans, spans_of
from trimtab.profiles.profile import merge_all

__all__ = ["roll_up"]

_log = structlog.get_logger(__name__)

_DAY_S = 86_400
_DAY_US = _DAY_S * 1_000_000
_GRACE_US = 3_600_000_000
_AT_ONCE = 8


def roll_up(database: Database, endpoint: str, *, since_us: int, now_us: int, at_once: int = _AT_ONCE) -> int:
    """Sum up at most ``at_once`` periods and days that began at ``since_us`` or later and ended an hour ago.

    Periods that several segments have rows of, then days of several periods; where there is a roll-up with as many
    rows, nothing is done. Return how many were written. Many may call it at once. A span whose profiles don't fit
    together (its numbers became categories) is left as it is.

    Raises:
        BackendError: the database cannot be reached.
    """
    day_us = since_us // _DAY_US * _DAY_US
    with database.reading() as connection:
        held = spans_of(connection, endpoint, start_us=day_us, end_us=now_us, rolled=False)
        rolled = spans_of(connection, endpoint, start_us=day_us, end_us=now_us, rolled=True)
    known = {(span.lane, span.start_us, span.period_s): span.rows for span in rolled}
    written = 0
    for whole in _wanted(held):
        is_open = whole.start_us < day_us or whole.end_us + _GRACE_US > now_us
        if is_open or known.get((whole.lane, whole.start_us, whole.period_s)) == whole.rows:
            continue
        written += _write(database, endpoint, whole)
        if written >= at_once:
            break
    return written


def _wanted(held: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans worth a roll-up: periods first, so that days are made from theirs."""
    yield from (span for span in held if span.parts > 1)
    days: dict[tuple[int, Lane], list[Span]] = defaultdict(list)
    for span in held:
        start_us = span.start_us // _DAY_US * _DAY_US
        if span.end_us <= start_us + _DAY_US:
            days[start_us, span.lane].append(span)
    for (start_us, lane), spans in sorted(days.items()):
        if len(spans) > 1:
            yield Span(lane, start_us, _DAY_S, sum(span.rows for span in spans), len(spans))


def _write(database: Database, endpoint: str, whole: Span) -> int:
    """Write one roll-up in a transaction of its own; return how many were written."""
    key = {
        "segment_id": f"{ROLLED}{whole.period_s}:{endpoint}",
        "endpoint": endpoint,
        "variant": whole.lane.variant,
        "model_version": whole.lane.model_version,
        "start_us": whole.start_us,
    }
    try:
        with database.transaction() as connection:
            bounds = {"start_us": whole.start_us, "end_us": whole.end_us}
            held = _within(whole, spans_of(connection, endpoint, rolled=False, **bounds))
            shorter = _within(whole, spans_of(connection, endpoint, rolled=True, **bounds))
            spans, sums = chosen(held, [span for span in shorter if span.period_s < whole.period_s])
            parts = [
                *read_spans(connection, endpoint, spans, rolled=False),
                *read_spans(connection, endpoint, sums, rolled=True),
            ]
            merged = merge_all(part.profile for part in parts)
            connection.execute(delete(profile).where(*(profile.c[name] == value for name, value in key.items())))
            row = {"id": new_id(), "period_s": whole.period_s, "rows": merged.rows, "payload": merged.to_bytes()}
            connection.execute(insert(profile).values(**key, **row))
    except DataContractError as error:
        _log.warning("profiles.not_summed_up", endpoint=endpoint, start_us=whole.start_us, error=str(error))
        return 0
    except IntegrityError:  # another process has just written it
        return 0
    return 1


def _within(whole: Span, spans: Sequence[Span]) -> list[Span]:
    return [
        span
        for span in spans
        if span.lane == whole.lane and whole.start_us <= span.start_us and span.end_us <= whole.end_us
    ]
