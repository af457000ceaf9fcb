"""How differently groups are answered: Fairlearn's figures, and how sure the rows make them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.measures.class_codes import class_codes
from trimtab.measures.memory import memory_of

__all__ = [
    "FAIRNESS_METRICS",
    "Disparity",
    "FairnessMetric",
    "GroupShare",
    "Rate",
    "disparity",
    "groups_of",
    "rate_shares",
]

_MOST_GROUPS = 50

Floats = NDArray[np.float64]


class Rate(StrEnum):
    """A share of a group's rows: that are answered favourably; of those that deserve it; of those that don't."""

    SELECTION = "selection_rate"
    TRUE_POSITIVE = "true_positive_rate"
    FALSE_POSITIVE = "false_positive_rate"


@dataclass(frozen=True, slots=True)
class GroupShare:
    """``hits`` among ``rows``; ``memory`` neighbouring rows in time weigh as much as one independent row."""

    hits: int
    rows: int
    memory: float = 1.0

    @property
    def value(self) -> float:
        """The share; NaN without rows."""
        return self.hits / self.rows if self.rows else math.nan

    @property
    def independent(self) -> float:
        """How many independent rows the rows weigh as much as."""
        return self.rows / self.memory


@dataclass(frozen=True, slots=True)
class FairnessMetric:
    """Largest difference, or smallest ratio, of ``rates`` between any two groups; of several rates the worst."""

    rates: tuple[Rate, ...]
    is_ratio: bool

    def exceeded(self, value: float, limit: float) -> bool:
        """Return whether ``value`` lies beyond ``limit``; NaN does not."""
        return value < limit if self.is_ratio else value > limit


_ODDS = (Rate.TRUE_POSITIVE, Rate.FALSE_POSITIVE)

FAIRNESS_METRICS: Mapping[str, FairnessMetric] = {
    "demographic_parity_difference": FairnessMetric((Rate.SELECTION,), False),
    "demographic_parity_ratio": FairnessMetric((Rate.SELECTION,), True),
    "equalized_odds_difference": FairnessMetric(_ODDS, False),
    "equalized_odds_ratio": FairnessMetric(_ODDS, True),
    "equal_opportunity_difference": FairnessMetric((Rate.TRUE_POSITIVE,), False),
    "equal_opportunity_ratio": FairnessMetric((Rate.TRUE_POSITIVE,), True),
}
"""By Fairlearn's names and definitions."""


@dataclass(frozen=True, slots=True)
class Disparity:
    """A fairness metric with its bounds, the rate that it comes from, and that rate's lowest and highest group."""

    value: float
    low: float
    high: float
    rate: Rate
    lowest: str
    highest: str


def groups_of(values: NDArray[Any], edges: Sequence[float] = ()) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the groups that a column's values make, and the group of each row, ``(n,)``.

    Each value is one; of numbers with ``edges`` it is the part between two of them. Null and NaN are ``missing``; of
    more than 50 values all but the 50 most frequent are ``others``. Names don't depend on the other rows.

    >>> names, codes = groups_of(np.array([17.0, 25.0, np.nan, 70.0]), [25, 60])
    >>> names, codes.tolist()
    (['25 to 60', '60 and more', 'below 25', 'missing'], [2, 0, 3, 1])
    """
    if edges:
        values = _between(np.asarray(values, dtype=np.float64), edges)
    distinct, codes = class_codes(_texts(values))
    names = [str(name) for name in distinct]
    if len(names) <= _MOST_GROUPS:
        return names, codes
    often = np.sort(np.argsort(-np.bincount(codes), kind="stable")[:_MOST_GROUPS])
    place = np.full(len(names), _MOST_GROUPS, dtype=np.int64)
    place[often] = np.arange(_MOST_GROUPS)
    return [*(names[kept] for kept in often), "others"], place[codes]


def rate_shares(
    names: Sequence[str],
    codes: NDArray[np.int64],
    favoured: NDArray[np.bool_],
    deserving: NDArray[np.bool_] | None,
    rates: Collection[Rate] = tuple(Rate),
) -> dict[Rate, dict[str, GroupShare]]:
    """Return each group's share by rate, of rows in time order, ``(n,)``; groups without rows have none.

    ``favoured``: answered with the favourable class. ``deserving``: it was the true one; None where that is unknown,
    which leaves the selection rate.
    """
    found: dict[Rate, dict[str, GroupShare]] = {}
    for rate in rates:
        if rate is Rate.SELECTION:
            found[rate] = _shares(names, codes, favoured)
        elif deserving is not None:
            rows = deserving if rate is Rate.TRUE_POSITIVE else ~deserving
            found[rate] = _shares(names, codes[rows], favoured[rows])
    return found


def _shares(names: Sequence[str], codes: NDArray[np.int64], hit: NDArray[np.bool_]) -> dict[str, GroupShare]:
    found = {}
    for place in np.unique(codes):
        mine = hit[codes == place].astype(np.float64)
        memory = memory_of(mine, np.zeros(len(mine), dtype=np.int64))
        found[names[place]] = GroupShare(int(mine.sum()), len(mine), memory)
    return found


def disparity(metric: FairnessMetric, shares: Mapping[Rate, Mapping[str, GroupShare]], *, alpha: float) -> Disparity:
    """Return the metric over groups, and bounds that hold together with a chance of at least 1 − ``alpha``.

    ``shares``: by rate, then by group, each with rows. Difference: max − min; ratio: min / max (1 if all are 0) [1].
    Bounds are the widest of all pairs of groups, Newcombe's from Wilson's [2] (ratios: on the logarithm [3]), each at
    1 − alpha / m for m pairs and rates, on the rows that are independent: looking for the worst pair must not find what
    chance did. Of fewer than two groups of a rate nothing is known: NaN.

    [1] Fairlearn 0.15, ``fairlearn.metrics``.
    [2] R. G. Newcombe, "Interval estimation for the difference between independent proportions", Stat. Med. 17 (1998).
    [3] G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures", Stat. Med. 27 (2008).

    >>> shares = {"women": GroupShare(30, 100), "men": GroupShare(50, 100)}
    >>> parity = FAIRNESS_METRICS["demographic_parity_difference"]
    >>> found = disparity(parity, {Rate.SELECTION: shares}, alpha=0.05)
    >>> round(found.value, 12), round(found.low, 3), round(found.high, 3), found.lowest
    (0.2, 0.064, 0.326, 'women')
    """
    if any(len(shares[rate]) < 2 for rate in metric.rates):
        return Disparity(math.nan, math.nan, math.nan, metric.rates[0], "", "")
    pairs = sum(len(shares[rate]) * (len(shares[rate]) - 1) // 2 for rate in metric.rates)
    found = [_of_rate(metric.is_ratio, rate, shares[rate], alpha / pairs) for rate in metric.rates]
    worst: Callable[..., Any] = min if metric.is_ratio else max
    chosen: Disparity = worst(found, key=lambda one: one.value)
    low, high = worst(one.low for one in found), worst(one.high for one in found)
    return Disparity(chosen.value, low, high, chosen.rate, chosen.lowest, chosen.highest)


def _of_rate(is_ratio: bool, rate: Rate, shares: Mapping[str, GroupShare], alpha: float) -> Disparity:
    names = sorted(shares)
    value = np.array([shares[name].value for name in names])
    low, high = _wilson(value, np.array([shares[name].independent for name in names]), alpha)
    lowest, highest = int(value.argmin()), int(value.argmax())
    if is_ratio:
        found = float(value[lowest] / value[highest]) if value[highest] > 0 else 1.0
        below, above = _ratio_bounds(value, low, high)
    else:
        found = float(value[highest] - value[lowest])
        below, above = _difference_bounds(value, low, high)
    return Disparity(found, below, above, rate, names[lowest], names[highest])


def _wilson(value: Floats, rows: Floats, alpha: float) -> tuple[Floats, Floats]:
    z = NormalDist().inv_cdf(1 - alpha / 2)
    middle = (value + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(value * (1 - value) / rows + z * z / (4 * rows * rows))
    return np.clip(middle - half, 0.0, value), np.clip(middle + half, value, 1.0)


def _difference_bounds(value: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Return bounds of the largest of all differences between two groups."""
    gap = value[:, None] - value[None, :]
    below = gap - np.hypot((value - low)[:, None], (high - value)[None, :])
    above = gap + np.hypot((high - value)[:, None], (value - low)[None, :])
    return max(float(below.max()), 0.0), min(float(above.max()), 1.0)


def _ratio_bounds(value: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Return bounds of the smallest of all ratios of two groups."""
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = np.log(value) - np.log(low), np.log(high) - np.log(value)
        ratio = np.log(value)[:, None] - np.log(value)[None, :]
        below = np.exp(ratio - np.hypot(down[:, None], up[None, :]))
        above = np.exp(ratio + np.hypot(up[:, None], down[None, :]))
        # Where a share is 0 its logarithm says nothing: then the bounds of both, which is wider.
        below = np.where(np.isfinite(below), below, low[:, None] / high[None, :])
        above = np.where(np.isfinite(above), above, high[:, None] / low[None, :])
    apart = ~np.eye(len(value), dtype=bool)
    return min(float(np.nanmin(below[apart])), 1.0), min(float(np.nanmin(above[apart])), 1.0)


def _between(values: Floats, edges: Sequence[float]) -> NDArray[Any]:
    ends = [f"{edge:g}" for edge in edges]
    names = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(ends)), f"{ends[-1]} and more"]
    found = np.array(names)[np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")]
    return np.where(np.isnan(values), "missing", found)


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Return names that do not hang on the column's type: 1 and 1.0 are one group, True and 'true' another."""
    kind = values.dtype.kind
    if kind == "U":
        return values
    distinct, codes = np.unique(values, return_inverse=True) if kind != "O" else _distinct_objects(values)
    return np.array([_name(value) for value in distinct], dtype=np.str_)[codes] if len(distinct) else values.astype("U")


def _distinct_objects(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    # By type too: True equals 1, and would take its place.
    places: dict[tuple[type, Any], int] = {}
    codes = np.array([places.setdefault((type(one), one), len(places)) for one in values], dtype=np.int64)
    return [value for _, value in places], codes


def _name(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return "missing"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)
