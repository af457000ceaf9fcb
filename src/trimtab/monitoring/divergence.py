"""How far a column lies from its reference, and how far chance, memory and season would take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.measures.distances import (
    jensen_shannon,
    jensen_shannon_critical,
    ks_critical,
    ks_of_steps,
    psi,
    psi_critical,
    shares,
)
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile, merge_columns
from trimtab.profiles.reference import Reference

__all__ = ["Divergence", "diverge"]

Method = Literal["ks", "psi", "js"]

_BINS = 10
_MIN_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Divergence:
    """A distance with all that it must exceed.

    ``value`` is the distance less ``error`` (what the sketches may be off). ``chance`` is the largest distance of
    windows of this size within the reference, ``critical`` the bound for rows with the reference's memory.
    """

    method: Method
    value: float
    error: float
    chance: float
    critical: float
    rows: int
    reference_rows: int
    memory: float

    def threshold(self, min_effect: float) -> float:
        """Return what the value must exceed to be a breach."""
        return max(min_effect, self.chance, self.critical)


def diverge(
    column: str, current: ColumnProfile, reference: Reference, *, method: Method, alpha: float
) -> Divergence | None:
    """Return the column's distance from the reference; None when either has no value, or they are of different type.

    ``alpha`` is the chance of exceeding ``critical`` without drift, for this one column. ``ks`` is meant for numbers;
    of categories it takes the Jensen–Shannon distance.
    """
    whole = reference.merged.columns.get(column)
    if whole is None or type(whole) is not type(current) or not current.count or not whole.count:
        return None
    used: Method = "js" if method == "ks" and isinstance(whole, CategoryProfile) else method
    native = used == ("ks" if isinstance(whole, NumberProfile) else "js")
    chance = reference.chance(column)
    distance, cells = _ruler(whole, used)
    if native and chance.rows:
        greatest = chance.distance(current.count)
    else:
        greatest = _greatest_of_blocks(column, reference, current.count, distance)
    error = _error(current, whole)
    return Divergence(
        method=used,
        value=max(0.0, distance(current, whole) - error),
        error=error,
        chance=greatest,
        critical=_critical(used, current.count / chance.memory, whole.count / chance.memory, cells, alpha),
        rows=current.count,
        reference_rows=whole.count,
        memory=chance.memory,
    )


def _ruler(whole: ColumnProfile, method: Method) -> tuple[Callable[[ColumnProfile, ColumnProfile], float], int]:
    """Return what measures the distance of two profiles, and in how many cells it sorts values (0: none)."""
    if method == "ks":
        return _ks, 0
    measure = psi if method == "psi" else jensen_shannon
    if isinstance(whole, CategoryProfile):
        return lambda left, right: measure(*shares(_counts(left), _counts(right))), len(_counts(whole))
    edges = np.unique([whole.quantile(step / _BINS) for step in range(1, _BINS)])
    return lambda left, right: measure(*shares(_binned(left, edges), _binned(right, edges))), len(edges) + 1


def _ks(left: ColumnProfile, right: ColumnProfile) -> float:
    assert isinstance(left, NumberProfile)
    assert isinstance(right, NumberProfile)
    return ks_of_steps(*left.points(), *right.points())


def _counts(profile: ColumnProfile) -> Mapping[str, int]:
    assert isinstance(profile, CategoryProfile)
    return {**profile.counts, "(others)": profile.uncounted} if profile.uncounted else profile.counts


def _binned(profile: ColumnProfile, edges: NDArray[np.float64]) -> dict[str, float]:
    assert isinstance(profile, NumberProfile)
    values, weights = profile.points()
    counts = np.bincount(np.searchsorted(edges, values, side="left"), weights=weights, minlength=len(edges) + 1)
    return {str(place): float(count) for place, count in enumerate(counts)}


def _error(current: ColumnProfile, whole: ColumnProfile) -> float:
    return sum(
        part.rank_error if isinstance(part, NumberProfile) else part.error / part.count for part in (current, whole)
    )


def _critical(method: Method, rows: float, reference_rows: float, cells: int, alpha: float) -> float:
    if method == "ks":
        return ks_critical(rows, reference_rows, alpha)
    bound = psi_critical if method == "psi" else jensen_shannon_critical
    return bound(rows, reference_rows, max(cells, 2), alpha)


def _greatest_of_blocks(
    column: str, reference: Reference, rows: int, distance: Callable[[ColumnProfile, ColumnProfile], float]
) -> float:
    """Return the greatest distance of a group of adjacent blocks, at least as large as the window, from the others.

    0 when the reference has too few rows for three such groups: then only ``critical`` speaks of chance.
    """
    groups = _grouped([block.profile.columns[column] for block in reference.blocks], rows)
    if len(groups) < _MIN_GROUPS:
        return 0.0
    found = []
    for place, group in enumerate(groups):
        others = [part for other, part in enumerate(groups) if other != place]
        found.append(distance(merge_columns(group), merge_columns([part for other in others for part in other])))
    return float(np.max(found))


def _grouped(parts: Sequence[ColumnProfile], rows: int) -> list[list[ColumnProfile]]:
    groups: list[list[ColumnProfile]] = [[]]
    for part in parts:
        if sum(held.count for held in groups[-1]) >= rows:
            groups.append([])
        groups[-1].append(part)
    if len(groups) > 1 and sum(held.count for held in groups[-1]) < rows:
        groups[-2].extend(groups.pop())
    return groups
