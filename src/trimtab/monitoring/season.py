"""What a numeric column of the reference was like at the time of the year, and of the day, that is looked at."""

from __future__ import annotations

import numpy as np

from trimtab.monitoring.check import Window
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.reference import Reference
from trimtab.profiles.slots import time_slots

__all__ = ["in_season"]

_MIN_ROWS = 100


def in_season(reference: Reference, name: str, window: Window) -> NumberProfile | None:
    """Return the column's values in rows that `time_slots` holds such a window against, to within 1/127 of its ranks.

    None when that are all of them, fewer than 100, or the reference keeps no rows with times.
    """
    coded = reference.coded
    ruler = None if coded is None else coded.rulers.get(name)
    if coded is None or coded.time_us is None or ruler is None or ruler.edges is None or not len(ruler.edges):
        return None
    member = time_slots(coded, start_us=window.start_us, end_us=window.end_us).slot >= 0
    codes = coded.codes[name]
    kept = codes[member & (codes < ruler.cells)]
    if member.all() or len(kept) < _MIN_ROWS:
        return None
    edges = np.r_[ruler.edges[0], ruler.edges, ruler.edges[-1]]
    return NumberProfile.of(((edges[:-1] + edges[1:]) / 2)[kept])
