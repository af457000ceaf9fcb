"""Plain tests for drift by name, with a fixed threshold: as SciPy and Evidently define them, no more and no less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from trimtab.core.enums import ColumnKind, Verdict
from trimtab.core.wording import counted
from trimtab.measures.distances import (
    chi_square_statistic,
    counts_between,
    filled,
    jensen_shannon,
    ks_of_steps,
    shares,
    sturges_edges,
)
from trimtab.measures.wasserstein import wasserstein_of_steps
from trimtab.monitoring.base import Finding, Judged, check_of, unjudged
from trimtab.monitoring.causes import name_causes
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile

__all__ = ["PlainDriftMonitor", "PlainDriftSettings", "plain_distance", "plain_p_value"]

Method = Literal["ks", "psi", "js", "chi2", "wasserstein"]
Points = tuple[NDArray[np.float64], NDArray[np.float64]]

_WITH_P_VALUE = ("ks", "chi2")
_FEW_VALUES = 20
_LEAST_STD = 0.001
_TAIL = 0.005
_EXACT_ROWS = 10_000


class PlainDriftSettings(MonitorSettings):
    """Whether columns differ from the reference by a plain test: no memory, no season, nothing held across looks.

    On rows that repeat their neighbours it cries wolf at nearly every window; `data_drift` does not.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"method": "ks", "p_value": 0.05},
                {"method": "ks", "threshold": 0.1},
                {"method": "chi2", "p_value": 0.05},
                {"method": "psi", "threshold": 0.1},
                {"method": "js", "threshold": 0.1},
                {"method": "wasserstein", "threshold": 0.1},
            ]
        }
    )

    type: Literal["plain_drift"] = "plain_drift"
    method: Method = Field(
        default="ks",
        description="ks = Kolmogorov-Smirnov, psi = population stability index, js = Jensen-Shannon distance (natural "
        "logarithm), chi2 = Pearson's chi-square against the reference's shares, wasserstein = first Wasserstein "
        "distance in standard deviations of the reference. Of categories ks and wasserstein mean chi2 with p_value, "
        "js with threshold.",
    )
    threshold: float | None = Field(default=None, ge=0, description="A distance of this or more is a breach.")
    p_value: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="A p-value below this is a breach (ks and chi2); rows taken as independent.",
    )
    drift_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of judged columns in breach from which the window as a whole is."
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns to judge; none named means all features but datetimes."
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.threshold is None) == (self.p_value is None):
            raise ValueError("give either threshold or p_value, e.g. threshold: 0.1")
        if self.p_value is not None and self.method not in _WITH_P_VALUE:
            raise ValueError(f"method {self.method!r} has no p_value; give a threshold, or use ks or chi2")
        if self.threshold is not None and self.method == "chi2":
            raise ValueError("method 'chi2' has no threshold, its statistic grows with the rows; give a p_value")
        return self


@dataclass(frozen=True, slots=True)
class PlainDriftMonitor:
    """One check a column, and one over all (``column`` None) of the share of columns in breach.

    Exact while window and reference have at most 2048 rows each, as their sketches are until then; beyond, ranks are
    off by up to 0.2 %, and the Wasserstein distance leaves out what lies beyond both's outermost half per cents.
    """

    kind: ClassVar[str] = "plain_drift"
    settings_type: ClassVar[type[MonitorSettings]] = PlainDriftSettings

    settings: PlainDriftSettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each column, and the overall one last."""
        watched = [name for name, column in data.columns.items() if column.type is not ColumnKind.DATETIME]
        findings = [self._column(data, name) for name in self.settings.columns or tuple(watched)]
        everything = [*findings, self._overall(findings)]
        return Judged(tuple(check_of(self.settings, data, finding) for finding in everything))

    def _column(self, data: WindowData, name: str) -> Finding:
        current, before = data.current.columns.get(name), data.reference.merged.columns.get(name)
        if not data.current.rows:
            text = f"{name}: 0 rows in the window, {self.settings.min_rows} needed"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        if current is None or before is None or type(current) is not type(before):
            where = "the reference" if before is None else "the window"
            text = f"{name}: not in {where}, or of another type there; nothing to compare"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        if current.count < self.settings.min_rows or not before.count:
            text = f"{name}: {counted(current.count, 'value')} in the window, {self.settings.min_rows} needed"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        method = self._method(before)
        if _reach_too_far(current, before, method):
            text = f"{name}: its values lie too far apart for {method}; correct those beyond 1e150, or use ks"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        if self.settings.p_value is not None:
            value, limit = plain_p_value(current, before, method), self.settings.p_value
            breach, words = value < limit, f"p-value of {method} {value:.3g}"
        else:
            value, limit = plain_distance(current, before, method), float(self.settings.threshold or 0.0)
            breach, words = value >= limit, f"{method} distance {value:.3g}"
        causes = name_causes(data, [name]) if breach else ()
        told = "".join(f"; {cause.explanation}" for cause in causes)
        return Finding(
            verdict=Verdict.BREACH if breach else Verdict.OK,
            explanation=f"{name}: {words} {'reaches' if breach else 'does not reach'} the limit of {limit:g}{told}",
            column=name,
            value=value,
            threshold=limit,
            effect=1.0 - value if self.settings.p_value is not None else value,
            detail={
                "method": method,
                "rows": current.count,
                "reference_rows": before.count,
                "causes": [cause.to_json() for cause in causes],
            },
        )

    def _method(self, before: ColumnProfile) -> Method:
        if isinstance(before, NumberProfile) or self.settings.method not in ("ks", "wasserstein"):
            return self.settings.method
        return "chi2" if self.settings.p_value is not None else "js"

    def _overall(self, findings: list[Finding]) -> Finding:
        judged = [finding for finding in findings if finding.verdict is not Verdict.INCONCLUSIVE]
        if not judged:
            reason = findings[0].explanation if findings else "there is no column"
            return Finding(Verdict.INCONCLUSIVE, f"no column could be judged: {reason}")
        drifted = [str(finding.column) for finding in judged if finding.verdict is Verdict.BREACH]
        share, limit = len(drifted) / len(judged), self.settings.drift_share
        told = f"{len(drifted)} of {len(judged)} columns drifted ({share:.0%}; a breach from {limit:.0%} on)"
        return Finding(
            verdict=Verdict.BREACH if share >= limit else Verdict.OK,
            explanation="; ".join(filter(None, [told, unjudged(findings)])),
            value=share,
            threshold=limit,
            effect=share,
            detail={"drifted": drifted, "judged": len(judged)},
        )


def plain_distance(current: ColumnProfile, before: ColumnProfile, method: Method) -> float:
    """Return the distance of two columns of one type, each with values.

    ``psi`` and ``js`` take the bins that Evidently takes: those of Sturges' rule over both, or the values themselves
    where the reference has at most 20.

    Raises:
        ValueError: categories have no such distance.
    """
    if method in ("psi", "js"):
        live, known = shares(*_cells(current, before))
        if method == "js":
            return jensen_shannon(live, known) * math.sqrt(math.log(2))
        first, second = filled(live), filled(known)
        return float(np.sum((second - first) * np.log(second / first)))
    if not (isinstance(current, NumberProfile) and isinstance(before, NumberProfile)) or method == "chi2":
        raise ValueError(f"method {method!r}: no distance of these columns; use psi or js")
    if method == "ks":
        return ks_of_steps(*current.points(), *before.points())
    exact = not (current.sketch.is_estimation_mode() or before.sketch.is_estimation_mode())
    low, high = (-math.inf, math.inf) if exact else _bounds(current, before)
    moved = wasserstein_of_steps(*current.points(), *before.points(), low=low, high=high)
    return moved / max(before.std, _LEAST_STD)


def _reach_too_far(current: ColumnProfile, before: ColumnProfile, method: Method) -> bool:
    """Return whether no float holds how far these values lie apart, or their squares; ranks (``ks``) do not mind."""
    if method == "ks" or not (isinstance(current, NumberProfile) and isinstance(before, NumberProfile)):
        return False
    reach = max(current.max, before.max) - min(current.min, before.min)
    # A distance in units of an infinite spread would be 0, and silent.
    return not math.isfinite(reach) or (method == "wasserstein" and not math.isfinite(before.std))


def _bounds(current: NumberProfile, before: NumberProfile) -> tuple[float, float]:
    """Return between which values the sketches know the distributions: further out lies half a per cent of each."""
    low = min(part.quantile(_TAIL) for part in (current, before))
    return low, max(part.quantile(1 - _TAIL) for part in (current, before))


def plain_p_value(current: ColumnProfile, before: ColumnProfile, method: Method) -> float:
    """Return the p-value of ``ks`` (two samples, two-sided) or ``chi2`` (against the reference's shares).

    Raises:
        ValueError: the method has none, or none for categories.
    """
    if method == "chi2":
        return _chi_square(*_cells(current, before))
    if method != "ks" or not (isinstance(current, NumberProfile) and isinstance(before, NumberProfile)):
        raise ValueError(f"method {method!r}: no p-value for these columns; use chi2")
    # Half a second to load, and wanted only by who asks for a p-value.
    from scipy import stats

    exact = not (current.sketch.is_estimation_mode() or before.sketch.is_estimation_mode())
    if exact and max(current.count, before.count) <= _EXACT_ROWS:
        return float(stats.ks_2samp(_sample(current), _sample(before)).pvalue)
    effective = current.count * before.count / (current.count + before.count)
    distance = ks_of_steps(*current.points(), *before.points()) - current.rank_error - before.rank_error
    return float(stats.kstwo.sf(max(0.0, distance), round(effective)))


def _sample(profile: NumberProfile) -> NDArray[np.float64]:
    values, weights = profile.points()
    return np.repeat(values, weights.astype(np.int64))


def _chi_square(live: Mapping[str, float], known: Mapping[str, float]) -> float:
    # As above: whoever wants no p-value does not wait for it.
    from scipy.special import chdtrc

    names = sorted({*live, *known})
    counts = np.array([live.get(name, 0.0) for name in names])
    statistic = chi_square_statistic(counts, np.array([known.get(name, 0.0) for name in names]))
    return float(chdtrc(max(len(names) - 1, 1), statistic)) if len(names) > 1 else 1.0


def _cells(current: ColumnProfile, before: ColumnProfile) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return how many values lie in each cell, of the window and of the reference."""
    if isinstance(current, CategoryProfile) and isinstance(before, CategoryProfile):
        return _counts(current), _counts(before)
    assert isinstance(current, NumberProfile)
    assert isinstance(before, NumberProfile)
    first, second = current.points(), before.points()
    if len(np.unique(second[0])) <= _FEW_VALUES:
        return _by_value(first), _by_value(second)
    rows = current.count + before.count
    edges = sturges_edges(min(current.min, before.min), max(current.max, before.max), rows)
    return _binned(first, edges), _binned(second, edges)


def _binned(points: Points, edges: NDArray[np.float64]) -> Mapping[str, float]:
    return {str(place): float(number) for place, number in enumerate(counts_between(*points, edges))}


def _by_value(points: Points) -> Mapping[str, float]:
    values, place = np.unique(points[0], return_inverse=True)
    return dict(zip(map(str, values.tolist()), np.bincount(place, weights=points[1]).tolist(), strict=True))


def _counts(profile: CategoryProfile) -> Mapping[str, float]:
    counts: dict[str, float] = {name: float(number) for name, number in profile.counts.items()}
    return {**counts, "(others)": float(profile.uncounted)} if profile.uncounted else counts
