"""Which windows of the reference a window is held against, and what it shows there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from trimtab.config.durations import format_duration
from trimtab.core.clock import from_micros
from trimtab.core.wording import counted
from trimtab.measures.cell_distances import Measure
from trimtab.measures.max_t import MaxT, max_t
from trimtab.monitoring.check import Window
from trimtab.monitoring.window import WindowData
from trimtab.profiles.coded_rows import CodedRows
from trimtab.profiles.null import (
    Null,
    Observed,
    null_of_mixed_rows,
    null_of_windows,
    observed,
    share_of,
    stepped_down,
)
from trimtab.profiles.null_cache import NullCache
from trimtab.profiles.slots import DAY_US, fitting_length_us, row_slots, time_slots

__all__ = ["MADE_BEFORE", "Compared", "Span", "compare", "span_of", "unseen_before"]

MADE_BEFORE = "the version was made before references kept what this is judged by: retrain once"

_FEWEST_WINDOWS = 20
_FEWEST_HELD = 3.0
"""Windows with rows, one after the other: by fewer no p-value gets small, however far a window lies."""

_REFERENCE_CHANCE = 4.0
"""What the chance of one reference, held against for ever, adds to a window's variance, in windows; measured by
``bench/monitoring``."""

_KS_SPREAD = 0.26
"""Standard deviation of √n times the Kolmogorov–Smirnov distance of n independent rows."""

_BY_DISTANCE = 0.8
"""The part of all false findings that distances may make; the others are left to how far numbers have moved.

One statistic of both would be as humble as the wilder of the two; so shared, each is judged by its own usual windows.
"""

_NULLS = NullCache(max_bytes=32_000_000)
"""Only a new reference, another length, season or number of rows makes a new null: most looks are like the one before.

A process that looks at more versions at once than this holds computes some anew, which takes time and nothing else.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The part of the window that is judged: from its first row to its last, at most as long as the reference allows.

    ``mixed`` says that the reference is too short even for that, so that its rows are drawn at random instead.
    """

    data: WindowData
    window: Window
    mixed: bool

    @property
    def length_us(self) -> int:
        """How long it is."""
        return self.window.end_us - self.window.start_us


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Columns held against the reference jointly, by their distances and by how far their numbers have moved.

    ``limits`` ``(2, c)`` are usual distances and usual shifts, ``p_columns`` ``(c,)`` step-down p-values, ``p_single``
    ``(c,)`` each column's own; ``p_window`` is that of the column that is farthest out, which is at ``greatest``.
    ``beyond`` ``(c,)``: farther out than the reference's windows ever were, which are worth ``independent`` ones.
    """

    columns: tuple[str, ...]
    observed: Observed
    limits: NDArray[np.float64]
    p_window: float
    p_columns: NDArray[np.float64]
    p_single: NDArray[np.float64]
    greatest: int
    beyond: NDArray[np.bool_]
    independent: float
    basis: str

    def unproven(self, alpha: float) -> tuple[str, ...]:
        """Return the columns that lie beyond all that was seen, where too little was seen to call that usual or rare.

        Fewer than 1/``alpha`` − 1 independent windows cannot, by count, show that a share of ``alpha`` lies so far out.
        """
        if (self.independent + 1) * alpha >= 1:
            return ()
        return tuple(name for name, is_beyond in zip(self.columns, self.beyond, strict=True) if is_beyond)

    def moved(self, place: int) -> str | None:
        """Return how far a column's numbers have moved, if that is farther than usual; else None."""
        shift, limit = float(self.observed.shifts[place]), float(self.limits[1, place])
        return f"moved by {shift:.3g} of the usual range, usual up to {limit:.3g}" if shift > limit else None


def span_of(data: WindowData, coded: CodedRows, *, min_rows: int) -> Span | str:
    """Return what can be judged of a window that has rows; or why nothing can."""
    first, last = data.periods[0].start_us, max(period.end_us for period in data.periods)
    # A window that is filled in part (a version just deployed, a feed that stopped) is as long as what it holds: an
    # hour is no week with few rows.
    window = Window(max(first, data.window.start_us), min(last, data.window.end_us))
    length = window.end_us - window.start_us
    if coded.time_us is None:
        return Span(data, window, mixed=coded.rows * coded.thinning < _FEWEST_WINDOWS * data.current.rows)
    fitting = fitting_length_us(coded, length)
    if fitting == length:
        return Span(data, window, mixed=False)
    narrowed = data.narrowed(fitting + data.window.end_us - window.end_us)
    if narrowed.periods and narrowed.current.rows >= min_rows:
        return Span(narrowed, Window(narrowed.periods[0].start_us, window.end_us), mixed=False)
    if length < DAY_US:
        span = format_duration(_round(coded.span_us or 0))
        return f"the reference spans {span}, too short to say what {format_duration(_round(length))} are like"
    return Span(data, window, mixed=True)


def unseen_before(
    newest: Span, data: WindowData, coded: CodedRows, *, min_rows: int, seen_us: int | None
) -> tuple[Span, ...]:
    """Return the parts of a window before its ``newest`` that nobody has looked at, oldest first, each long enough.

    Of a window that is longer than the reference allows only the newest part is judged at each look. Where looks are
    seldom, or were missed, days would pass unseen in between: what ended after ``seen_us`` is judged as well, in parts
    that are no longer, and do not overlap. Where nothing was looked at yet (None), nothing is unseen.
    """
    if newest.data is data or seen_us is None:
        return ()
    periods = [one for one in data.periods if seen_us < one.end_us <= newest.window.start_us]
    if not periods:
        return ()
    first_us, length_us = periods[0].start_us, max(one.end_us for one in periods) - periods[0].start_us
    parts = -(-length_us // fitting_length_us(coded, data.window.end_us - data.window.start_us))
    spans = []
    for part in range(parts):
        mine = tuple(one for one in periods if (one.start_us - first_us) * parts // length_us == part)
        if mine:
            window = Window(mine[0].start_us, max(one.end_us for one in mine))
            inside = replace(data, window=window, periods=mine)
            if inside.current.rows >= min_rows:
                spans.append(Span(inside, window, mixed=False))
    return tuple(spans)


def compare(
    span: Span, coded: CodedRows, names: Sequence[str], *, measure: Measure, min_effect: float, alpha: float
) -> Compared | str:
    """Return how ``names``, at least one, compare with the reference; or why they cannot be compared.

    Only columns that lie at least ``min_effect`` away count for the window: others have moved too little to matter,
    however sure it is. Pure: rows of the reference are drawn with a seed of its own.
    """
    rows = span.data.current.rows
    null = _null(span, coded, tuple(names), rows, measure)
    if not len(null.distances) or not np.isfinite(null.distances).any():
        return f"the reference has no window like this one of {counted(rows, 'row')}"
    if not span.mixed and null.windows < _FEWEST_HELD:
        # A span of years says nothing where rows stand at a few moments of it, as in snapshots.
        held = counted(len(null.distances), "window")
        return f"the reference has rows in {held} like this one, overlapping ones counted: too few to say what is usual"
    seen = observed(null, coded.rulers, span.data.current.columns, measure=measure)
    far = seen.distances >= min_effect
    widening = 1.0 if span.mixed else math.sqrt(1 + _REFERENCE_CHANCE / null.windows)

    def joint(values: NDArray[np.float64], usual: NDArray[np.float64], spread: NDArray[np.float64]) -> MaxT:
        return max_t(
            np.where(far, values, np.nan) / np.sqrt(null.memory),
            usual,
            independent=null.independent,
            alpha=alpha,
            widening=widening,
            least_spread=spread / math.sqrt(rows),
        )

    scales = [null.scales.get(name) for name in names]
    by_distance = joint(seen.distances, null.distances, np.full(len(names), _KS_SPREAD))
    by_shift = joint(seen.shifts, null.shifts, np.array([scale.least if scale else 0.0 for scale in scales]))
    return _together(tuple(names), seen, by_distance, by_shift, null, _basis(span, coded, null))


def _together(names: tuple[str, ...], seen: Observed, first: MaxT, second: MaxT, null: Null, basis: str) -> Compared:
    """Return both findings as one: the chance of a false one is shared out between them, as `_BY_DISTANCE` says."""
    # Where nothing has moved by numbers (categories, other methods), there is nothing to share with.
    part = _BY_DISTANCE if null.scales else 1.0
    rest = (1 - part) or 1.0

    def shared(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.minimum(1.0, np.minimum(one / part, other / rest)), dtype=np.float64)

    p_columns = shared(first.p_columns, second.p_columns)
    return Compared(
        names,
        seen,
        # What rows that repeat each other do to distances belongs to the limits that are shown, too.
        np.stack([first.usual, second.usual]) * np.sqrt(null.memory),
        float(p_columns.min()),
        p_columns,
        shared(first.p_single, second.p_single),
        first.greatest if first.p_window / part <= second.p_window / rest else second.greatest,
        first.beyond | second.beyond,
        null.independent,
        basis,
    )


def _null(span: Span, coded: CodedRows, names: tuple[str, ...], rows: int, measure: Measure) -> Null:
    kept = stepped_down(rows) / coded.thinning
    if span.mixed:
        # The same draws for the same reference: a look that is repeated says the same.
        return _NULLS.get(
            (coded.digest, names, measure, kept),
            lambda: null_of_mixed_rows(coded, names, rows=kept, measure=measure, rng=np.random.default_rng(0)),
        )
    if coded.time_us is None:
        slots = row_slots(coded.rows, kept)
    else:
        slots = time_slots(coded, start_us=span.window.start_us, end_us=span.window.end_us)
    return _NULLS.get(
        (coded.digest, names, measure, slots.digest, share_of(slots, rows)),
        lambda: null_of_windows(coded, names, slots, rows=rows, measure=measure),
    )


def _basis(span: Span, coded: CodedRows, null: Null) -> str:
    if span.mixed:
        return f"{len(null.distances)} random draws from {counted(coded.rows, 'row')} of the reference"
    windows = f"{len(null.distances)} windows of the reference, worth {null.independent:.0f} independent ones"
    if coded.time_us is None or not len(coded.time_us):
        return windows
    first, last = from_micros(int(coded.time_us[0])), from_micros(int(coded.time_us[-1]))
    return f"{windows}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _round(length_us: int) -> timedelta:
    return timedelta(hours=round(length_us / (DAY_US / 24)))
