"""How rare a value is among windows that were seen, also where fewer were seen than would show it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOOR", "tail_share"]

FLOOR = 1e-9
"""The smallest share that is ever claimed, however far beyond all that was seen a value lies."""

_FEWEST_EXCESSES = 5.0
_TAIL_PART = 0.25


def tail_share(values: NDArray[Any], seen: NDArray[Any], *, independent: float) -> NDArray[np.float64]:
    """Return the share of windows that reach each of ``values`` ``(m,)`` by chance, as far as ``seen`` can tell.

    ``seen`` ``(w,)`` are the same statistic of ``w`` windows without a change, worth ``independent`` ones (windows that
    overlap, or repeat each other, are worth fewer). In the body it is the count ``(1 + i #{seen ≥ v} / w) / (i + 1)``
    with ``i = min(independent, w)``. Beyond u, which ``k = max(5, min(i/4, 2 √i))`` of i exceed, excesses are taken for
    exponential, and their mean s for measured on k of them: ``(k + 1)/(i + 1) (1 + (v − u)/(k s))^−k``, the predictive
    share [1], which is exact for k independent exponential excesses, and humble where k is small. Never below
    `FLOOR`; NaN counts as never seen to differ: 1.

    [1] J. F. Lawless, "Prediction intervals for the two parameter exponential distribution", Technometrics 19 (1977).

    Raises:
        ValueError: nothing was seen, or ``independent`` is below 1.

    >>> seen = np.arange(100.0)
    >>> tail_share(np.array([50.0, 99.0, 1000.0]), seen, independent=100).round(3).tolist()
    [0.505, 0.02, 0.0]
    """
    total = len(seen)
    if not total or independent < 1:
        raise ValueError(f"{total} windows worth {independent:g} independent ones; expected at least 1 of both")
    worth = min(float(independent), float(total))
    ordered = np.sort(np.asarray(seen, dtype=np.float64))
    asked = np.asarray(values, dtype=np.float64)
    reached = total - np.searchsorted(ordered, asked, side="left")
    body = np.minimum((1 + worth * reached / total) / (worth + 1), 1.0)  # rounding may lift it above 1
    # No more than 2 √i: nearer to the middle no tail is exponential.
    excesses = min(max(_FEWEST_EXCESSES, min(worth * _TAIL_PART, 2 * math.sqrt(worth))), worth)
    above = min(max(round(excesses / worth * total), 1), total - 1)
    limit = float(ordered[total - above - 1])
    mean = float(ordered[total - above :].mean() - limit) if above else 0.0
    # Without spread among the seen (all equal) nothing is known of a tail: the count alone speaks.
    if mean <= 0:
        return np.where(np.isnan(asked), 1.0, np.maximum(body, FLOOR))
    over = np.maximum(asked - limit, 0.0) / (excesses * mean)
    tail = (excesses + 1) / (worth + 1) * np.exp(-excesses * np.log1p(over))
    found = np.where(asked > limit, np.minimum(tail, body), body)
    return np.where(np.isnan(asked), 1.0, np.maximum(found, FLOOR))
