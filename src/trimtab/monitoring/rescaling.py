"""Whether a numeric column was rescaled or shifted: does its reference, transformed, look like it?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.measures.distances import ks_critical, ks_of_steps
from trimtab.monitoring.cause import CauseKind
from trimtab.monitoring.units import CONVERSIONS, Conversion, conversions_from
from trimtab.profiles.numbers import NumberProfile

__all__ = ["Rescaling", "name_rescaling"]

_QUANTILES = np.arange(1, 20) / 20
_MIN_ROWS = 10
_ALPHA = 0.001
_ROUNDING = 0.005
_POWER_PENALTY = 0.05
_LOOSE_FIT = 0.1
_MIN_OUTSIDE_SHARE = 0.15
_BLIND_FACTOR = 5.0
_BLIND_DISTANCE = 0.95
_NEAR_FACTOR = math.log(1.02)
_OWN_FACTOR = math.log(1.1)
_IQR_OF_NORMAL = 1.349
_MEDIAN_ERROR = 1.2533


@dataclass(frozen=True, slots=True)
class Rescaling:
    """What turned the reference into what is seen now."""

    kind: CauseKind
    factor: float | None
    known_unit: str | None
    explanation: str
    evidence: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Points:
    """A weighted sample, ascending."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def total(self) -> float:
        return float(self.weights.sum())

    def kept(self, mask: NDArray[np.bool_]) -> _Points:
        return _Points(self.values[mask], self.weights[mask])

    def quantiles(self) -> NDArray[np.float64]:
        ranks = np.cumsum(self.weights) / self.total
        return self.values[np.minimum(np.searchsorted(ranks, _QUANTILES), len(self.values) - 1)]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A transformation of the reference, and how far its result lies from what is seen."""

    conversion: Conversion
    distance: float


def name_rescaling(current: NumberProfile, before: NumberProfile, *, unit: str | None, memory: float) -> Rescaling:
    """Return how ``current`` came out of ``before``: by a change of unit, by a shift, or in no way known here.

    A transformation is accepted when the reference, transformed, is as close to what is seen as two samples of one
    distribution are (KS at 0.1 %, or 0.1), and at most half as far as without it. Known conversions of ``unit`` are
    tried first, on all values, then on those outside the reference's range alone (one of several senders changed). A
    constant factor that no table knows is called a unit change only when it is at least 5 and the values overlap by no
    more than 5 %: a smaller one may be growth. A known factor has to be the one that fits best, but for 2 % (10 % for
    conversions of the declared unit itself) or what so few rows leave open. Where no unit was declared, none is named.
    """
    now, then = _Points(*current.points()), _Points(*before.points())
    distance = ks_of_steps(now.values, now.weights, then.values, then.weights)
    evidence: JsonObject = {
        "distance": distance,
        "median": current.quantile(0.5),
        "reference_median": before.quantile(0.5),
    }
    if current.count < _MIN_ROWS:
        return Rescaling(
            CauseKind.UNKNOWN, None, None, f"moved, with too few rows ({current.count}) to say how", evidence
        )
    named = _known(now, then, unit, distance, memory) or _known_outside(now, then, unit, memory)
    if named is not None:
        fit, share = named
        known = fit.conversion
        label, told = known.label, f"unit changed, {known.label}"
        if unit is None:
            label, told = "a known conversion", f"values {known.change}, as a known change of unit does"
        return Rescaling(
            CauseKind.UNIT_CHANGE,
            known.factor,
            label,
            f"{told}{_of_rows(share)}",
            {**evidence, "distance_after": fit.distance, "share": share},
        )
    return _unnamed(now, then, distance, memory, evidence)


def _of_rows(share: float) -> str:
    return "" if share == 1.0 else f" in {share:.0%} of rows"


def _known(now: _Points, then: _Points, unit: str | None, distance: float, memory: float) -> tuple[_Fit, float] | None:
    fits = [_Fit(known, _distance(now, then, known)) for known in conversions_from(unit)]
    best = min(fits, key=_doubt)
    limit = _limit(now, then, distance, memory)
    if unit is None and best.conversion.offset and _is_simpler(now, then, limit):
        # Of large numbers × 1.8 + 32 is nearly × 1.8: growth.
        return None
    fits_well = best.distance <= limit
    return (best, 1.0) if fits_well and _factor_fits(best.conversion, now, then, unit, memory) else None


def _is_simpler(now: _Points, then: _Points, limit: float) -> bool:
    """Return whether a factor or an offset alone tells what happened."""
    scaled = _scaling(now, then)
    return (scaled is not None and scaled.distance <= limit) or _shifting(now, then).distance <= limit


def _factor_fits(known: Conversion, now: _Points, then: _Points, unit: str | None, memory: float) -> bool:
    """Return whether no other factor is clearly better: shapes alone cannot tell times 10 from times 12.

    The factor that is left once the conversion is undone is near 1, but for its own standard error (of a difference
    of two medians of logarithms), twice.
    """
    left = _scaling(_Points(*_ascending(known.undo(now.values), now.weights)), then)
    if left is None:
        return True  # about zero, as temperatures are, no factor can be told
    sizes = np.abs(then.quantiles())
    spread = float(np.subtract(*np.quantile(np.log(sizes[sizes > 0]), [0.75, 0.25]))) / _IQR_OF_NORMAL
    error = _MEDIAN_ERROR * spread * math.sqrt(memory * (1 / now.total + 1 / then.total))
    own = unit is not None and known in CONVERSIONS
    return abs(math.log(left.conversion.factor)) <= max(_OWN_FACTOR if own else _NEAR_FACTOR, 2 * error)


def _ascending(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    order = np.argsort(values, kind="stable")
    return values[order], weights[order]


def _doubt(fit: _Fit) -> float:
    """Return the fit's distance, slightly more for a mere power of ten: a conversion of the unit is likelier."""
    return fit.distance + (0.0 if fit.conversion in CONVERSIONS else _POWER_PENALTY)


def _known_outside(now: _Points, then: _Points, unit: str | None, memory: float) -> tuple[_Fit, float] | None:
    low, high = float(then.values[0]), float(then.values[-1])
    strange = now.kept((now.values < low) | (now.values > high))
    share = strange.total / now.total
    if strange.total < _MIN_ROWS or share < _MIN_OUTSIDE_SHARE:
        return None
    found: list[_Fit] = []
    for known in conversions_from(unit):
        if unit is None and known.offset:
            continue  # of a part of the rows alone, factor and offset together fit too much
        moved = known.apply(then.values)
        outside = then.kept((moved < low) | (moved > high))
        if outside.total >= then.total / 2:
            found.append(_Fit(known, _distance(strange, outside, known)))
    best = min(found, key=_doubt, default=None)
    if best is None or best.distance > _limit(strange, then, 1.0, memory):
        return None
    moved = best.conversion.apply(then.values)
    outside = then.kept((moved < low) | (moved > high))
    return (best, share) if _factor_fits(best.conversion, strange, outside, unit, memory) else None


def _scaled_outside(now: _Points, then: _Points, memory: float) -> tuple[_Fit, float] | None:
    """Return the factor, 5 or more either way, of the values outside the reference's range, and their share."""
    low, high = float(then.values[0]), float(then.values[-1])
    strange = now.kept((now.values < low) | (now.values > high))
    share, outside, best = strange.total / now.total, then, None
    if strange.total < _MIN_ROWS or share < _MIN_OUTSIDE_SHARE:
        return None
    for _turn in range(2):  # which values a factor takes outside is known only once there is one
        best = _scaling(strange, outside)
        if best is None or abs(math.log(best.conversion.factor)) < math.log(_BLIND_FACTOR):
            return None
        moved = best.conversion.apply(then.values)
        outside = then.kept((moved < low) | (moved > high))
        if outside.total < then.total / 2:
            return None
    assert best is not None
    return (best, share) if best.distance <= _limit(strange, then, 1.0, memory) else None


def _unnamed(now: _Points, then: _Points, distance: float, memory: float, evidence: JsonObject) -> Rescaling:
    limit = _limit(now, then, distance, memory)
    scaled, shifted = _scaling(now, then), _shifting(now, then)
    moved = f"median {evidence['median']:.4g}, {evidence['reference_median']:.4g} in the reference"
    if scaled is not None and scaled.distance <= min(limit, shifted.distance):
        factor = scaled.conversion.factor
        strange = abs(math.log(factor)) >= math.log(_BLIND_FACTOR) and distance >= _BLIND_DISTANCE
        return Rescaling(
            CauseKind.UNIT_CHANGE if strange else CauseKind.SHIFT,
            factor,
            None,
            f"values multiplied by about {factor:.3g}, their shape kept ({moved})",
            {**evidence, "distance_after": scaled.distance},
        )
    some = _scaled_outside(now, then, memory)
    if some is not None:
        fit, share = some
        factor = fit.conversion.factor
        return Rescaling(
            CauseKind.UNIT_CHANGE,
            factor,
            None,
            f"values multiplied by about {factor:.3g}{_of_rows(share)}",
            {**evidence, "distance_after": fit.distance, "share": share},
        )
    if shifted.distance <= limit:
        offset = shifted.conversion.offset
        text = f"values moved by {offset:+.4g}, their shape kept ({moved})"
        return Rescaling(
            CauseKind.SHIFT, None, None, text, {**evidence, "distance_after": shifted.distance, "offset": offset}
        )
    quantiles = then.quantiles()
    if abs(float(np.mean(now.quantiles() - quantiles))) > (quantiles[14] - quantiles[4]) / 4:
        return Rescaling(CauseKind.SHIFT, None, None, f"values moved and changed their shape ({moved})", evidence)
    return Rescaling(CauseKind.UNKNOWN, None, None, f"distribution changed ({moved})", evidence)


def _scaling(now: _Points, then: _Points) -> _Fit | None:
    """Return the factor that quantiles agree on most, or None when they have no common sign."""
    after, before = now.quantiles(), then.quantiles()
    usable = (after * before) > 0
    if usable.mean() < 0.8:
        return None
    factor = float(np.exp(np.median(np.log(after[usable] / before[usable]))))
    scaling = Conversion("", "", factor)
    return _Fit(scaling, _distance(now, then, scaling))


def _shifting(now: _Points, then: _Points) -> _Fit:
    shift = Conversion("", "", 1.0, float(np.median(now.quantiles() - then.quantiles())))
    return _Fit(shift, _distance(now, then, shift))


def _distance(now: _Points, then: _Points, conversion: Conversion) -> float:
    return ks_of_steps(_snapped(conversion.undo(now.values), then.values), now.weights, then.values, then.weights)


def _snapped(values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move values that lie within 0.5 % of one on the ``grid`` onto it: senders round after converting.

    Without it, many rows with one value (120 mmHg) would lie just beside themselves, and count as distance.
    """
    right = np.clip(np.searchsorted(grid, values), 1, len(grid) - 1) if len(grid) > 1 else np.zeros(len(values), int)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(grid[left] - values) <= np.abs(grid[right] - values), grid[left], grid[right])
    return np.where(np.abs(nearest - values) <= _ROUNDING * np.abs(nearest), nearest, values)


def _limit(now: _Points, then: _Points, distance: float, memory: float) -> float:
    return min(distance / 2, max(_LOOSE_FIT, ks_critical(now.total / memory, then.total / memory, _ALPHA)))
