"""Names simple causes of drift from profiles alone: unit change, shift, swap, stuck value, nulls, new category."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.core.clock import from_micros
from trimtab.core.enums import ColumnKind
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.change_point import changed_periods
from trimtab.monitoring.divergence import diverge
from trimtab.monitoring.rescaling import name_rescaling
from trimtab.monitoring.sameness import greatest_share, most_frequent
from trimtab.monitoring.season import in_season
from trimtab.monitoring.swapping import swapped_with
from trimtab.monitoring.window import WindowData
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile, merge_columns

__all__ = ["name_causes", "unknown_share"]

_MIN_ROWS = 10
_MIN_EFFECT = 0.1
_MISSING_EXCESS = 0.05
_NEW_SHARE = 0.02
_STUCK_SHARE = 0.9
_OUTSIDE_SHARE = 0.05
_ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class _Part:
    """The column in one period."""

    start_us: int
    end_us: int
    column: ColumnProfile


@dataclass(frozen=True, slots=True)
class _Extent:
    """The part of the window that is affected, and its column."""

    since_us: int | None
    until_us: int | None
    row_share: float
    column: ColumnProfile

    @property
    def when(self) -> str:
        if self.since_us is None and self.until_us is None:
            return "in the whole window"
        since = "the window's start" if self.since_us is None else from_micros(self.since_us).isoformat()
        until = "" if self.until_us is None else f" until {from_micros(self.until_us).isoformat()}"
        return f"since {since}{until}"


def name_causes(data: WindowData, columns: Sequence[str] | None = None) -> tuple[Cause, ...]:
    """Return what befell each of ``columns``, one cause a column.

    Without ``columns``: of every feature that lies visibly off its reference. A column that moved in no way that is
    known here gets `CauseKind.UNKNOWN`. Columns without a reference or without rows get none. Pure.
    """
    names = [name for name in data.columns if _is_off(data, name)] if columns is None else columns
    causes = (_cause(data, name) for name in names)
    return tuple(cause for cause in causes if cause is not None)


def _is_off(data: WindowData, name: str) -> bool:
    current, before = data.current.columns.get(name), data.reference.merged.columns.get(name)
    if current is None or before is None:
        return False
    if _missing_share(current) - _missing_share(before) > _MISSING_EXCESS:
        return True
    if data.columns[name].type is ColumnKind.DATETIME:
        return False  # moments move on by themselves
    found = diverge(name, current, data.reference, method="ks", alpha=_ALPHA)
    return found is not None and found.value > found.threshold(_MIN_EFFECT)


def _cause(data: WindowData, name: str) -> Cause | None:
    current, before = data.current.columns.get(name), data.reference.merged.columns.get(name)
    if current is None or before is None or type(current) is not type(before) or not current.rows:
        return None
    missing = _missing_share(current)
    if missing - _missing_share(before) > _MISSING_EXCESS:
        return _nulls(data, name, missing, _missing_share(before))
    if not current.count or not before.count:
        return None
    if isinstance(before, CategoryProfile):
        return _of_categories(data, name, before)
    assert isinstance(before, NumberProfile)
    return _of_numbers(data, name, before)


def _nulls(data: WindowData, name: str, missing: float, usual: float) -> Cause:
    parts = _parts(data, name)
    shares = np.array([_missing_share(part.column) for part in parts])
    sizes = np.array([float(part.column.rows) for part in parts])
    extent = _extent(parts, sizes, shares, usual, math.sqrt(missing * (1 - missing)))
    share = _missing_share(extent.column)
    return _told(
        CauseKind.NULLS,
        name,
        extent,
        f"{name}: {share:.0%} of values are missing {extent.when}, {usual:.0%} in the reference",
        {"missing_share": share, "reference_missing_share": usual},
    )


def _of_categories(data: WindowData, name: str, before: CategoryProfile) -> Cause:
    known = _known_categories(data.columns.get(name), before)
    parts = _parts(data, name)
    sizes = np.array([float(part.column.count) for part in parts])
    shares = np.array([unknown_share(part.column, known) for part in parts])
    total = float(np.nansum(sizes * np.nan_to_num(shares)) / max(sizes.sum(), 1.0))
    if before.error == 0 and total >= _NEW_SHARE:
        extent = _extent(parts, sizes, shares, 0.0, math.sqrt(total * (1 - total)))
        swapped = _swapped(data, name, extent)
        if swapped is not None:
            return swapped
        counts = extent.column.counts if isinstance(extent.column, CategoryProfile) else {}
        new = sorted((value for value in counts if value not in known), key=lambda value: -counts[value])[:10]
        share = unknown_share(extent.column, known)
        text = f"{name}: {share:.0%} of values are new {extent.when}: {', '.join(map(repr, new[:3])) or 'very many'}"
        return _told(CauseKind.NEW_CATEGORY, name, extent, text, {"new": new, "share": share})
    current = data.current.columns[name]
    assert isinstance(current, CategoryProfile)
    moved = {
        value: current.counts.get(value, 0) / current.count - n / before.count for value, n in before.counts.items()
    }
    value = max(moved, key=lambda key: abs(moved[key]))
    shares = np.array([_share_of_category(part.column, value) for part in parts])
    usual = before.counts[value] / before.count
    extent = _extent(parts, sizes, shares, usual, math.sqrt(usual * (1 - usual)) or 0.1)
    swapped = _swapped(data, name, extent)
    if swapped is not None:
        return swapped
    text = f"{name}: the share of {value!r} moved by {moved[value]:+.0%} {extent.when}"
    return _told(
        CauseKind.SHIFT, name, extent, text, {"value": value, "change": moved[value], "reference_share": usual}
    )


def _of_numbers(data: WindowData, name: str, before: NumberProfile) -> Cause:
    memory = data.reference.chance(name).memory
    before = in_season(data.reference, name, data.window) or before
    extent = _extent_of_numbers(data, name, before, memory)
    found = _swapped(data, name, extent) or _stuck(data, name, before)
    if found is not None:
        return found
    assert isinstance(extent.column, NumberProfile)
    contract = data.columns.get(name)
    scaled = name_rescaling(extent.column, before, unit=contract.unit if contract else None, memory=memory)
    return _told(
        scaled.kind,
        name,
        extent,
        f"{name}: {scaled.explanation} {extent.when}",
        scaled.evidence,
        factor=scaled.factor,
        known_unit=scaled.known_unit,
    )


def _extent_of_numbers(data: WindowData, name: str, before: NumberProfile, memory: float) -> _Extent:
    """Return since when values lie outside the reference's range; else, since when their ranks among its values moved.

    The first tells the moment sharply where it can be seen at all; the second sees any move of location.
    """
    parts = _parts(data, name)
    sizes = np.array([float(part.column.count) for part in parts])
    shares = np.array([_outside_share(part.column, before) for part in parts])
    outside = float(np.nansum(sizes * np.nan_to_num(shares)) / sizes.sum())
    if outside >= _OUTSIDE_SHARE:
        spread = math.sqrt(memory * outside * (1 - outside))
        extent = _extent(parts, sizes, shares, 0.0, spread)
        if extent.row_share < 1.0:
            return extent
    values, weights = before.points()
    ranks = np.array([_mean_rank(part.column, values, weights) for part in parts])
    # A rank in 0..1 has a standard deviation of at most 1/√12; rows that are alike make means vary more.
    return _extent(parts, sizes, ranks, 0.5, math.sqrt(memory / 12))


def _swapped(data: WindowData, name: str, extent: _Extent) -> Cause | None:
    found = swapped_with(data, name, extent.column, since_us=extent.since_us, until_us=extent.until_us)
    if found is None:
        return None
    return _told(
        CauseKind.SWAPPED_COLUMNS,
        name,
        extent,
        f"{name}: has the values of {found.other}, which has its own, {extent.when}",
        {"other": found.other, "own_distance": found.own_distance, "other_distance": found.other_distance},
    )


def _told(
    kind: CauseKind,
    column: str,
    extent: _Extent,
    explanation: str,
    evidence: dict[str, object],
    *,
    factor: float | None = None,
    known_unit: str | None = None,
) -> Cause:
    return Cause(
        kind=kind,
        column=column,
        factor=factor,
        known_unit=known_unit,
        since_us=extent.since_us,
        until_us=extent.until_us,
        since_row_share=extent.row_share,
        explanation=explanation,
        evidence={"rows": extent.column.rows, **evidence},
    )


def _parts(data: WindowData, name: str) -> list[_Part]:
    """Return the column's periods, sorted by start; what several segments say of one period is put together."""
    found: dict[tuple[int, int], list[ColumnProfile]] = {}
    for period in data.finest:
        column = period.profile.columns.get(name)
        if column is not None:
            found.setdefault((period.start_us, period.end_us), []).append(column)
    return [_Part(start, end, merge_columns(columns)) for (start, end), columns in sorted(found.items())]


def _extent(
    parts: Sequence[_Part],
    sizes: NDArray[np.float64],
    levels: NDArray[np.float64],
    normal: float,
    spread: float,
) -> _Extent:
    whole = merge_columns([part.column for part in parts])
    affected = changed_periods(sizes, levels, normal=normal, spread=spread)
    if affected is None:
        return _Extent(None, None, 1.0, whole)
    places = np.flatnonzero(affected).tolist()
    first, last = places[0], places[-1]
    column = merge_columns([parts[place].column for place in places])
    if column.rows < _MIN_ROWS:
        return _Extent(None, None, 1.0, whole)
    return _Extent(
        since_us=None if first == 0 else parts[first].start_us,
        until_us=None if last == len(parts) - 1 else parts[last].end_us,
        row_share=column.rows / whole.rows,
        column=column,
    )


def _missing_share(profile: ColumnProfile) -> float:
    return profile.missing / profile.rows if profile.rows else math.nan


def _known_categories(contract: ColumnContract | None, before: CategoryProfile) -> frozenset[str]:
    declared = contract.values if contract is not None and contract.values is not None else ()
    return frozenset(before.counts) | frozenset(declared)


def unknown_share(profile: ColumnProfile, known: frozenset[str]) -> float:
    """Return at least how large a share of the present values is not among ``known``; NaN where there is none.

    Of very many different values a profile lists the frequent ones, perhaps none: the others are unknown, too, but for
    its stated error of each known one.
    """
    if not isinstance(profile, CategoryProfile) or not profile.count:
        return math.nan
    listed = sum(number for value, number in profile.counts.items() if value not in known)
    return (listed + max(0, profile.uncounted - profile.error * len(known))) / profile.count


def _share_of_category(profile: ColumnProfile, value: str) -> float:
    if not isinstance(profile, CategoryProfile) or not profile.count:
        return math.nan
    return profile.counts.get(value, 0) / profile.count


def _outside_share(part: ColumnProfile, before: NumberProfile) -> float:
    if not isinstance(part, NumberProfile) or not part.count:
        return math.nan
    return part.share_below(before.min) + part.share_above(before.max)


def _mean_rank(part: ColumnProfile, values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the mean rank (0..1) of the period's values among the reference's; NaN without values."""
    if not isinstance(part, NumberProfile) or not part.count:
        return math.nan
    total = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    found, counts = part.points()
    middle = total[np.searchsorted(values, found, "left")] + total[np.searchsorted(values, found, "right")]
    return float(np.average(middle / 2, weights=counts))


def _stuck(data: WindowData, name: str, before: NumberProfile) -> Cause | None:
    """Return the cause when nearly all values, since some moment, are one that was far rarer in the reference.

    What holds for a day as it is (the day's least temperature) was as frequent in windows of the reference.
    """
    current = data.current.columns[name]
    assert isinstance(current, NumberProfile)
    value, share = most_frequent(current)
    usual = _share_of(before, value)
    ever = greatest_share(data.reference, name, data.window, rows=current.count) or 0.0
    if current.count < _MIN_ROWS or usual >= _STUCK_SHARE / 2 or share < 2 * usual or share <= ever:
        return None
    parts = _parts(data, name)
    sizes = np.array([float(part.column.count) for part in parts])
    shares = np.array([_share_of(part.column, value) for part in parts])
    extent = _extent(parts, sizes, shares, usual, math.sqrt(share * (1 - share)))
    held = _share_of(extent.column, value)
    if not held >= _STUCK_SHARE:
        return None
    text = f"{name}: stuck at {value:g} ({held:.0%} of values) {extent.when}"
    return _told(CauseKind.STUCK, name, extent, text, {"value": value, "share": held})


def _share_of(profile: ColumnProfile, value: float) -> float:
    if not isinstance(profile, NumberProfile) or not profile.count:
        return math.nan
    return 1.0 - profile.share_below(value) - profile.share_above(value)
