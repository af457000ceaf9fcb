"""Which rows come from a feed that was quarantined at their time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.core.clock import from_micros
from trimtab.lake.feeds import Interval
from trimtab.lake.reasons import Broken

__all__ = ["FEED_QUARANTINED", "quarantined_rows"]

FEED_QUARANTINED = "^feed ['\"].* is quarantined since "
"""What the reason of a row begins with that lies in quarantine for its feed; no reason of the contract does."""


def quarantined_rows(
    sources: Sequence[str | None],
    event_us: Sequence[int | None],
    intervals: Mapping[str, Sequence[Interval]],
) -> dict[int, Broken]:
    """Return the rows whose feed was quarantined at their event time, each with its reason.

    A row without an event time is held back as long as its feed has an open interval.

    >>> quarantined_rows(["a", "b", "a"], [5, 5, 1], {"a": [Interval(2, None, "units")]})[0].sentence
    "feed 'a' is quarantined since 1970-01-01T00:00:00.000002+00:00 (units)"
    """
    if not intervals:
        return {}
    found = {}
    for row, (source, at_us) in enumerate(zip(sources, event_us, strict=True)):
        for interval in intervals.get(source or "", ()):
            if (interval.until_us is None) if at_us is None else interval.holds(at_us):
                since = from_micros(interval.since_us).isoformat()
                why = f" ({interval.reason})" if interval.reason else ""
                sentence = f"feed {source!r} is quarantined since {since}{why}"
                found[row] = Broken(sentence=sentence, rule_text=f"feed {source!r}: quarantined")
                break
    return found
