"""How the reference is cut into windows that are like the one that is judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.profiles.coded_rows import CodedRows

__all__ = ["DAY_US", "Slots", "fitting_length_us", "row_slots", "time_slots"]

DAY_US = 86_400_000_000
_YEAR_DAYS = 365.2425
_STEPS = 8
_MOST = 2048
_FEWEST_WINDOWS = 20
_WANTED_WINDOWS = 26
_SEASONS_SPAN_US = 548 * DAY_US
_SEASON_DAYS = 45


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """Window i of the reference consists of the rows in slots i … i + ``width`` − 1.

    ``slot`` ``(n,)`` numbers the slot of each row from 0, −1 where a row belongs to none: another hour of the day,
    another season. Windows overlap where ``width`` is above 1.
    """

    slot: NDArray[np.int64]
    count: int
    width: int

    @property
    def digest(self) -> tuple[bytes, int, int]:
        """Which rows lie in which windows: equal where those are."""
        return hashlib.blake2b(self.slot.tobytes(), digest_size=16).digest(), self.count, self.width

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return max(self.count - self.width + 1, 0)


def fitting_length_us(coded: CodedRows, length_us: int) -> int:
    """Return the longest window, at most ``length_us``, of which the reference holds enough to say what is usual.

    A reference with fewer than 20 windows one after the other says too little; then it is a 26th of its span, in
    whole days or hours. Without times: ``length_us``.

    >>> times = np.arange(100) * DAY_US
    >>> coded = CodedRows(times, {}, {})
    >>> fitting_length_us(coded, 28 * DAY_US) // DAY_US
    3
    """
    span = coded.span_us
    if span is None or span >= _FEWEST_WINDOWS * length_us:
        return length_us
    wanted = span // _WANTED_WINDOWS
    for unit in (DAY_US, DAY_US // 24):
        if wanted >= unit:
            return min(length_us, wanted // unit * unit)
    return min(length_us, max(wanted, 1))


def time_slots(coded: CodedRows, *, start_us: int, end_us: int) -> Slots:
    """Return the windows of a reference with times that are as long as ``start_us`` … ``end_us``.

    Windows of a day or more begin an eighth of their length apart. Shorter ones begin once a day, at the same time of
    day as the one that is judged: a night is held against nights. When the reference spans 18 months or more, only
    what lies within 45 days of the judged window's time of year counts.
    """
    assert coded.time_us is not None
    times, length = coded.time_us, end_us - start_us
    if length < DAY_US:
        slot, inside, width = (times - start_us) // DAY_US, (times - start_us) % DAY_US < length, 1
    else:
        width = _steps_for(int(times[-1] - times[0]) / length)
        slot, inside = ((times - times[0]) * width) // length, np.ones(len(times), dtype=np.bool_)
    if int(times[-1] - times[0]) >= _SEASONS_SPAN_US:
        inside &= _in_season(times, (start_us + end_us) // 2)
    return _numbered(slot, inside, width)


def row_slots(rows: int, length: float) -> Slots:
    """Return the windows of ``length`` contiguous rows, among ``rows`` without times; at least eight rows each."""
    length = max(length, float(_STEPS))
    width = _steps_for(rows / length)
    slot = (np.arange(rows) * width / length).astype(np.int64)
    return _numbered(slot, np.ones(rows, dtype=np.bool_), width)


def _steps_for(windows: float) -> int:
    """Return in how many steps windows follow each other, so that there are not more than can be counted quickly."""
    return next((steps for steps in (_STEPS, 4, 2) if windows * steps <= _MOST), 1)


def _numbered(slot: NDArray[np.int64], inside: NDArray[np.bool_], width: int) -> Slots:
    if not inside.any():
        return Slots(np.full(len(slot), -1), 0, width)
    last = int(slot[inside].max())
    first = max(int(slot[inside].min()), last - _MOST + 1)  # of more, the latest
    numbered = np.where(inside & (slot >= first), slot - first, -1)
    return Slots(numbered.astype(np.int64), last - first + 1, width)


def _in_season(times: NDArray[np.int64], middle_us: int) -> NDArray[np.bool_]:
    year = int(_YEAR_DAYS * DAY_US)
    # A season is not known to the hour: looks of one day share what they are held against.
    apart = (times - middle_us // DAY_US * DAY_US - DAY_US // 2) % year
    return np.asarray(np.minimum(apart, year - apart) <= _SEASON_DAYS * DAY_US)
