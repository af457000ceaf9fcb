"""Fairness: whether groups are answered alike, and as they were on rows that the version had not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator, model_validator

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task, Verdict
from trimtab.core.wording import counted
from trimtab.measures.group_metrics import (
    FAIRNESS_METRICS,
    Disparity,
    FairnessMetric,
    GroupShare,
    Rate,
    disparity,
    groups_of,
    rate_shares,
)
from trimtab.monitoring.answered import delivered_name
from trimtab.monitoring.base import Finding, Judged, check_of, relation
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["FairnessMonitor", "FairnessSettings", "Group", "GroupOrigin"]

Shares = Mapping[Rate, Mapping[str, GroupShare]]

_DIFFERENCES = tuple(name for name, metric in FAIRNESS_METRICS.items() if not metric.is_ratio)
_USUAL = ("demographic_parity_difference", "equalized_odds_difference")


class GroupOrigin(StrEnum):
    """Where the values of a group's column are."""

    FEATURES = "features"
    DELIVERIES = "deliveries"


class Group(Strict):
    """By what rows are grouped."""

    column: str = Field(min_length=1, description="The column whose values are the groups.")
    origin: GroupOrigin = Field(
        default=GroupOrigin.FEATURES,
        alias="from",
        description="Where its values are: among the features of the records, or in delivered tables, found by the "
        "model's key. A column that the model must not see can only come from there.",
    )
    edges: tuple[float, ...] = Field(
        default=(), description="Of numbers: where groups end, ascending; [25, 60] makes three."
    )

    @field_validator("edges")
    @classmethod
    def _ascending(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if not all(math.isfinite(edge) for edge in edges) or any(low >= high for low, high in pairwise(edges)):
            raise ValueError(f"edges {list(edges)} must be ascending numbers; e.g. [25, 60]")
        return edges


class FairnessSettings(MonitorSettings):
    """Whether groups are answered alike: demographic parity, equalised odds, equal opportunity."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"group": {"column": "pain"}, "limits": {"demographic_parity_difference": 0.2}, "max_increase": 0.1}
            ]
        }
    )

    type: Literal["fairness"] = "fairness"
    group: Group = Field(description="By what rows are grouped.")
    limits: dict[str, float] = Field(
        default_factory=dict, description="Largest differences, or smallest ratios, between two groups, by metric."
    )
    max_increase: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="By how much a difference may be larger than on rows that the version had not seen, for "
        "demographic parity, equalised odds and each difference named in limits.",
    )
    favourable: str | None = Field(
        default=None, description="The class that people want to be answered; default: the model's positive class."
    )
    min_group: int = Field(
        default=30, ge=2, description="A group with fewer rows (for odds: fewer of that outcome) is listed, not judged."
    )
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Chance of a breach where no group differs so much.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [name for name in self.limits if name not in FAIRNESS_METRICS]
        if unknown:
            raise ValueError(f"limits names {unknown}; expected metrics among {', '.join(FAIRNESS_METRICS)}")
        outside = {name: limit for name, limit in self.limits.items() if not 0 <= limit <= 1}
        if outside:
            raise ValueError(f"limits {outside} lie outside 0..1; give differences and ratios of shares")
        if not self.limits and self.max_increase is None:
            raise ValueError("neither limits nor max_increase is given; state from where on a difference is a breach")
        return self

    @property
    def row_columns(self) -> tuple[str, ...]:
        """The group's column, where it is a feature."""
        return (self.group.column,) if self.group.origin is GroupOrigin.FEATURES else ()

    @property
    def delivered_columns(self) -> tuple[str, ...]:
        """The group's column, where it comes with delivered tables."""
        return (self.group.column,) if self.group.origin is GroupOrigin.DELIVERIES else ()

    @property
    def group_key(self) -> str:
        """What a bundle calls these groups: the same column cut otherwise is another grouping."""
        edges = ",".join(f"{edge:g}" for edge in self.group.edges)
        return f"{self.group.column}[{edges}]={self.favourable or ''}"


@dataclass(frozen=True, slots=True)
class FairnessMonitor:
    """One check a metric and limit, named in ``detail["metric"]``; an increase has ``_increase`` behind the name.

    BREACH when the bound of the metric lies beyond the limit too: with groups that are alike that happens in at most a
    share ``alpha`` of the windows, however many pairs of groups there are. Beyond the limit with a bound that is not is
    INCONCLUSIVE. Groups with fewer than ``min_group`` rows are in ``detail["groups"]``, and are not judged.
    """

    kind: ClassVar[str] = "fairness"
    settings_type: ClassVar[type[MonitorSettings]] = FairnessSettings

    settings: FairnessSettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each metric that has a limit; one where nothing can be judged."""
        return Judged(tuple(check_of(self.settings, data, finding) for finding in self._findings(data)))

    def _findings(self, data: WindowData) -> list[Finding]:
        column = self.settings.group.column
        favourable = self.settings.favourable or data.positive_class
        if data.task is Task.REGRESSION or favourable is None:
            text = "no favourable class: fairness is judged of classes; name one under favourable"
            return [Finding(Verdict.INCONCLUSIVE, text)]
        shares = self._shares(data, favourable)
        if shares is None:
            where, hint = ("records", "what model.yaml ignores is in no record: have it come 'from: deliveries'")
            if self.settings.delivered_columns:
                where, hint = "delivered tables", "records are found there by the key of model.yaml, their record_key"
            text = f"groups by {column}: the {where} of the window hold no such column, or no row; {hint}"
            return [Finding(Verdict.INCONCLUSIVE, text)]
        rows = 0 if data.answers is None else data.answers.answered
        if rows < self.settings.min_rows:
            text = f"{counted(rows, 'answer')} in the window, {self.settings.min_rows} needed"
            return [Finding(Verdict.INCONCLUSIVE, text)]
        names = [*self.settings.limits]
        findings = [self._limited(name, self.settings.limits[name], shares) for name in names]
        if self.settings.max_increase is not None:
            grown = dict.fromkeys([*_USUAL, *(name for name in names if name in _DIFFERENCES)])
            findings += [self._increased(name, self.settings.max_increase, shares, data) for name in grown]
        return findings

    def _shares(self, data: WindowData, favourable: str) -> dict[Rate, dict[str, GroupShare]] | None:
        """Return all groups' shares: of selection of all answers, of odds of the labelled ones."""
        if data.answers is None or not len(data.answers):
            return None
        all_rows = self._grouped(data.answers.columns)
        if all_rows is None:
            return None
        found = rate_shares(*all_rows, data.answers.prediction == favourable, None, (Rate.SELECTION,))
        rows = data.labelled
        none_known: dict[Rate, dict[str, GroupShare]] = {Rate.TRUE_POSITIVE: {}, Rate.FALSE_POSITIVE: {}}
        labelled = None if rows is None or not len(rows.truth) else self._grouped(rows.columns)
        if rows is None or labelled is None:
            return {**found, **none_known}
        right = rows.truth == favourable
        return found | rate_shares(*labelled, rows.prediction == favourable, right, tuple(none_known))

    def _grouped(self, columns: Mapping[str, NDArray[Any]]) -> tuple[list[str], NDArray[np.int64]] | None:
        group = self.settings.group
        name = group.column if group.origin is GroupOrigin.FEATURES else delivered_name(group.column)
        values = columns.get(name)
        if values is None or (group.edges and values.dtype.kind not in "fiub"):
            return None
        return groups_of(values, group.edges)

    def _limited(self, name: str, limit: float, shares: Shares) -> Finding:
        metric = FAIRNESS_METRICS[name]
        detail: JsonObject = {"metric": name, "group": self.settings.group.column, "groups": _listed(metric, shares)}
        judged = self._enough(shares)
        missing = self._too_few(metric, judged)
        if missing:
            return Finding(Verdict.INCONCLUSIVE, f"{self._named(name)}: {missing}", detail=detail)
        found = disparity(metric, judged, alpha=self.settings.alpha)
        bound = found.high if metric.is_ratio else found.low
        verdict = _verdict(metric, found.value, bound, limit)
        text = f"{self._told(name, found, judged, metric)} {_relation(metric, verdict)} {limit:.4g}"
        effect = (limit - found.value) if metric.is_ratio else found.value
        return Finding(verdict, text, None, found.value, limit, effect, detail | _bounds(found))

    def _increased(self, name: str, limit: float, shares: Shares, data: WindowData) -> Finding:
        metric = FAIRNESS_METRICS[name]
        groups = _listed(metric, shares)
        detail: JsonObject = {"metric": f"{name}_increase", "group": self.settings.group.column, "groups": groups}
        before = data.baseline_groups.get(self.settings.group_key)
        if before is None:
            text = f"{self._named(name)}: the version was made before these groups were watched: retrain once"
            return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
        now, then = self._enough(shares), self._enough({Rate(rate): groups for rate, groups in before.items()})
        # Only groups that were there both times can have drifted apart.
        both = {rate: now[rate].keys() & then.get(rate, {}).keys() for rate in now}
        now = {rate: {group: now[rate][group] for group in sorted(kept)} for rate, kept in both.items()}
        then = {rate: {group: then[rate][group] for group in sorted(kept)} for rate, kept in both.items() if kept}
        missing = self._too_few(metric, now)
        if missing:
            return Finding(Verdict.INCONCLUSIVE, f"{self._named(name)}: {missing}", detail=detail)
        found = disparity(metric, now, alpha=self.settings.alpha)
        old = disparity(metric, then, alpha=self.settings.alpha)
        increase = found.value - old.value
        bound = increase - math.hypot(found.value - found.low, old.high - old.value)
        verdict = _verdict(metric, increase, bound, limit)
        text = (
            f"{self._told(name, found, now, metric)}; it was {old.value:.4g} on rows that the version had not seen: "
            f"an increase of {increase:.4g} {_relation(metric, verdict)} {limit:.4g}"
        )
        return Finding(
            verdict, text, None, increase, limit, increase, {**detail, **_bounds(found), "baseline": old.value}
        )

    def _enough(self, shares: Shares) -> dict[Rate, dict[str, GroupShare]]:
        least = self.settings.min_group
        return {
            rate: {group: share for group, share in groups.items() if share.rows >= least and group != "missing"}
            for rate, groups in shares.items()
        }

    def _too_few(self, metric: FairnessMetric, judged: Shares) -> str:
        for rate in metric.rates:
            groups = judged.get(rate, {})
            if len(groups) < 2:
                only = f"only {', '.join(groups)}" if groups else "no group"
                return f"{only} has {self.settings.min_group} rows for the {_words(rate)}; two groups are needed"
        return ""

    def _named(self, name: str) -> str:
        return f"{_words(name)} by {self.settings.group.column}"

    def _told(self, name: str, found: Disparity, judged: Shares, metric: FairnessMetric) -> str:
        groups = judged[found.rate]
        bound = f"at most {found.high:.4g}" if metric.is_ratio else f"at least {found.low:.4g}"
        return (
            f"{self._named(name)} is {found.value:.4g} (surely {bound}): {_words(found.rate)} "
            f"{groups[found.lowest].value:.4g} of {found.lowest}, {groups[found.highest].value:.4g} of {found.highest};"
        )


def _verdict(metric: FairnessMetric, value: float, bound: float, limit: float) -> Verdict:
    if not math.isfinite(value):
        return Verdict.INCONCLUSIVE
    if not metric.exceeded(value, limit):
        return Verdict.OK
    return Verdict.BREACH if metric.exceeded(bound, limit) else Verdict.INCONCLUSIVE


def _relation(metric: FairnessMetric, verdict: Verdict) -> str:
    return relation(verdict, "below" if metric.is_ratio else "above")


def _bounds(found: Disparity) -> JsonObject:
    return {"low": found.low, "high": found.high, "rate": found.rate.value, "between": [found.lowest, found.highest]}


def _listed(metric: FairnessMetric, shares: Shares) -> list[JsonObject]:
    return [
        {"group": group, "rate": rate.value, "value": share.value, "rows": share.rows}
        for rate in metric.rates
        for group, share in shares.get(rate, {}).items()
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")
