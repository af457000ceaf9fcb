"""What the drift monitor remembers from window to window: its detectors, and the alarm that they raised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trimtab.core.canonical import JsonObject
from trimtab.measures.e_detector import EDetector
from trimtab.monitoring.check import Window

__all__ = ["LANES", "DriftState", "Lane"]

LANES = 8
"""So many detectors share the looks: each one steps on windows that do not overlap, the next an eighth later."""

_FIRST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Lane:
    """One detector, and the end of the window that it stepped on last."""

    detector: EDetector
    end_us: int


@dataclass(frozen=True, slots=True)
class DriftState:
    """Detectors while all is quiet; once one has reached its limit, the alarm, until it is over.

    ``alarm_us`` is the end of the window in which the alarm was raised, ``since_us`` when the first of the windows
    began that led to it, ``low_us`` the end of the last window whose p-value was low. Without an alarm: None.
    ``seen_us`` is the end of the latest window that was looked at, None before the first.
    """

    lanes: tuple[Lane, ...] = ()
    alarm_us: int | None = None
    since_us: int | None = None
    low_us: int | None = None
    seen_us: int | None = None

    @property
    def alarmed(self) -> bool:
        """Whether the alarm is on."""
        return self.alarm_us is not None

    def looked(self, p: float, window: Window, *, mean_windows: float, alpha: float) -> DriftState:
        """Return the state after a look at ``window``, whose p-value is ``p``.

        A look steps the detector that has waited longest, if it is due: its last window does not overlap this one.
        Is none due, a new one begins, an eighth of a length after the last step at the soonest. So every
        look between shows p, and costs nothing. The limit of detector i is ``mean_windows`` over its share of the
        false alarms (half for the first, the other half for the seven others), so that by the union bound
        all of them together raise one within t windows with a chance of at most t / ``mean_windows``.

        The alarm is over with the first window with p > ``alpha`` that begins after the last one with p ≤ ``alpha``
        has ended; then all detectors begin anew.
        """
        after = self._in_alarm(p, window, alpha) if self.alarmed else self._stepped(p, window, mean_windows)
        return replace(after, seen_us=window.end_us if self.seen_us is None else max(self.seen_us, window.end_us))

    def _stepped(self, p: float, window: Window, mean_windows: float) -> DriftState:
        place = self._due(window)
        if place is None:
            return self
        old = self.lanes[place].detector if place < len(self.lanes) else EDetector()
        detector = old.stepped(p, start_us=window.start_us)
        lanes = (*self.lanes[:place], Lane(detector, window.end_us), *self.lanes[place + 1 :])
        if detector.alarms(mean_windows / _share(place)):
            return DriftState((), window.end_us, detector.since_us, window.end_us)
        return DriftState(lanes)

    def waiting_until_us(self, p: float, window: Window, mean_windows: float) -> int | None:
        """Return when a p-value that no detector is due for is counted, if it would raise the alarm; else None.

        That is the end of the first window, of this length, that steps one. None while the alarm is on, too.
        """
        if self.alarmed or self._due(window) is not None:
            return None
        first = min(self.lanes, key=lambda lane: lane.end_us)
        due, place = first.end_us + window.end_us - window.start_us, self.lanes.index(first)
        if len(self.lanes) < LANES:
            begins = math.ceil(self._begins_us(window))
            due, place = (due, place) if due <= begins else (begins, len(self.lanes))
        old = self.lanes[place].detector if place < len(self.lanes) else EDetector()
        alarms = old.stepped(p, start_us=window.start_us).alarms(mean_windows / _share(place))
        return due if alarms else None

    def evidence(self, mean_windows: float) -> float:
        """Return how near the nearest detector is to its limit: R over it, 1 in alarm, 0 at the start."""
        if self.alarmed:
            return 1.0
        shares = (lane.detector.log_value + math.log(_share(place)) for place, lane in enumerate(self.lanes))
        return min(1.0, math.exp(max(shares, default=-math.inf) - math.log(mean_windows)))

    def to_json(self) -> JsonObject:
        """Return the state as JSON."""
        lanes = [
            [lane.detector.log_value, lane.detector.steps, lane.detector.since_us, lane.end_us] for lane in self.lanes
        ]
        return {
            "lanes": lanes,
            "alarm_us": self.alarm_us,
            "since_us": self.since_us,
            "low_us": self.low_us,
            "seen_us": self.seen_us,
        }

    @staticmethod
    def from_json(content: JsonObject | None) -> DriftState:
        """Return the state that `to_json` wrote; None, or what is no such state: the start."""
        try:
            fields: dict[str, Any] = dict(content or {})
            lanes = tuple(_lane(lane) for lane in fields.pop("lanes", ()))
            return DriftState(lanes=lanes, **fields)
        except (TypeError, ValueError):
            # Written by another version of the program: evidence is gathered anew, which only delays an alarm.
            return DriftState()

    def _in_alarm(self, p: float, window: Window, alpha: float) -> DriftState:
        assert self.low_us is not None
        if p <= alpha:
            return replace(self, low_us=max(self.low_us, window.end_us))
        return DriftState() if window.start_us >= self.low_us else self

    def _due(self, window: Window) -> int | None:
        waiting = sorted((lane.end_us, place) for place, lane in enumerate(self.lanes))
        if waiting and waiting[0][0] <= window.start_us:
            return waiting[0][1]
        return len(self.lanes) if len(self.lanes) < LANES and window.end_us >= self._begins_us(window) else None

    def _begins_us(self, window: Window) -> float:
        """Return at which end of a window like this a new detector may begin."""
        newest = max((lane.end_us for lane in self.lanes), default=-math.inf)
        return newest + (window.end_us - window.start_us) / LANES


def _share(place: int) -> float:
    """Return the part of the false alarms that detector ``place`` may raise; they sum to 1."""
    return _FIRST_SHARE if place == 0 else (1 - _FIRST_SHARE) / (LANES - 1)


def _lane(content: Sequence[Any]) -> Lane:
    log_value, steps, since_us, end_us = content
    return Lane(EDetector(float(log_value), int(steps), since_us), int(end_us))
