"""How many rows usually come to a variant, as a monitor has seen it itself: for where no table says when rows come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import takewhile
from typing import Any, Final, NamedTuple

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Finding
from trimtab.monitoring.check import Window
from trimtab.monitoring.window import TrafficShare, WindowData

__all__ = ["MIN_WINDOWS", "Side", "VolumeMemory", "chance_limits", "remembered", "steps_of"]

_DAY_US: Final = 86_400_000_000
_WEEK_US: Final = 7 * _DAY_US
MIN_WINDOWS: Final = 4
"""So many windows, one after another, say what is usual; fewer say nothing."""

_HOUR_US: Final = _DAY_US // 24
_LASTING_US: Final = 2 * _WEEK_US
_REMEMBERED_US: Final = 5 * _WEEK_US
_REMEMBERED_WINDOWS: Final = 6
_LEAST_APART_US: Final = _HOUR_US // 2
_LANES: Final = 8
_MANY_PERIODS: Final = 12
_MOST: Final = 1000
_ROOTS_APART: Final = 3 / math.sqrt(2)


class Side(IntEnum):
    """How the rows of a window lay to what was usual."""

    FEW = -1
    USUAL = 0
    MANY = 1


class _Seen(NamedTuple):
    """A window: where it ended, its rows, the variant's share of the callers in it, and whether it was in breach."""

    end_us: int
    rows: int
    share_pct: float
    side: int


@dataclass(frozen=True, slots=True)
class VolumeMemory:
    """The rows of windows of ``length_us``, oldest first, and when the first period with rows was over (``born_us``).

    Rows are counted by periods of ``period_us``, 0 where that is not known.

    What counts as usual: windows that began behind the first period with rows, in which the variant had the share of
    the callers that it has now, and that neither were in breach nor overlap one that was: an outage does not become
    the usual by lasting, nor do the windows that it begins and ends in. Silence never does: it is a breach until rows
    come again. Another level does, that every window at that part of the day has had for two weeks, and four windows
    (`lasting`): whoever was told of it knows by then that it is no outage, and the next one has to be seen. A new
    version or another setting begins anew.

    Five weeks are remembered, or six windows, if that is longer, at most 1000; of looks within half an hour or an
    eighth of a window the first. An outage of some months counts as one week of these: nobody forgets over it.
    """

    length_us: int
    born_us: int | None = None
    windows: tuple[_Seen, ...] = ()
    period_us: int = 0

    @staticmethod
    def of(data: WindowData) -> VolumeMemory:
        """Return what was remembered before ``data``, and of it when rows began to come.

        What was written of windows of another length, or by another version of the program, is no memory.
        """
        length_us = data.window.end_us - data.window.start_us
        known = replace(_read(data.state, length_us) or VolumeMemory(length_us), period_us=data.period_us)
        if known.born_us is None and data.current.rows:
            return replace(known, born_us=min(one.end_us for one in data.periods if one.profile.rows))
        return known

    def unripe(self, window: Window, share: TrafficShare | None) -> str | None:
        """Return why a window can neither be judged nor count: what comes to the variant began or changed in it."""
        if share is None:
            return "which share of the callers it has is not known"
        if self.born_us is None or window.start_us < self.born_us:
            return "the window began before the first row came"
        if window.start_us < share.since_us:
            return "its share of the callers changed in the window"
        return None

    def usual(self, window: Window, share: TrafficShare) -> tuple[int, int] | None:
        """Return the fewest and the most rows of earlier windows at the same part of the week, else of the day.

        None with less than four of these. What is at the same part of the day is not enough before one is at the same
        part of the week: five working days know nothing of a Saturday.
        """
        counted = [one for one in self._earlier(window, share) if one.side == Side.USUAL]
        weekly = self._at_same_part(counted, window, _WEEK_US)
        for step_us in steps_of(self.length_us):
            found = self._at_same_part(counted, window, step_us)
            if self._apart(found, step_us) >= MIN_WINDOWS and (weekly or self.length_us >= _WEEK_US):
                rows = [one.rows for one in found]
                return min(rows), max(rows)
        return None

    def lasting(self, window: Window, share: TrafficShare, rows: int, side: Side) -> VolumeMemory | None:
        """Return the memory in which the level of a window in breach has become usual; None while it has not."""
        newest_first = reversed(self._at_same_part(self._earlier(window, share), window, _DAY_US))
        run = list(takewhile(lambda one: one.side == side and one.rows, newest_first))
        if not rows or not run or window.end_us - run[-1].end_us < _LASTING_US:
            return None
        if self._apart(run[::-1], _DAY_US) + 1 < MIN_WINDOWS:
            return None
        taken = set(run)
        return replace(
            self, windows=tuple(one._replace(side=int(Side.USUAL)) if one in taken else one for one in self.windows)
        )

    def with_window(self, window: Window, share: TrafficShare, rows: int, side: Side) -> VolumeMemory:
        """Return the memory after a window that ends later than all that are remembered; else this one."""
        if self.windows and window.end_us <= self.windows[-1].end_us:
            return self
        added, before = _Seen(window.end_us, rows, share.pct, int(side)), self.windows
        overlapping = [one for one in before if one.end_us > window.start_us]
        if side == Side.USUAL:
            if any(one.side != Side.USUAL for one in overlapping) or self._is_near(added):
                return self
            return replace(self, windows=self._bounded((*before, added)))
        before = tuple(one for one in before if one.side != Side.USUAL or one.end_us <= window.start_us)
        return replace(self, windows=self._bounded(before if self._is_near(added) else (*before, added)))

    def to_json(self) -> JsonObject:
        """Return the memory as JSON."""
        return {"length_us": self.length_us, "born_us": self.born_us, "windows": [list(one) for one in self.windows]}

    def _earlier(self, window: Window, share: TrafficShare) -> list[_Seen]:
        # The callers that a part of them is drawn from again need not send as much as those before.
        since_us = share.since_us if share.pct < 100 else -math.inf
        return [
            one
            for one in self.windows
            if one.end_us <= window.start_us and one.share_pct == share.pct and one.end_us - self.length_us >= since_us
        ]

    def _at_same_part(self, windows: Iterable[_Seen], window: Window, step_us: int) -> list[_Seen]:
        near_us, grain_us = self._near_us, self._grain_us
        last_us = window.end_us - step_us + near_us
        return [
            one
            for one in windows
            if one.end_us <= last_us
            and (one.end_us - window.end_us + near_us) % step_us <= 2 * near_us
            and (one.end_us - window.end_us) % grain_us == 0
        ]

    @property
    def _near_us(self) -> int:
        """How far from the same part of a week or day still is the same: an hour at least, as clocks are changed.

        Whole days have the same hours wherever they begin; the days on both sides of one say how many rows.
        """
        return _DAY_US - 1 if self.length_us % _DAY_US == 0 else max(_HOUR_US, self.length_us // 16)

    @property
    def _grain_us(self) -> int:
        """By multiples of what windows may differ. One of few periods has the rows of those that begin in it alone."""
        return 1 if self.length_us >= _MANY_PERIODS * self.period_us else self.period_us

    def _apart(self, windows: Sequence[_Seen], step_us: int) -> int:
        """Return how many windows do not overlap, and are of different weeks or days."""
        distance_us = max(self.length_us, step_us - 2 * self._near_us)
        number, next_us = 0, math.inf
        for one in reversed(windows):
            if one.end_us <= next_us:
                number, next_us = number + 1, one.end_us - distance_us
        return number

    def _is_near(self, added: _Seen) -> bool:
        """Return whether one like it was seen just before: what is remembered stays small however often one looks."""
        bucket_us = max(_LEAST_APART_US, self.length_us // _LANES)
        return bool(self.windows) and (
            self.windows[-1].end_us // bucket_us == added.end_us // bucket_us and self.windows[-1][2:] == added[2:]
        )

    def _bounded(self, windows: Sequence[_Seen]) -> tuple[_Seen, ...]:
        usual = self._newest([one for one in windows if one.side == Side.USUAL])
        kept_us = max(_LASTING_US, MIN_WINDOWS * self.length_us) + self.length_us + _DAY_US
        since_us = windows[-1].end_us - kept_us
        away = [one for one in windows if one.side != Side.USUAL and one.end_us > since_us]
        return tuple(sorted([*usual, *away[-_MOST:]]))

    def _newest(self, windows: Sequence[_Seen]) -> Sequence[_Seen]:
        """Return the last ones, as far as is remembered. What nobody counted in between makes none forgotten."""
        left_us = max(_REMEMBERED_US, _REMEMBERED_WINDOWS * self.length_us)
        for place in range(len(windows) - 1, 0, -1):
            left_us -= min(windows[place].end_us - windows[place - 1].end_us, max(_WEEK_US, self.length_us))
            if left_us < 0:
                return windows[place:][-_MOST:]
        return windows[-_MOST:]


def remembered(
    data: WindowData, memory: VolumeMemory, finding: Finding, *, may_change: bool
) -> tuple[Finding, JsonObject | None]:
    """Return what to say of a window that ``finding`` was said of, and what to remember after it.

    With ``may_change`` a level that has lasted is taken as usual, and that is said.
    """
    rows, share, window = data.current.rows, data.share, data.window
    if memory.born_us is None or not data.is_over:
        return finding, None
    if share is None or memory.unripe(window, share) is not None:
        return finding, memory.to_json()
    side = Side.USUAL
    if finding.verdict is Verdict.BREACH:
        side = Side.FEW if rows < (finding.threshold or 0.0) else Side.MANY
        changed = memory.lasting(window, share, rows, side) if may_change else None
        if changed is not None:
            text = f"{finding.explanation}; it has been like that for two weeks, and is taken as usual from now on"
            finding, memory = replace(finding, verdict=Verdict.OK, explanation=text, effect=0.0), changed
            side = Side.USUAL
    return finding, memory.with_window(window, share, rows, side).to_json()


def steps_of(length_us: int) -> tuple[int, ...]:
    """Return in which steps windows lie at the same part of the week, else of the day; long ones have whole weeks."""
    return (_DAY_US,) if length_us >= _WEEK_US else (_WEEK_US, _DAY_US)


def chance_limits(fewest: float, most: float) -> tuple[float, float]:
    """Return below and above which rows that come by chance are not: the fewest and the most of a few windows.

    Roots of Poisson numbers have a standard deviation of 1/2; two of them (Anscombe's) may differ by three of theirs.
    As ``fewest`` is the least of four windows or more, fewer still come by chance in one of 100 000 windows at most.

    >>> [round(limit, 1) for limit in chance_limits(50, 60)], round(chance_limits(7, 7)[0], 2)
    ([24.4, 97.5], -0.02)
    """
    below = math.sqrt(fewest + 0.375) - _ROOTS_APART
    low = below**2 - 0.375 if below > 0 else -0.375
    return low, (math.sqrt(most + 0.375) + _ROOTS_APART) ** 2 - 0.375


def _read(state: JsonObject | None, length_us: int) -> VolumeMemory | None:
    fields: dict[str, Any] = dict(state or {})
    if fields.get("length_us") != length_us:
        return None
    try:
        born_us = fields["born_us"]
        seen = (_Seen(int(end), int(rows), float(pct), int(side)) for end, rows, pct, side in fields["windows"])
        return VolumeMemory(length_us, None if born_us is None else int(born_us), tuple(seen))
    except (KeyError, TypeError, ValueError):
        return None
