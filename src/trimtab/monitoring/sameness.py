"""How much of a numeric column is one value, and how much of it ever was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.monitoring.check import Window
from trimtab.profiles.coded_rows import CodedRows
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.reference import Reference

__all__ = ["greatest_share", "most_frequent"]


def most_frequent(profile: NumberProfile) -> tuple[float, float]:
    """Return the value that occurs most often among the column's, at least one, and its share."""
    values, weights = profile.points()
    distinct, place = np.unique(values, return_inverse=True)
    totals = np.bincount(place, weights=weights)
    return float(distinct[np.argmax(totals)]), float(totals.max() / totals.sum())


def greatest_share(reference: Reference, name: str, window: Window, *, rows: int) -> float | None:
    """Return the greatest share that values of one cell had in any window of the reference that is as long.

    Windows follow each other; without times they have as many ``rows``. Those with less than half the usual number of
    values are left out. A cell of a numeric column holds one value or neighbouring ones, so its share is no smaller
    than that of one value. None when the reference holds no values of the column.
    """
    coded = reference.coded
    if coded is None or name not in coded.codes:
        return None
    codes, cells = coded.codes[name].astype(np.int64), coded.rulers[name].cells
    present = codes < cells
    found, counts = np.unique(_slots(coded, window, rows)[present] * cells + codes[present], return_counts=True)
    if not len(found):
        return None
    starts = np.flatnonzero(np.r_[True, np.diff(found // cells) > 0])
    totals, most = np.add.reduceat(counts, starts), np.maximum.reduceat(counts, starts)
    held = totals >= np.median(totals) / 2
    return float((most[held] / totals[held]).max())


def _slots(coded: CodedRows, window: Window, rows: int) -> NDArray[np.int64]:
    """Return which window each row of the reference lies in, ``(n,)``."""
    if coded.time_us is not None:
        slots = (coded.time_us - coded.time_us[0]) // max(window.end_us - window.start_us, 1)
    else:
        slots = np.arange(coded.rows) // max(1, round(rows / coded.thinning))
    return np.asarray(slots, dtype=np.int64)
