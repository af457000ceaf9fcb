from __future__ import annotations

import pytest
from tests.conftest import BOTH
from tests.unit.lake.heart import MODEL, Workplace

from trimtab.lake.feeds import Interval, feed_states, quarantine_feed, quarantined_intervals, release_feed

pytestmark = pytest.mark.parametrize("place", BOTH, indirect=True)


def test_quarantine_and_release_are_idempotent(place: Workplace) -> None:
    with place.database.transaction() as connection:
        first = quarantine_feed(connection, MODEL, "clinic", since_us=50, reason="units", at_us=60)
        again = quarantine_feed(connection, MODEL, "clinic", since_us=55, reason="other", at_us=70)
        released = release_feed(connection, MODEL, "clinic", until_us=90, at_us=95)
        released_again = release_feed(connection, MODEL, "clinic", until_us=99, at_us=99)

    assert again == first
    assert first.quarantined
    assert released == released_again
    assert released is not None
    assert released.intervals == (Interval(50, 90, "units"),)


def test_an_earlier_beginning_moves_an_open_quarantine_back(place: Workplace) -> None:
    with place.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic", since_us=50, reason="units", at_us=60)
        moved = quarantine_feed(connection, MODEL, "clinic", since_us=20, reason="units", at_us=70)

    assert moved.intervals == (Interval(20, None, "units"),)


def test_a_feed_can_be_quarantined_again_and_keeps_its_past(place: Workplace) -> None:
    with place.database.transaction() as connection:
        quarantine_feed(connection, MODEL, "clinic", since_us=10, reason="units", at_us=10)
        release_feed(connection, MODEL, "clinic", until_us=20, at_us=20)
        quarantine_feed(connection, MODEL, "clinic", since_us=40, reason="stuck", at_us=40)
        states = feed_states(connection, MODEL)

    assert quarantined_intervals(states) == {"clinic": (Interval(10, 20, "units"), Interval(40, None, "stuck"))}
    assert [(state.name, state.state, state.since_us) for state in states] == [("clinic", "quarantined", 40)]


def test_releasing_an_unknown_feed_does_nothing(place: Workplace) -> None:
    with place.database.transaction() as connection:
        assert release_feed(connection, MODEL, "nobody", until_us=1, at_us=1) is None
        assert feed_states(connection, MODEL) == []
