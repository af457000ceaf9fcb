"""Windows that are over, and are looked at again: their outcomes came late, twice, or were corrected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.monitoring.check import Window

__all__ = ["MOST_AT_ONCE", "MOST_WAITING", "LooksBack", "PastMemory", "PastQuestion", "aligned_windows"]

MOST_AT_ONCE = 26
"""So many past windows are looked at in one look; more wait for the next one."""

MOST_WAITING = 2000
"""So many may wait: a state is rewritten at each look. Where more do, the oldest windows are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class PastQuestion:
    """What is known when it is asked which past windows to look at again.

    ``touched_us``: event times, in any order, of rows whose outcomes may have come or changed since the last look.
    ``window`` is the one to be judged now, ``length_us`` long.
    """

    state: JsonObject | None
    touched_us: NDArray[np.int64]
    window: Window
    length_us: int
    label_delay_us: int


@runtime_checkable
class LooksBack(Protocol):
    """A monitor that looks at past windows again. Its state holds the memory of its `PastLabels` as ``past``."""

    def past_windows(self, question: PastQuestion) -> tuple[Window, ...]:
        """Return the windows whose labelled rows it wants now, those that matter most first. Pure.

        It need not name again those that it has named before: what did not get its turn waits.
        """


@dataclass(frozen=True, slots=True)
class PastMemory:
    """What a monitor that looks back remembers between two looks.

    What was processed until ``reached_us`` has been looked through, ``seen`` names the part of it that a look may meet
    again. ``waiting`` windows have been named and not been looked at, the one that waits longest first. ``left_out``
    counts those that were too many to wait.
    """

    reached_us: int
    seen: tuple[str, ...] = ()
    waiting: tuple[Window, ...] = ()
    left_out: int = 0

    @staticmethod
    def of(state: JsonObject | None) -> PastMemory | None:
        """Return what ``state`` remembers; None where it remembers nothing."""
        kept = (state or {}).get("past")
        if kept is None:
            return None
        waiting = tuple(Window(int(start), int(end)) for start, end in kept["waiting"])
        return PastMemory(int(kept["reached_us"]), tuple(kept["seen"]), waiting, int(kept["left_out"]))

    def to_json(self) -> JsonObject:
        """Return it as JSON, for the state."""
        return {
            "reached_us": self.reached_us,
            "seen": list(self.seen),
            "waiting": [[window.start_us, window.end_us] for window in self.waiting],
            "left_out": self.left_out,
        }

    def turn(self, wanted: Iterable[Window], *, most: int = MOST_AT_ONCE) -> tuple[tuple[Window, ...], PastMemory]:
        """Return at most ``most`` windows whose turn it is, and the memory with the others.

        Half of them are the newest of all, half those that wait longest: however many windows are touched at each
        look, none waits for ever, and what has just changed is seen at once. They take turns, so that whoever stops
        early has looked at some of both.

        >>> days = [Window(day, day + 1) for day in range(6)]
        >>> chosen, after = PastMemory(0, waiting=(days[1], days[0])).turn([days[5], days[4]], most=2)
        >>> [window.start_us for window in chosen], [window.start_us for window in after.waiting]
        ([5, 1], [0, 4])
        """
        queue = list(dict.fromkeys((*self.waiting, *wanted)))
        newest = sorted(queue, key=lambda window: -window.start_us)[: (most + 1) // 2]
        longest = [window for window in queue if window not in newest][: most - len(newest)]
        chosen = [window for pair in _paired(newest, longest) for window in pair]
        rest = [window for window in queue if window not in chosen]
        return tuple(chosen), self.with_waiting(rest)

    def with_waiting(self, waiting: Sequence[Window]) -> PastMemory:
        """Return the memory with these windows waiting, but for the oldest where they are too many."""
        too_many = max(len(waiting) - MOST_WAITING, 0)
        oldest = frozenset(sorted(waiting, key=lambda window: window.start_us)[:too_many])
        kept = tuple(window for window in waiting if window not in oldest)
        return replace(self, waiting=kept, left_out=self.left_out + too_many)


def aligned_windows(times_us: NDArray[np.int64], *, length_us: int, before_us: int) -> tuple[Window, ...]:
    """Return the windows, beginning at multiples of ``length_us`` since 1970, of the times before ``before_us``.

    >>> aligned_windows(np.array([5, 12, 19, 40]), length_us=10, before_us=30)
    (Window(start_us=0, end_us=10), Window(start_us=10, end_us=20))
    """
    earlier = np.asarray(times_us, dtype=np.int64)
    starts = np.unique(earlier[earlier < before_us] // length_us) * length_us
    return tuple(Window(start, start + length_us) for start in starts.tolist())


def _paired(first: Sequence[Window], second: Sequence[Window]) -> Iterable[tuple[Window, ...]]:
    for place in range(max(len(first), len(second))):
        yield (*first[place : place + 1], *second[place : place + 1])
