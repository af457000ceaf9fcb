"""What a person says about their table, and what the proposal is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.core.enums import Encoding, Task
from trimtab.lake.inference import Finding

__all__ = ["Baseline", "Plan", "Wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for; None: find it out."""

    name: str
    target: str
    time: str | None = None
    key: str | None = None
    task: Task | None = None
    positive_class: str | None = None
    ignore: tuple[str, ...] = ()
    encoding: Encoding = Encoding.UTF_8


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a version must beat: a metric's value for somebody who learnt nothing, and how they would answer."""

    metric: str
    bound: float
    is_floor: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A proposal for one model.

    ``ignored``: column → why it is no feature. ``classes``: class → rows, most frequent first. ``notes``: what a person
    should know. ``rows_per_day`` is None without event times. ``skewed``: a number that grows by factors;
    ``heavy_tailed``: one whose few huge values, in both directions, outweigh all others.
    """

    wishes: Wishes
    source: str
    rows: int
    findings: Mapping[str, Finding]
    task: Task
    why_task: str
    metrics: tuple[str, ...]
    baseline: Baseline
    ignored: Mapping[str, str]
    unique: tuple[str, ...] = ()
    positive_class: str | None = None
    why_positive: str = ""
    classes: tuple[tuple[str, int], ...] = ()
    skewed: bool = False
    heavy_tailed: bool = False
    rows_per_day: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The model's name."""
        return self.wishes.name

    @property
    def features(self) -> tuple[str, ...]:
        """Columns to learn from; the time is one of them, for its hour, weekday and season."""
        not_features = {self.wishes.target, self.wishes.key, *self.ignored}
        return tuple(name for name in self.findings if name not in not_features)

    @property
    def rarest_share(self) -> float:
        """Share of the rarest class, 0..1; 1 where there are none."""
        return self.classes[-1][1] / self.rows if self.classes else 1.0

    def role_of(self, column: str) -> str:
        """Return what the column is for: target, key, time, feature, or ignored and why."""
        roles = {self.wishes.target: "target", self.wishes.time: "time", self.wishes.key: "key"}
        if column in roles:
            return roles[column]
        return f"ignored: {self.ignored[column]}" if column in self.ignored else "feature"
