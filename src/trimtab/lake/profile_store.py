"""Keeps the profiles of processed segments, and finds those of a window."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, cast, insert, select

from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import profile
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile

__all__ = ["load_profiles", "save_profiles"]

_MICROS = 1_000_000
_LONGEST_PERIOD_S = 7 * 86_400


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
    connection: Connection, endpoint: str, *, start_us: int, end_us: int, variant: str | None = None
) -> list[PeriodProfile]:
    """Return the profiles of periods that lie at least partly in ``start_us`` ≤ t < ``end_us``, oldest first.

    A period that several segments have rows of is returned once for each; merge them.
    """
    query = (
        select(profile)
        .where(
            profile.c.endpoint == endpoint,
            # The lower bound on the index; the exact one needs the row's own period.
            profile.c.start_us > start_us - _LONGEST_PERIOD_S * _MICROS,
            profile.c.start_us < end_us,
            # PostgreSQL multiplies integers as 32 bits, which 36 minutes of microseconds do not fit into.
            profile.c.start_us + cast(profile.c.period_s, BigInteger) * _MICROS > start_us,
        )
        .order_by(profile.c.start_us, profile.c.variant, profile.c.model_version, profile.c.segment_id)
    )
    if variant is not None:
        query = query.where(profile.c.variant == variant)
    return [
        PeriodProfile(
            endpoint=row.endpoint,
            variant=row.variant,
            model_version=row.model_version,
            start_us=row.start_us,
            period_s=row.period_s,
            profile=Profile.from_bytes(row.payload),
        )
        for row in connection.execute(query)
    ]
