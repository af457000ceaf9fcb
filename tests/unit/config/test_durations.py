"""Durations read back as they were written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.durations import format_duration, parse_duration


@given(st.integers(0, 3653 * 86_400_000))
def test_a_duration_reads_back_as_it_was_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1.5h", 5400), ("1 h 30 m", 5400), ("250ms", 0.25), ("2w", 1_209_600), ("0s", 0)],
)
def test_units_mean_what_they_say(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "h", "5 hours", "-5s", "5s!", "1e3s", "None", "5S", "99999999999999w", "3654d", "1e9d"]
)
def test_what_is_no_duration_is_refused_as_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_ten_years_are_the_longest_that_there_is() -> None:
    assert parse_duration("3653d") == timedelta(days=3653)
    with pytest.raises(ValueError, match="at most ten years"):
        parse_duration(timedelta(days=3654))
