"""Windows that are over, and are looked at again: their outcomes came late, twice, or were corrected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.monitoring.check import Window

__all__ = ["LooksBack", "PastQuestion", "aligned_windows", "windows_from"]

MOST_AT_ONCE = 26
"""So many past windows are looked at in one look; more wait for the next one."""


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
    """A monitor that looks at past windows again. Its state holds ``reached_us`` of the `PastLabels` it was given."""

    def past_windows(self, question: PastQuestion) -> tuple[Window, ...]:
        """Return the windows whose labelled rows it wants now, those that matter most first. Pure."""


def aligned_windows(times_us: NDArray[np.int64], *, length_us: int, before_us: int) -> tuple[Window, ...]:
    """Return the windows, beginning at multiples of ``length_us`` since 1970, of the times before ``before_us``.

    >>> aligned_windows(np.array([5, 12, 19, 40]), length_us=10, before_us=30)
    (Window(start_us=0, end_us=10), Window(start_us=10, end_us=20))
    """
    earlier = np.asarray(times_us, dtype=np.int64)
    starts = np.unique(earlier[earlier < before_us] // length_us) * length_us
    return tuple(Window(start, start + length_us) for start in starts.tolist())


def windows_from(content: Iterable[Any]) -> tuple[Window, ...]:
    """Return the windows that a state keeps as pairs of start and end."""
    return tuple(Window(int(start), int(end)) for start, end in content)
