"""Whether any of many columns moved farther than chance moves one of them, and which ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.measures.tail import tail_share

__all__ = ["MaxT", "benjamini_yekutieli", "max_t"]


@dataclass(frozen=True, slots=True, eq=False)
class MaxT:
    """``p_window``: that the greatest of all columns is so great by chance; ``greatest``: which one it is.

    ``p_columns`` ``(c,)`` are adjusted for there being many (step-down), ``p_single`` ``(c,)`` each column's own;
    1 where a column was not measured. ``usual`` ``(c,)`` are the distances that a window without a change exceeds, in
    any column, with a chance of about ``alpha``. ``beyond`` ``(c,)``: farther out than any window was in any column.
    """

    p_window: float
    p_columns: NDArray[np.float64]
    p_single: NDArray[np.float64]
    usual: NDArray[np.float64]
    greatest: int
    beyond: NDArray[np.bool_]


def max_t(
    observed: NDArray[Any],
    null: NDArray[Any],
    *,
    independent: float,
    alpha: float = 0.05,
    widening: float = 1.0,
    least_spread: NDArray[Any] | float = 0.0,
) -> MaxT:
    """Compare distances ``(c,)`` with those of ``w`` windows without a change, ``(w, c)``, jointly.

    Each column is centred and scaled by its own mean and standard deviation over the null (at least
    ``least_spread``), the observed score divided by ``widening``; the statistic is the greatest score, so that columns
    that move together count once, and the chance of *any* false finding is what is told. Columns are named by
    step-down [1]: the greatest is compared with the greatest of all, the next with that of the rest, adjusted values
    never falling. NaN in ``observed`` leaves a column out; NaN in ``null`` counts as its mean. ``independent``: see
    `tail_share`.

    [1] P. H. Westfall, S. S. Young, "Resampling-based multiple testing", Wiley (1993), algorithm 2.8.

    Raises:
        ValueError: there is no column, no window, or their numbers differ.

    >>> rng = np.random.default_rng(0)
    >>> found = max_t(np.array([0.1, 9.0]), np.abs(rng.normal(size=(400, 2))), independent=400)
    >>> found.greatest, found.p_window < 1e-3, bool(found.p_columns[0] > 0.3)
    (1, True, True)
    """
    if null.ndim != 2 or not null.size or observed.shape != null.shape[1:]:
        raise ValueError(f"{observed.shape} distances and a null of {null.shape}; expected (c,) and (w, c), not empty")
    spread = np.maximum(_of_columns(np.nanstd, null), np.maximum(least_spread, 1e-12))
    middle = _of_columns(np.nanmean, null)
    scores = (np.asarray(observed, dtype=np.float64) - middle) / spread / widening
    usual = np.nan_to_num((null - middle) / spread, nan=0.0)
    asked = np.where(np.isnan(scores), -math.inf, scores)
    order = np.argsort(-asked, kind="stable")
    # greatest[:, i]: the greatest score of the columns that are left at step i.
    greatest = np.maximum.accumulate(usual[:, order[::-1]], axis=1)[:, ::-1]
    adjusted, single = np.ones(len(order)), np.ones(len(order))
    highest = 0.0
    for place, column in enumerate(order):
        if math.isinf(asked[column]):
            break
        value = asked[column : column + 1]
        single[column] = float(tail_share(value, usual[:, column], independent=independent)[0])
        joint = float(tail_share(value, greatest[:, place], independent=independent)[0])
        # In the tail, two fits may contradict each other: the humbler one is told.
        highest = max(highest, joint, float(single[column]))
        adjusted[column] = highest
    reached = float(np.quantile(usual.max(axis=1), 1 - alpha))
    limits = middle + spread * widening * reached
    return MaxT(float(adjusted[order[0]]), adjusted, single, limits, int(order[0]), asked > usual.max())


def benjamini_yekutieli(p: NDArray[Any], alpha: float) -> NDArray[np.bool_]:
    """Return which of the p-values ``(c,)`` are found at a false discovery rate of ``alpha``, under any dependence [1].

    The i-th smallest is held against ``α i / (c · Σ 1/j)``. Empty in, empty out.

    [1] Y. Benjamini, D. Yekutieli, "The control of the false discovery rate in multiple testing under dependency",
    Annals of Statistics 29 (2001).

    >>> benjamini_yekutieli(np.array([0.001, 0.6, 0.02]), 0.05).tolist()
    [True, False, False]
    """
    count = len(p)
    order = np.argsort(p, kind="stable")
    limits = alpha * np.arange(1, count + 1) / (count * (1 / np.arange(1, count + 1)).sum()) if count else np.ones(0)
    passed = np.flatnonzero(np.asarray(p)[order] <= limits)
    found = np.zeros(count, dtype=np.bool_)
    if len(passed):
        found[order[: passed[-1] + 1]] = True
    return found


def _of_columns(measure: Any, null: NDArray[Any]) -> NDArray[np.float64]:
    """Return a NaN-ignoring measure of each column; 0 for one without any number."""
    held = np.isfinite(null).any(axis=0)
    found = np.zeros(null.shape[1])
    if held.any():
        found[held] = measure(null[:, held], axis=0)
    return found
