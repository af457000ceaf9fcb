"""The decision periods that a ledger is about: which there are, and what their labelled rows say, as a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from trimtab.core.canonical import digest_of
from trimtab.lake.feeds import Interval
from trimtab.lake.seen_evidence import SeenEvidence
from trimtab.loop.course import Course
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.retraining.loss_store import FEWEST_ROWS
from trimtab.retraining.weeks import periods_in_a_week

__all__ = ["MOST_PERIODS", "Period", "decision_periods", "look_back", "micros", "thin_periods"]

MOST_PERIODS = 60
"""How many of the latest periods are judged."""

_LOOK_BACK = 2
# One trigger lane works in a process at a time; what it has seen spares it weeks of rows at each look.
_SEEN = SeenEvidence()
_LEAST_OF_USUAL = 0.5
_FEWEST_FOR_USUAL = 3

Intervals = Mapping[str, Sequence[Interval]]


@dataclass(frozen=True, slots=True)
class Period:
    """A decision period: of how many ``answered`` rows the outcome is known (``share``).

    ``evidence`` is a number that stands for these rows and outcomes, and those that its twins have learnt from.
    """

    start_us: int
    end_us: int
    rows: int
    answered: int
    evidence: int

    @property
    def share(self) -> float:
        """The share of the answered rows whose outcome is known."""
        return self.rows / max(self.answered, 1)


def decision_periods(
    platform: Platform, files: ModelFiles, course: Course, at_us: int, intervals: Intervals
) -> Sequence[Period]:
    """Return the periods whose outcomes are due by ``at_us`` and that some version has not learnt from, in order."""
    length = micros(files.retrain.decision_period(files.model.label_delay))
    last = (at_us - micros(files.model.label_delay)) // length
    first = max(min(course.learnt_until_us.values()) // length + 1, last - MOST_PERIODS)
    if first >= last:
        return ()
    back = look_back(length)
    starts = [place * length for place in range(first - back, last)]
    spans = [(start, start + length) for start in starts]
    told = _SEEN.of(platform.lake, files.endpoint, spans, known_until_us=at_us)
    found = []
    for place in range(back, len(starts)):
        start, end = spans[place]
        said = [(one.rows, one.digest) for one in told[place - back : place + 1]]
        held_back = _held_back(intervals, spans[place - back][0], end)
        evidence = int(digest_of([said, held_back, files.model.main_metric, length])[:15], 16)
        found.append(Period(start, end, told[place].rows, told[place].answered, evidence))
    return found


def look_back(period_us: int) -> int:
    """Return how many periods before one its twins have learnt from: two, and a week at least.

    Monday is no teacher of Sunday.
    """
    return max(_LOOK_BACK, periods_in_a_week(period_us))


def _held_back(intervals: Intervals, start_us: int, end_us: int) -> list[tuple[str, int, int | None]]:
    """Return which feeds were quarantined when, as far as it is about these rows."""
    spans = [(name, one.since_us, one.until_us) for name, found in intervals.items() for one in found]
    return sorted(
        (one for one in spans if one[1] < end_us and (one[2] is None or one[2] > start_us)),
        key=lambda one: (one[0], one[1], one[2] or 0),
    )


def thin_periods(periods: Sequence[Period]) -> frozenset[int]:
    """Return the starts of the periods of whose rows far fewer have an outcome than is usual.

    The outcomes that come first are not drawn at random: who left is known before who stays. Before three periods show
    what is usual, all of the rows are.
    """
    known = [one.share for one in periods if one.rows >= FEWEST_ROWS]
    usual = median(known) if len(known) >= _FEWEST_FOR_USUAL else 1.0
    return frozenset(one.start_us for one in periods if one.share < _LEAST_OF_USUAL * usual)


def micros(span: timedelta) -> int:
    """Return a span in microseconds."""
    return span // timedelta(microseconds=1)
