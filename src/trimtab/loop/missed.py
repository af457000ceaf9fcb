"""Which moments of a calendar are caught up, since nobody looked when they came."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trimtab.config.cron import moment_after, newest_moment
from trimtab.core.clock import from_micros, to_micros

__all__ = ["MOST", "Missed", "missed_moments"]

MOST: Final = 60
"""So many moments are caught up: evidence of windows that lie further back has little to say of the present."""

_MICRO: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Missed:
    """Moments to be run, oldest first; and ``left_out`` windows, of the one length of which it is most, nobody judges.

    Empty when no moment has come.
    """

    moments: tuple[datetime, ...] = ()
    left_out: int = 0


def missed_moments(
    cron: str, last: datetime, now: datetime, windows: Collection[timedelta], *, most: int = MOST
) -> Missed:
    """Return which moments of ``cron`` (five fields, UTC) after ``last`` and not after ``now`` are to be run.

    Of several those by which another window has passed, counting each window's length from 1970 on: what a monitor
    counts window by window misses none; and the newest. Of more than ``most`` the latest are taken, of the longest
    windows first: there are fewest of them, and each stands for most of the time.
    """
    newest = newest_moment(cron, last, now)
    if newest is None:
        return Missed()
    chosen, left_out = {newest}, 0
    for length in sorted(windows, reverse=True):
        begun, moment = _count(last, length), newest
        while (count := _count(moment, length)) > begun:
            start = from_micros(count * (length // _MICRO))
            first = moment_after(cron, start - _MICRO)
            assert first is not None
            if first not in chosen and len(chosen) >= most:
                left_out = max(left_out, count - begun)
                break
            chosen.add(first)
            earlier = newest_moment(cron, last, start - _MICRO)
            if earlier is None:
                break
            moment = earlier
    return Missed(tuple(sorted(chosen)), left_out)


def _count(moment: datetime, length: timedelta) -> int:
    return to_micros(moment) // (length // _MICRO)
