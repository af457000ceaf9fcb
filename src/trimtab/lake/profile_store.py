"""Keeps the profiles of processed segments, and finds those of a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import insert, select

from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import profile
from trimtab.lake.profile_spans import Made, chosen, read_spans, spans_of
from trimtab.profiles.periods import PeriodProfile

__all__ = ["load_profiles", "save_profiles"]


def save_profiles(connection: Connection, segment_id: str, profiles: Iterable[PeriodProfile]) -> int:
    """Store a segment's profiles and return how many were new; those that are there already are left as they are."""
    columns = (profile.c.endpoint, profile.c.variant, profile.c.model_version, profile.c.start_us)
    known = {tuple(row) for row in connection.execute(select(*columns).where(profile.c.segment_id == segment_id))}
    rows = [
        {
            "id": new_id(),
            "segment_id": segment_id,
            "endpoint": period.endpoint,
            "variant": period.variant,
            "model_version": period.model_version,
            "start_us": period.start_us,
            "period_s": period.period_s,
            "rows": period.profile.rows,
            "payload": period.profile.to_bytes(),
        }
        for period in profiles
        if (period.endpoint, period.variant, period.model_version, period.start_us) not in known
    ]
    if rows:
        connection.execute(insert(profile), rows)
    return len(rows)


def load_profiles(
    connection: Connection,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    variant: str | None = None,
    cuts: Sequence[int] = (),
    finest: bool = False,
    begun: bool = False,
) -> list[PeriodProfile]:
    """Return the profiles of periods that lie at least partly in ``start_us`` ≤ t < ``end_us``, oldest first.

    With ``begun`` only of those that begin there: no two windows without overlap have one of these in common.

    Where a roll-up stands for periods that all lie in the window, it is returned in their place; ``finest`` asks for
    none that is longer than they are, e.g. to tell since which hour something holds. None reaches across one of
    ``cuts``, the moments from which parts of the window are looked at on their own. A period that several segments
    have rows of is otherwise returned once for each; merge them.
    """
    held, rolled = (
        spans_of(connection, endpoint, start_us=start_us, end_us=end_us, made=made)
        for made in (Made.PART, Made.ROLL_UP)
    )
    if variant is not None:
        held, rolled = ([span for span in spans if span.lane.variant == variant] for spans in (held, rolled))
    if begun:
        held, rolled = ([span for span in spans if span.start_us >= start_us] for spans in (held, rolled))
    spans, sums = chosen(held, rolled, cuts=cuts, finest=finest)
    found = [*read_spans(connection, endpoint, spans), *read_spans(connection, endpoint, sums, made=Made.ROLL_UP)]
    return sorted(found, key=lambda period: (period.start_us, period.variant, period.model_version))
