"""Estimates of quality held against what their labels said: how far off they were, and whether to believe them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trimtab.core.canonical import JsonObject
from trimtab.monitoring.check import Window

__all__ = ["KeptEstimate", "TrackRecord", "enough_labels", "kept_estimates", "with_new", "with_realised"]

_FEWEST = 5
_RECENT = 5
_BAND_OF = 20
_LEVEL = 0.9
_USUAL = 0.8
_KEPT = 60


@dataclass(frozen=True, slots=True)
class KeptEstimate:
    """What was estimated of a window, by metric, and what its labels said once they had come.

    ``rows`` of them have been compared, ``coverage`` of all answered ones; 0 as long as there were too few.
    ``asked``: its labels were looked at when they were due.
    """

    window: Window
    estimated: Mapping[str, float]
    realised: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0
    coverage: float = 0.0
    asked: bool = False

    def to_json(self) -> JsonObject:
        """Return it as JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Realised less estimated values of a metric, oldest first: the last 20 windows that met their labels."""

    residuals: tuple[float, ...]

    @staticmethod
    def of(kept: Sequence[KeptEstimate], metric: str) -> TrackRecord:
        """Return the record of ``metric``."""
        found = [
            one.realised[metric] - one.estimated[metric]
            for one in kept
            if metric in one.realised and metric in one.estimated
        ]
        return TrackRecord(tuple(found[-_BAND_OF:]))

    @property
    def recent(self) -> float:
        """The median distance from the truth in the last five windows; NaN without any."""
        return float(np.median(np.abs(self.residuals[-_RECENT:]))) if self.residuals else math.nan

    @property
    def band(self) -> float:
        """How far the next estimate may be off, by split conformal prediction [1]; infinite without any record.

        The ⌈0.9 (m + 1)⌉-th smallest of m distances: right in 90 % of the windows, if these are exchangeable. With
        fewer than nine it is the greatest, right in m of m + 1.

        [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer 2005.
        """
        count = len(self.residuals)
        if not count:
            return math.inf
        place = min(math.ceil(_LEVEL * (count + 1)), count)
        return float(np.sort(np.abs(self.residuals))[place - 1])

    def doubt(self, tolerated: float) -> str | None:
        """Return why the estimate is not to be believed; None if it is. ``tolerated``: what quality may lose."""
        if len(self.residuals) < _FEWEST:
            return (
                f"the estimate has not proved itself: {len(self.residuals)} of {_FEWEST} windows have met their labels"
            )
        if self.recent > tolerated / 2:
            return (
                f"the estimate has not proved itself: it was off by {self.recent:.4g} (median of the last {_RECENT} "
                f"windows with labels), more than half of the {tolerated:.4g} that quality may lose"
            )
        return None


def kept_estimates(state: JsonObject | None) -> tuple[KeptEstimate, ...]:
    """Return the estimates that a state keeps, oldest first."""
    found: list[Any] = list((state or {}).get("estimates", ()))
    return tuple(KeptEstimate(**{**one, "window": Window(**one["window"])}) for one in found)


def with_new(kept: Sequence[KeptEstimate], window: Window, estimated: Mapping[str, float]) -> tuple[KeptEstimate, ...]:
    """Return the estimates with that of ``window``, if it overlaps none that is kept; the newest 60 are kept."""
    values = {metric: value for metric, value in estimated.items() if math.isfinite(value)}
    if not values or any(window.start_us < one.window.end_us for one in kept):
        return tuple(kept)[-_KEPT:]
    return (*kept, KeptEstimate(window, values))[-_KEPT:]


def enough_labels(kept: Sequence[KeptEstimate], coverage: float) -> bool:
    """Return whether a window has about as many labels as others had: 80 % of their median coverage."""
    usual = [one.coverage for one in kept if one.realised]
    return not usual or coverage >= _USUAL * float(np.median(usual))


def with_realised(
    kept: Sequence[KeptEstimate], window: Window, realised: Mapping[str, float], *, rows: int, coverage: float
) -> tuple[KeptEstimate, ...]:
    """Return the estimates with what the labels of ``window`` say; without values it has only been asked."""
    values = {metric: value for metric, value in realised.items() if math.isfinite(value)}
    return tuple(
        one
        if one.window != window
        else dataclasses.replace(one, asked=True)
        if not values
        else KeptEstimate(window, one.estimated, values, rows, coverage, asked=True)
        for one in kept
    )
