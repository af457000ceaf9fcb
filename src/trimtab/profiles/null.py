"""How far windows of the reference lie from the rest of it: what a window without a change may look like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.measures.cell_distances import Measure, cell_distances
from trimtab.measures.cell_shifts import ShiftScale, shift_scale
from trimtab.measures.memory import memory_of
from trimtab.profiles.coded_rows import CodedRows
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile
from trimtab.profiles.ruler import Ruler, points_of
from trimtab.profiles.slots import Slots

__all__ = ["Null", "Observed", "null_of_mixed_rows", "null_of_windows", "observed", "share_of", "stepped_down"]

Floats = NDArray[np.float64]
_DRAWS = 512
_PARTS = 512
_READING = 1 / 2048
_STEPS_AN_OCTAVE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """Distances ``(w, c)`` that ``w`` windows of the reference have from the rest of it, by column; NaN: not measured.

    ``shifts`` ``(w, c)`` are how far their numbers have moved, on ``scales``: only beside `Measure.KS`, which says
    how many rows lie elsewhere, not how far; NaN for other columns. ``whole`` are the counts of the rows that a judged
    window is held against. ``independent`` is how many windows without overlap or memory they are worth, ``windows``
    how many such windows the reference is long: what its own chance is measured by. ``memory`` ``(c,)`` says by how
    much rows that repeat each other widen distances (squared) beyond what is in ``distances`` already.
    """

    columns: tuple[str, ...]
    distances: Floats
    shifts: Floats
    scales: Mapping[str, ShiftScale]
    whole: Mapping[str, Floats]
    independent: float
    windows: float
    memory: Floats

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, but for small change."""
        cells = sum(counts.nbytes for counts in self.whole.values())
        edges = sum(scale.edges.nbytes for scale in self.scales.values())
        return int(self.distances.nbytes + self.shifts.nbytes + self.memory.nbytes + cells + edges)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """How far a window lies from the reference: ``distances`` and ``shifts`` ``(c,)``, NaN where not measured.

    ``errors`` ``(c,)`` is what reading a column's sketch may be off, in shares of rows; it is taken off both already.
    """

    distances: Floats
    shifts: Floats
    errors: Floats


def null_of_windows(coded: CodedRows, columns: Sequence[str], slots: Slots, *, rows: float, measure: Measure) -> Null:
    """Return the null of contiguous windows: season, memory and bursts are in it, as the reference had them.

    Each window is held against all rows of ``slots`` but itself and its neighbours within one length. Where windows
    have more rows than the judged one (``rows``), evenly spread ones are counted, so that both are as noisy. Windows
    with less than half the median number of rows are left out.
    """
    member = slots.slot >= 0
    slot = slots.slot[member]
    sizes, usual = _sizes(slots)
    held = sizes >= max(usual / 2, 1.0)
    thin = np.diff(np.floor(np.arange(len(slot) + 1) * share_of(slots, rows))) > 0
    found, levels = _Apart(measure), []
    for name in columns:
        cells = coded.rulers[name].cells + 1
        place = slot * cells + coded.codes[name][member]
        counts = _counted(place, slots.count, cells)
        whole = counts.sum(axis=0)
        parts = _windows_of(counts if thin.all() else _counted(place[thin], slots.count, cells), slots.width)[held]
        found.add(name, coded.rulers[name], parts, whole - _neighbours_of(counts, slots.width)[held], whole)
        levels.append(parts @ np.arange(cells) / np.maximum(parts.sum(axis=1), 1.0))
    length = float(held.sum()) / slots.width if held.any() else 0.0
    memories = [memory_of(level[:: slots.width], np.zeros(len(level[:: slots.width]))) for level in levels]
    independent = max(1.0, length / float(np.median(memories))) if memories else 1.0
    return found.null(independent, length, np.ones(len(columns)))


def share_of(slots: Slots, rows: float) -> float:
    """Return the share of each window's rows that is counted, so that usual ones have about ``rows``, never more."""
    usual = _sizes(slots)[1]
    return stepped_down(rows / usual) if 0 < rows < usual else 1.0


def stepped_down(value: float) -> float:
    """Return the next of 16 steps an octave, so that nearly equal windows share a null: one that is a bit more noisy.

    >>> stepped_down(1.0), round(stepped_down(1000), 1)
    (1.0, 980.6)
    """
    return float(2 ** (math.floor(math.log2(value) * _STEPS_AN_OCTAVE) / _STEPS_AN_OCTAVE))


def null_of_mixed_rows(
    coded: CodedRows, columns: Sequence[str], *, rows: float, measure: Measure, rng: Generator
) -> Null:
    """Return the null of rows drawn at random: for a reference that is too short to be cut into windows.

    It takes rows for exchangeable but for the memory that neighbouring ones have, which is measured (`Null.memory`);
    it knows nothing of seasons. As many rows are drawn as make two samples that are as noisy as the window and the
    whole reference are.
    """
    total = coded.rows
    parts = min(total, _PARTS)
    part = np.arange(total) * parts // max(total, 1)
    size = max(1, round(_as_noisy(rows, total) * parts / max(total, 1)))
    drawn = np.argsort(rng.random((_DRAWS, parts)), axis=1, kind="stable") < size
    found, memories = _Apart(measure), []
    for name in columns:
        cells = coded.rulers[name].cells + 1
        counts = _counted(part * cells + coded.codes[name], parts, cells)
        whole, inside = counts.sum(axis=0), drawn.astype(np.float64) @ counts
        found.add(name, coded.rulers[name], inside, whole - inside, whole)
        levels = counts @ np.arange(cells) / np.maximum(counts.sum(axis=1), 1.0)
        memories.append(memory_of(levels, np.zeros(parts)))
    return found.null(float(_DRAWS), total / max(rows, 1.0), np.array(memories))


def observed(
    null: Null, rulers: Mapping[str, Ruler], columns: Mapping[str, ColumnProfile], *, measure: Measure
) -> Observed:
    """Return how far ``columns`` lie from the reference; NaN where one is absent, or of another type."""
    values, shifts, errors = (np.full(len(null.columns), empty) for empty in (np.nan, np.nan, 0.0))
    for place, name in enumerate(null.columns):
        column, ruler = columns.get(name), rulers[name]
        if column is None or not ruler.fits(column) or not column.rows:
            continue
        errors[place] = _error(column)
        counts = ruler.counts(column)
        distance = cell_distances(counts, null.whole[name], measure=measure, ordered=ruler.ordered)
        values[place] = max(0.0, float(distance[0]) - errors[place])
        if isinstance(column, NumberProfile) and column.count and name in null.scales:
            shifts[place] = max(0.0, _shift(null.scales[name], column, counts, null.whole[name]) - errors[place])
    return Observed(values, shifts, errors)


def _shift(scale: ShiftScale, column: NumberProfile, counts: Floats, whole: Floats) -> float:
    shift = float(scale.of_cells(counts, whole)[0])
    if column.min < scale.edges[0] or column.max > scale.edges[-1]:
        # What the ruler has never seen lies in its outer cells: how far out only the profile itself can tell.
        shift += scale.beyond(*points_of(column))
    return shift


class _Apart:
    """Gathers how far windows lie apart, column by column."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._names: list[str] = []
        self._distances: list[Floats] = []
        self._shifts: list[Floats] = []
        self._scales: dict[str, ShiftScale] = {}
        self._whole: dict[str, Floats] = {}

    def add(self, name: str, ruler: Ruler, parts: Floats, rest: Floats, whole: Floats) -> None:
        self._names.append(name)
        self._whole[name] = whole
        self._distances.append(cell_distances(parts, rest, measure=self._measure, ordered=ruler.ordered))
        scale = None
        if ruler.edges is not None and self._measure is Measure.KS:
            scale = shift_scale(ruler.edges, whole)
        self._shifts.append(np.full(len(parts), np.nan) if scale is None else scale.of_cells(parts, rest))
        if scale is not None:
            self._scales[name] = scale

    def null(self, independent: float, windows: float, memory: Floats) -> Null:
        distances, shifts = np.column_stack(self._distances), np.column_stack(self._shifts)
        return Null(tuple(self._names), distances, shifts, self._scales, self._whole, independent, windows, memory)


def _error(column: ColumnProfile) -> float:
    if isinstance(column, NumberProfile):
        # True: the error of all ranks at once, which is what a supremum needs; False would be that of one rank.
        estimated = column.sketch.is_estimation_mode()
        return float(column.sketch.normalized_rank_error(True)) + _READING if estimated else 0.0
    return column.error / column.count if column.count else 0.0


def _as_noisy(rows: float, total: int) -> float:
    """Return m with 1/m + 1/(total − m) = 1/rows + 1/total, half of ``total`` where there is none."""
    product = total / (1 / max(rows, 1.0) + 1 / max(total, 1))
    return (total - float(np.sqrt(max(total * total - 4 * product, 0.0)))) / 2


def _sizes(slots: Slots) -> tuple[Floats, float]:
    """Return the number of rows of each window, and the usual one: the median of those that have any."""
    rows = np.bincount(slots.slot[slots.slot >= 0], minlength=slots.count)
    sizes = _windows_of(rows[:, None].astype(np.float64), slots.width)[:, 0]
    return sizes, float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0


def _counted(place: NDArray[Any], slots: int, cells: int) -> Floats:
    return np.bincount(place, minlength=slots * cells).reshape(slots, cells).astype(np.float64)


def _windows_of(counts: Floats, width: int) -> Floats:
    """Return the sums of ``width`` neighbouring rows, ``(s − width + 1, k)``."""
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    return np.asarray(total[width:] - total[:-width], dtype=np.float64)


def _neighbours_of(counts: Floats, width: int) -> Floats:
    """Return, for each window, the counts of itself and of what lies within ``width`` rows on either side."""
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    first = np.arange(len(counts) - width + 1)
    last = np.minimum(first + 2 * width, len(counts))
    return np.asarray(total[last] - total[np.maximum(first - width, 0)], dtype=np.float64)
