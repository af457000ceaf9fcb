"""Whether two columns have each other's values: does each look like the other's reference, and neither like its own?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from trimtab.measures.distances import jensen_shannon, ks_critical, ks_of_steps, shares
from trimtab.monitoring.window import WindowData
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile, merge_columns

__all__ = ["Swap", "swapped_with"]

_ALPHA = 0.001
_LEAST = 0.1
_FARTHER = 2.0
_MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Swap:
    """The column that has the other's values, and how far both lie from their own reference and from each other's."""

    other: str
    own_distance: float
    other_distance: float


def swapped_with(
    data: WindowData, name: str, column: ColumnProfile, *, since_us: int | None, until_us: int | None
) -> Swap | None:
    """Return with which column ``name`` was swapped from ``since_us`` up to ``until_us``; None if with none.

    ``column`` is what came in that time. Distances are told in those that windows of the reference have by chance (at
    least 0.1). Two columns count as swapped when each is within that of the other's reference, and one of them is at
    least twice as far from its own, and as either is from the other's. Of several the closest one is named. Columns
    that are distributed alike cannot be told apart.
    """
    found = (_swap(data, name, column, other, part) for other, part in _others(data, name, since_us, until_us))
    return min((swap for swap in found if swap is not None), key=lambda swap: swap.other_distance, default=None)


def _others(
    data: WindowData, name: str, since_us: int | None, until_us: int | None
) -> Iterator[tuple[str, ColumnProfile]]:
    inside = [
        period.profile.columns
        for period in data.finest
        if (since_us is None or period.start_us >= since_us) and (until_us is None or period.end_us <= until_us)
    ]
    for other in data.columns:
        parts = [columns[other] for columns in inside if other in columns]
        if other != name and parts:
            yield other, merge_columns(parts, other)


def _swap(data: WindowData, name: str, column: ColumnProfile, other: str, part: ColumnProfile) -> Swap | None:
    known = data.reference.merged.columns
    if name not in known or other not in known or min(column.count, part.count) < _MIN_ROWS:
        return None
    of_name, of_other = _by_chance(data, name, column.count), _by_chance(data, other, part.count)
    found = (
        _distance(column, known[other], of_other),
        _distance(part, known[name], of_name),
        _distance(column, known[name], of_name),
        _distance(part, known[other], of_other),
    )
    crossed, own = max(found[:2]), max(found[2:])
    # NaN, of columns that cannot be compared, fails each of them.
    if not (sum(found) >= 0 and crossed <= 1 and own >= _FARTHER and own >= _FARTHER * crossed):
        return None
    return Swap(other, found[2] * of_name, found[0] * of_other)


def _distance(left: ColumnProfile, right: ColumnProfile, by_chance: float) -> float:
    """Return the distance of two columns, NaN if they are of different type or one has no value."""
    if not left.count or not right.count:
        return math.nan
    if isinstance(left, NumberProfile) and isinstance(right, NumberProfile):
        return ks_of_steps(*left.points(), *right.points()) / by_chance
    if isinstance(left, CategoryProfile) and isinstance(right, CategoryProfile):
        return jensen_shannon(*shares(left.counts, right.counts)) / by_chance
    return math.nan


def _by_chance(data: WindowData, name: str, rows: int) -> float:
    chance, whole = data.reference.chance(name), data.reference.merged.columns[name].count
    bound = ks_critical(rows / chance.memory, whole / chance.memory, _ALPHA)
    return max(_LEAST, chance.distance(rows), min(bound, 0.5))
