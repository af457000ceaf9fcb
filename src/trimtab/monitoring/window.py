"""What a monitor is given: everything known of one variant in one window, and of the reference it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from trimtab.config.columns import ColumnContract
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task
from trimtab.measures.group_metrics import GroupShare
from trimtab.monitoring.answered import AnsweredRows, LabelledRows, PastLabels
from trimtab.monitoring.check import Window
from trimtab.monitoring.explained import Explain
from trimtab.monitoring.requests import RequestCounts
from trimtab.monitoring.sources import NumberReading
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile, merge_all
from trimtab.profiles.reference import Reference

__all__ = ["DeliveredRows", "LabelledRows", "WindowData"]


@dataclass(frozen=True, slots=True)
class DeliveredRows:
    """What was delivered of the endpoint from ``at_us`` on: ``rows``, those ``broken`` by the contract, and why."""

    at_us: int
    rows: int
    broken: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class WindowData:
    """One variant in one window. ``periods`` are sorted by start; ``columns`` are the contracts of the features.

    ``baseline_metrics`` are the version's metrics on its holdout; ``metrics`` names those to compute. Labelled rows
    lie in the window moved back by ``label_delay_us``, since the truth of the newest ones isn't known yet. ``state`` is
    what the monitor that is given this returned with the window before, None when it returned none. ``answers`` are all
    rows of the window itself, ``past`` earlier windows whose outcomes have changed: both only for a monitor that asks.
    ``delivered`` says how many rows broke the contract, by the time they were received, of all variants together; empty
    when nobody counted. ``requests`` is what the inference server counted of the variant, None when it told nothing;
    ``numbers`` are what queries gave, by monitor. ``calibration_error`` is that of the version's probabilities on rows
    that it had not seen, None when not measured. ``baseline_groups`` says how groups of such rows were answered, by
    what groups them, rate and group. ``explain`` tells what answers hang on, for a monitor that asks.
    """

    model: str
    endpoint: str
    variant: str
    model_version: int
    window: Window
    periods: tuple[PeriodProfile, ...]
    reference: Reference
    columns: Mapping[str, ColumnContract]
    labelled: LabelledRows | None
    baseline_metrics: Mapping[str, float]
    metrics: tuple[str, ...]
    task: Task
    positive_class: str | None
    label_delay_us: int = 0
    state: JsonObject | None = None
    answers: AnsweredRows | None = None
    past: PastLabels | None = None
    calibration_error: float | None = None
    delivered: tuple[DeliveredRows, ...] = ()
    requests: RequestCounts | None = None
    numbers: Mapping[str, NumberReading] = field(default_factory=dict)
    baseline_groups: Mapping[str, Mapping[str, Mapping[str, GroupShare]]] = field(default_factory=dict)
    explain: Explain | None = None

    @cached_property
    def current(self) -> Profile:
        """All periods of the window as one profile, merged once.

        Raises:
            DataContractError: a column holds numbers in one period and categories in another.
        """
        return merge_all(period.profile for period in self.periods)

    def narrowed(self, length_us: int) -> WindowData:
        """Return the last ``length_us`` of this window: the periods that start, and the labelled rows, in it.

        The window itself, if it is no longer than that. Of the labelled rows' ``answered`` the same part is taken as
        of the time.
        """
        start_us = self.window.end_us - length_us
        if start_us <= self.window.start_us:
            return self
        part = length_us / (self.window.end_us - self.window.start_us)
        return replace(
            self,
            window=Window(start_us, self.window.end_us),
            periods=tuple(period for period in self.periods if period.start_us >= start_us),
            labelled=self.labelled and self.labelled.since(start_us - self.label_delay_us, part),
            answers=None if self.answers is None else self.answers.since(start_us),
            delivered=tuple(part for part in self.delivered if part.at_us >= start_us),
        )
