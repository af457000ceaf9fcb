"""What a monitor is given: everything known of one variant in one window, and of the reference it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

__all__ = ["DeliveredRows", "LabelledRows", "TrafficShare", "WindowData"]


@dataclass(frozen=True, slots=True)
class DeliveredRows:
    """What was delivered of the endpoint from ``at_us`` on: ``rows``, those ``broken`` by the contract, and why."""

    at_us: int
    rows: int
    broken: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TrafficShare:
    """How many percent of the callers a variant has, and since when it has as many without a pause."""

    pct: float
    since_us: int


@dataclass(frozen=True, eq=False)
class WindowData:
    """One variant in one window. ``periods`` are sorted by start; ``columns`` are the contracts of the features.

    ``baseline_metrics`` are the version's metrics on its holdout; ``metrics`` names those to compute. ``state`` is
    what the monitor that is given this returned with the window before, None when it returned none. Rows are read when
    a monitor asks for them, for its own window alone, and within its time limit: ``labelled_in`` and ``answers_in``
    return those of a window, ``look_back`` the past windows whose outcomes have changed; what they raise is the failure
    of the monitor that asked. ``finest_in`` returns the profiles of all of the window by the shortest periods, where
    ``periods`` are longer ones.
    ``delivered`` says how many rows broke the contract, by the time they were received, of all variants together; empty
    when nobody counted. ``requests`` is what the inference server counted of the variant, None when it told nothing;
    ``numbers`` are what queries gave, by monitor. ``calibration_error`` is that of the version's probabilities on rows
    that it had not seen, None when not measured. ``baseline_groups`` says how groups of such rows were answered, by
    what groups them, rate and group. ``explain`` tells what answers hang on, for a monitor that asks. ``share`` is the
    variant's share of the callers at the window's end, None when it has none, or nobody knows. ``is_over`` is False
    while rows of the window may still happen. ``period_us`` is how long the shortest periods are, 0 where nobody knows.
    """

    model: str
    endpoint: str
    variant: str
    model_version: int
    window: Window
    periods: tuple[PeriodProfile, ...]
    reference: Reference
    columns: Mapping[str, ColumnContract]
    baseline_metrics: Mapping[str, float]
    metrics: tuple[str, ...]
    task: Task
    positive_class: str | None
    label_delay_us: int = 0
    state: JsonObject | None = None
    labelled_in: Callable[[Window], LabelledRows] | None = None
    answers_in: Callable[[Window], AnsweredRows] | None = None
    look_back: Callable[[], PastLabels | None] | None = None
    finest_in: Callable[[], tuple[PeriodProfile, ...]] | None = None
    calibration_error: float | None = None
    delivered: tuple[DeliveredRows, ...] = ()
    requests: RequestCounts | None = None
    numbers: Mapping[str, NumberReading] = field(default_factory=dict)
    baseline_groups: Mapping[str, Mapping[str, Mapping[str, GroupShare]]] = field(default_factory=dict)
    explain: Explain | None = None
    share: TrafficShare | None = None
    is_over: bool = True
    period_us: int = 0

    @cached_property
    def labelled(self) -> LabelledRows | None:
        """Rows whose outcome is known, of the window moved back by ``label_delay_us``; read when first asked for.

        The truth of the newest rows isn't known yet. None where nobody reads any.
        """
        if self.labelled_in is None:
            return None
        return self.labelled_in(
            Window(self.window.start_us - self.label_delay_us, self.window.end_us - self.label_delay_us)
        )

    @cached_property
    def answers(self) -> AnsweredRows | None:
        """What was answered in the window itself; read when first asked for. None where nobody reads any."""
        return None if self.answers_in is None else self.answers_in(self.window)

    @cached_property
    def past(self) -> PastLabels | None:
        """Earlier windows whose outcomes have come or changed; read when first asked for. None where nobody does."""
        return None if self.look_back is None else self.look_back()

    @cached_property
    def finest(self) -> tuple[PeriodProfile, ...]:
        """The same rows in the shortest periods that are kept, for saying since when; read when first asked for."""
        if self.finest_in is None or not self.periods:
            return self.periods
        first_us, last_us = self.periods[0].start_us, max(period.end_us for period in self.periods)
        inside = (one for one in self.finest_in() if one.start_us >= first_us and one.end_us <= last_us)
        return tuple(inside) or self.periods

    @cached_property
    def current(self) -> Profile:
        """All periods of the window as one profile, merged once.

        Raises:
            DataContractError: a column holds numbers in one period and categories in another.
        """
        return merge_all(period.profile for period in self.periods)

    def narrowed(self, length_us: int) -> WindowData:
        """Return the last ``length_us`` of this window: the periods that start in it.

        The window itself, if it is no longer than that.
        """
        start_us = self.window.end_us - length_us
        if start_us <= self.window.start_us:
            return self
        return replace(
            self,
            window=Window(start_us, self.window.end_us),
            periods=tuple(period for period in self.periods if period.start_us >= start_us),
            delivered=tuple(part for part in self.delivered if part.at_us >= start_us),
        )
