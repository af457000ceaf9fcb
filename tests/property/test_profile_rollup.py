"""Whatever is stored in which order, a window counts each row once, and roll-ups only make it cheaper to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.db.tables import profile
from trimtab.lake.profile_rollup import fold_days, roll_up
from trimtab.lake.profile_store import load_profiles, save_profiles
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile, merge_all

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
BASE_US = 19_000 * DAY_US
DAYS = 3

Segment = tuple[str, tuple[tuple[int, int, str], ...]]
"""A segment's id, and what it has: hour, number of rows, and variant."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database.at(tmp_path_factory.mktemp("rollup") / "trimtab.db")
    upgrade(database)
    yield database
    database.close()


def saved(database: Database, segment: Segment) -> None:
    name, parts = segment
    found = [
        PeriodProfile("taxi", variant, 1, BASE_US + hour * HOUR_US, 3_600, rows_of(name, rows))
        for hour, rows, variant in parts
    ]
    with database.transaction() as connection:
        save_profiles(connection, name, found)


def rows_of(name: str, rows: int) -> Profile:
    return Profile(rows, {"feed": CategoryProfile.of([name] * rows)})


def told(found: Sequence[PeriodProfile]) -> dict[str, int]:
    """Return how many rows of each segment a window has."""
    column = merge_all(period.profile for period in found).columns.get("feed")
    return dict(column.counts) if isinstance(column, CategoryProfile) else {}


hours = st.integers(0, DAYS * 24 - 1)
segments = st.lists(
    st.lists(
        st.tuples(hours, st.integers(1, 9), st.sampled_from(["v1", "v2"])),
        min_size=1,
        max_size=6,
        unique_by=lambda part: (part[0], part[2]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=segments,
    rolled_after=st.sets(st.integers(0, 7)),
    now_h=st.integers(0, DAYS * 24 + 2),
    window=st.tuples(hours, hours),
    cut=hours,
)
def test_no_row_is_lost_or_counted_twice(
    database: Database,
    made: list[list[tuple[int, int, str]]],
    rolled_after: set[int],
    now_h: int,
    window: tuple[int, int],
    cut: int,
) -> None:
    with database.transaction() as connection:
        connection.execute(delete(profile))
    for place, parts in enumerate(made):  # later segments bring rows of hours and days that are summed up already
        saved(database, (f"s{place}", tuple(parts)))
        if place in rolled_after:
            while roll_up(database, "taxi", since_us=BASE_US, now_us=BASE_US + now_h * HOUR_US, at_once=3):
                pass
    first, last = min(window), max(window) + 1
    start_us, end_us = BASE_US + first * HOUR_US, BASE_US + last * HOUR_US
    wanted = {
        f"s{place}": rows
        for place, parts in enumerate(made)
        if (rows := sum(rows for hour, rows, _ in parts if first <= hour < last))
    }
    cut_us = BASE_US + cut * HOUR_US
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=start_us, end_us=end_us, cuts=[cut_us])
        finest = load_profiles(connection, "taxi", start_us=start_us, end_us=end_us, finest=True)
    assert told(found) == told(finest) == wanted
    after = told([period for period in found if period.start_us >= cut_us])
    assert after == told([period for period in finest if period.start_us >= cut_us])
    assert all(period.period_s == 3_600 for period in finest)
    while fold_days(database, "taxi", until_us=BASE_US + now_h * HOUR_US, at_once=2):
        pass
    with database.reading() as connection:
        whole = load_profiles(connection, "taxi", start_us=BASE_US, end_us=BASE_US + DAYS * DAY_US)
    assert told(whole) == {f"s{place}": sum(rows for _, rows, _ in parts) for place, parts in enumerate(made)}


def test_closed_days_are_read_as_one_profile_each(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(delete(profile))
    for place in range(4):
        saved(database, (f"s{place}", tuple((hour, 2, "v1") for hour in range(DAYS * 24))))
    now_us = BASE_US + DAYS * DAY_US
    while roll_up(database, "taxi", since_us=BASE_US, now_us=now_us):
        pass
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=BASE_US, end_us=now_us)
        one_day = load_profiles(connection, "taxi", start_us=BASE_US, end_us=BASE_US + DAY_US)
        finest = load_profiles(connection, "taxi", start_us=BASE_US, end_us=now_us, finest=True)
    # The last day ended at this very moment: it is left open for an hour, and so is its last hour.
    assert [period.period_s for period in found] == [86_400, 86_400, *[3_600] * (23 + 4)]
    assert [period.profile.rows for period in one_day] == [24 * 2 * 4]
    assert len(finest) == DAYS * 24 - 1 + 4
    assert told(found) == {f"s{place}": 2 * 24 * DAYS for place in range(4)}


def test_what_cannot_be_merged_is_left_in_its_parts(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(delete(profile))
    saved(database, ("s0", ((0, 2, "v1"),)))
    numbers = Profile(3, {"feed": NumberProfile.of(np.arange(3.0))})
    with database.transaction() as connection:
        save_profiles(connection, "s1", [PeriodProfile("taxi", "v1", 1, BASE_US + HOUR_US, 3_600, numbers)])
    tried = []
    for _look in range(2):
        with structlog.testing.capture_logs() as logged:
            assert roll_up(database, "taxi", since_us=BASE_US, now_us=BASE_US + 2 * DAY_US) == 0
        tried.append(len(logged))
    assert tried == [1, 0], "it is read and merged once, and not at each look"
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=BASE_US, end_us=BASE_US + DAY_US)
    assert [period.profile.rows for period in found] == [2, 3]
    # Other rows, another try: and what fits together is still found beside what does not.
    saved(database, ("s2", ((0, 4, "v1"), (2, 1, "v2"), (3, 1, "v2"))))
    assert roll_up(database, "taxi", since_us=BASE_US, now_us=BASE_US + 2 * DAY_US) == 2
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=BASE_US, end_us=BASE_US + DAY_US)
    assert [(period.variant, period.profile.rows) for period in found] == [("v1", 6), ("v2", 2), ("v1", 3)]


def stored(database: Database) -> list[int]:
    """Return the periods, in seconds, of all that is stored."""
    with database.reading() as connection:
        return sorted(connection.execute(select(profile.c.period_s)).scalars())


def test_a_shipper_that_sends_every_few_seconds_leaves_one_part_an_hour(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(delete(profile))
    for place in range(300):
        saved(database, (f"s{place}", ((0, 1, "v1"), (1, 1, "v1"))))
    # The second hour is open still, but has too many parts to be read at each look.
    while roll_up(database, "taxi", since_us=BASE_US, now_us=BASE_US + 2 * HOUR_US):
        pass
    assert len(stored(database)) <= 1 + 63
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=BASE_US, end_us=BASE_US + DAY_US)
    assert merge_all(period.profile for period in found).rows == 600
    assert found[0].profile.rows == 300


def test_days_whose_hours_nobody_asks_for_are_kept_as_days(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(delete(profile))
    saved(database, ("s0", tuple((hour, 2, "v1") for hour in range(DAYS * 24))))
    now_us = BASE_US + DAYS * DAY_US + 2 * HOUR_US
    while roll_up(database, "taxi", since_us=BASE_US, now_us=now_us):
        pass
    while fold_days(database, "taxi", until_us=BASE_US + 2 * DAY_US + HOUR_US, at_once=1):
        pass
    assert stored(database) == [*[3_600] * 24, *[86_400] * 3]
    saved(database, ("late", ((5, 1, "v1"),)))
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=BASE_US, end_us=now_us)
    assert told(found) == {"s0": 2 * 24 * DAYS, "late": 1}
    while fold_days(database, "taxi", until_us=BASE_US + 2 * DAY_US + HOUR_US):
        pass
    with database.reading() as connection:
        found = load_profiles(connection, "taxi", start_us=BASE_US, end_us=now_us)
    assert [period.profile.rows for period in found] == [49, 48, 48]
