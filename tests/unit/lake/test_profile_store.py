"""The profiles of a window are found on each kind of database."""

from __future__ import annotations

import pytest

from trimtab.db.engine import Database
from trimtab.lake.profile_store import load_profiles, save_profiles
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile

NOW_US = 1_710_000_000_000_000


@pytest.mark.parametrize("period_s", [60, 3_600, 86_400, 7 * 86_400])
def test_a_period_belongs_to_every_window_that_it_touches(database: Database, period_s: int) -> None:
    period = PeriodProfile("claims", "v1", 1, NOW_US, period_s, Profile(rows=3, columns={}))
    with database.transaction() as connection:
        assert save_profiles(connection, "segment-1", [period]) == 1
        assert save_profiles(connection, "segment-1", [period]) == 0

    def found(start_us: int, end_us: int) -> list[tuple[int, int]]:
        with database.reading() as connection:
            told = load_profiles(connection, "claims", start_us=start_us, end_us=end_us)
        return [(each.start_us, each.profile.rows) for each in told]

    last_us = period.end_us - 1
    assert found(last_us, last_us + 1) == [(NOW_US, 3)]
    assert found(NOW_US, NOW_US + 1) == [(NOW_US, 3)]
    assert found(period.end_us, period.end_us + 1) == []
    assert found(NOW_US - 1, NOW_US) == []


def test_windows_without_overlap_have_no_period_in_common_where_only_those_begun_are_asked_for(
    database: Database,
) -> None:
    hour_us = 3_600_000_000
    hours = [
        PeriodProfile("claims", "v1", 1, NOW_US + n * hour_us, 3_600, Profile(rows=1, columns={})) for n in range(9)
    ]
    with database.transaction() as connection:
        save_profiles(connection, "segment-1", hours)

    def found(first_h: float) -> list[int]:
        start_us = NOW_US + round(first_h * hour_us)
        with database.reading() as connection:
            told = load_profiles(connection, "claims", start_us=start_us, end_us=start_us + 3 * hour_us, begun=True)
        return [(each.start_us - NOW_US) // hour_us for each in told]

    assert [found(0.5), found(3.5), found(3.0)] == [[1, 2, 3], [4, 5, 6], [3, 4, 5]]
