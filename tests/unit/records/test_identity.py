import pytest

from trimtab.core.errors import ConfigError
from trimtab.records.identity import event_micros


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_moment_that_its_offset_moves_out_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="outside of the years 1 to 9999"):
        event_micros(text, "event_time")


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"])
def test_the_first_and_the_last_moment_of_the_calendar_are_taken(text: str) -> None:
    assert event_micros(event_micros(text, "event_time"), "event_time") == event_micros(text, "event_time")
