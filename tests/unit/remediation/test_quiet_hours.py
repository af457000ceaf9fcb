from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.quiet_hours import Day, QuietHours


def read(hours: str) -> QuietHours:
    text = f"limits:\n  quiet_hours: {hours}\n"
    return parse_yaml(text.encode(), PolicyConfig, source="policy.yaml").limits.quiet_hours[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_times_are_read_with_and_without_quotes() -> None:
    assert read("{from: '22:00', to: '06:00'}") == read("{from: 22:00, to: 06:00}")
    assert str(read("{from: 9:30, to: 17:00, timezone: Asia/Tokyo, days: [sat, sun]}")) == (
        "09:30 to 17:00 (Asia/Tokyo) on sat, sun"
    )


def test_they_begin_with_the_first_minute_and_end_before_the_last() -> None:
    day = read("{from: '09:00', to: '17:00'}")
    told = [day.holds(at(f"2030-01-01T{time}")) for time in ("08:59:59", "09:00", "16:59:59", "17:00")]
    assert told == [False, True, True, False]


def test_they_go_on_over_midnight() -> None:
    night = read("{from: '22:00', to: '06:00'}")
    told = [night.holds(at(f"2030-01-01T{time}")) for time in ("05:59", "06:00", "21:59", "22:00", "23:59")]
    assert told == [True, False, False, True, True]


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = read("{from: '22:00', to: '06:00', days: fri}")
    assert [friday.holds(at(f"2030-01-{day}T23:00")) for day in ("03", "04", "05")] == [False, True, False]
    assert [friday.holds(at(f"2030-01-{day}T03:00")) for day in ("04", "05", "06")] == [False, True, False]


def test_a_whole_day_is_named_by_one_time_twice() -> None:
    sunday = read("{from: '00:00', to: '00:00', days: sun}")
    assert [sunday.holds(at(f"2030-01-{day}T{time}")) for day, time in (("05", "23:59"), ("06", "00:00"))] == [
        False,
        True,
    ]
    assert [sunday.holds(at(f"2030-01-{day}T{time}")) for day, time in (("06", "23:59"), ("07", "00:00"))] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2030-03-30T22:00", 7), ("2030-10-26T21:00", 9), ("2030-01-01T22:00", 8)],
    ids=["the clock is put forward", "the clock is put back", "any night"],
)
def test_they_go_by_the_clock_on_the_wall(day: str, hours: int) -> None:
    night = read("{from: '23:00', to: '07:00', timezone: Europe/Berlin}")
    begins = at(day)
    quiet = [minutes for minutes in range(-60, 720, 15) if night.holds(begins + timedelta(minutes=minutes))]
    assert quiet == list(range(0, hours * 60, 15))


@pytest.mark.parametrize(
    ("hours", "line", "expected"),
    [
        ("{from: '22:00', to: '06:00', timezone: Europe/Atlantis}", 2, "no time zone is called 'Europe/Atlantis'"),
        ("{from: '22:00', to: '06:00', timezone: ../etc/passwd}", 2, "no time zone is called"),
        ("{from: '22:00', to: '06:00', timezone: Europe}", 2, "no time zone is called 'Europe'"),
        ("{from: '25:00', to: '06:00'}", 2, "expected a time of day"),
        ("{from: 22, to: '06:00'}", 2, "expected a time of day"),
        ("{from: '22:00'}", 2, "to: missing"),
        ("{from: '22:00', to: '22:00'}", 2, "never end"),
        ("{from: '22:00', to: '06:00', days: [someday]}", 2, "'mon'"),
        ("{from: '22:00', to: '06:00', always: [reboot]}", 2, "'log'"),
    ],
)
def test_what_names_no_time_is_refused_with_its_line(hours: str, line: int, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(hours)
    assert str(refused.value).startswith(f"policy.yaml:{line}: limits.quiet_hours")
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("now", "begun"),
    [
        ("2030-01-01T23:00", "2030-01-01T21:00"),
        ("2030-01-02T04:59", "2030-01-01T21:00"),
        ("2030-01-01T04:00", "2029-12-31T21:00"),
        ("2030-07-02T03:00", "2030-07-01T20:00"),
        ("2030-01-01T12:00", None),
    ],
)
def test_it_is_known_since_when_they_hold(now: str, begun: str | None) -> None:
    night = read("{from: '22:00', to: '06:00', timezone: Europe/Berlin}")
    assert night.begun(at(now)) == (None if begun is None else at(begun))


@given(
    since=st.integers(0, 47),
    until=st.integers(0, 47),
    days=st.frozensets(st.sampled_from([day.value for day in Day]), min_size=1),
    minutes=st.integers(0, 366 * 24 * 60),
)
def test_they_have_held_without_a_break_since_they_began(
    since: int, until: int, days: frozenset[str], minutes: int
) -> None:
    times = [f"{half // 2:02d}:{30 * (half % 2):02d}" for half in (since, until)]
    quiet = QuietHours.model_validate(
        {"from": times[0], "to": times[1], "timezone": "Europe/Berlin", "days": sorted(days)}
    )
    now = at("2030-01-01T00:00") + timedelta(minutes=minutes)
    begun = quiet.begun(now)
    assert (begun is not None) is quiet.holds(now)
    if begun is not None:
        assert timedelta(0) <= now - begun <= timedelta(hours=25)
        steps = range(0, int((now - begun) / timedelta(minutes=15)))
        assert all(quiet.holds(begun + step * timedelta(minutes=15)) for step in steps)
