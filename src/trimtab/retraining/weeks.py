"""Whole weeks: what labelled periods shorter than a week say is judged a week at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from trimtab.retraining.gain import Standing
from trimtab.retraining.ledger import PeriodLoss, VersionLosses

__all__ = ["in_weeks", "periods_in_a_week"]

_DAY_US = 86_400_000_000
_DAYS = 7
_WEEK_US = _DAYS * _DAY_US

Weeks = Mapping[int, Sequence[int]]


def periods_in_a_week(period_us: int) -> int:
    """Return how many periods make up a week at least; 1 for those that last as long.

    >>> periods_in_a_week(86_400_000_000), periods_in_a_week(30 * 86_400_000_000)
    (7, 1)
    """
    return max(-(-_WEEK_US // period_us), 1)


def in_weeks(standing: Standing, period_us: int) -> Standing:
    """Return the same evidence by weeks that end with the newest period, each of seven blocks of a day.

    Losses by the hour repeat each other, and a Sunday is no Monday: by blocks of hours within a day a standard error
    would be too small, and two neighbouring days would pass for a change. Periods of a week or more stay as they are.
    Weeks are named by the start of their first period; the oldest, if it is not whole, is left out. A version counts
    in a week of which it has answered all that any version has, a twin likewise.
    """
    if period_us >= _WEEK_US:
        return standing
    starts = sorted({start for ledger in standing.versions.values() for start in ledger.answers})
    weeks = _weeks(starts, period_us)
    versions = {number: _ledger(ledger, weeks) for number, ledger in standing.versions.items()}
    line = {week: standing.line[own[-1]] for week, own in weeks.items() if own[-1] in standing.line}
    return dataclasses.replace(standing, versions=versions, line=line)


def _weeks(starts: Sequence[int], period_us: int) -> Weeks:
    """Return the starts of the periods of each week, by the first one."""
    many = periods_in_a_week(period_us)
    weeks: dict[int, list[int]] = {}
    for start in starts:
        weeks.setdefault((starts[-1] - start) // (many * period_us), []).append(start)
    first_us = {place: starts[-1] - ((place + 1) * many - 1) * period_us for place in weeks}
    # A period without outcomes may lie within a week; before the first one there is nothing.
    return {own[0]: own for place, own in sorted(weeks.items(), reverse=True) if starts[0] <= first_us[place]}


def _ledger(ledger: VersionLosses, weeks: Weeks) -> VersionLosses:
    twins = {name: _joined(losses, weeks) for name, losses in ledger.twins.items()}
    return VersionLosses(ledger.version, _joined(ledger.answers, weeks), twins)


def _joined(losses: Mapping[int, PeriodLoss], weeks: Weeks) -> dict[int, PeriodLoss]:
    found = {}
    for week, starts in weeks.items():
        if all(start in losses for start in starts):
            found[week] = _week_of([losses[start] for start in starts])
    return found


def _week_of(periods: Sequence[PeriodLoss]) -> PeriodLoss:
    start_us, end_us = periods[0].start_us, periods[-1].end_us
    days = np.zeros(_DAYS)
    for at_us, loss in _blocks(periods):
        days[min(int((at_us - start_us) * _DAYS / max(end_us - start_us, 1)), _DAYS - 1)] += loss
    rows, hardness = sum(one.rows for one in periods), sum(one.hardness for one in periods)
    return PeriodLoss(start_us, end_us, rows, tuple(days.tolist()), hardness)


def _blocks(periods: Iterable[PeriodLoss]) -> Iterable[tuple[float, float]]:
    """Yield the middle of each block, and what was lost in it."""
    for one in periods:
        length = (one.end_us - one.start_us) / len(one.blocks)
        for place, loss in enumerate(one.blocks):
            yield one.start_us + (place + 0.5) * length, loss
