"""What a monitor is given: everything known of one variant in one window, and of the reference it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import Task
from trimtab.monitoring.check import Window
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile, merge_all
from trimtab.profiles.reference import Reference

__all__ = ["LabelledRows", "WindowData"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Rows of the window whose true outcome is known: arrays ``(n,)`` in order of event time.

    Classes are strings, numbers floats; ``probability`` is None where the model gives none. ``answered`` counts all
    rows that were answered in the window, labelled or not.
    """

    truth: NDArray[Any]
    prediction: NDArray[Any]
    probability: NDArray[Any] | None
    event_us: NDArray[Any]
    answered: int

    @property
    def coverage(self) -> float:
        """Share of the answered rows whose truth is known; NaN when none was answered."""
        return len(self.truth) / self.answered if self.answered else float("nan")

    def since(self, start_us: int, part: float) -> LabelledRows:
        """Return the rows that happened at ``start_us`` or later, taken to be of ``part`` of the answered ones."""
        kept = self.event_us >= start_us
        chances = None if self.probability is None else self.probability[kept]
        answered = max(int(kept.sum()), round(self.answered * part))
        return LabelledRows(self.truth[kept], self.prediction[kept], chances, self.event_us[kept], answered)


@dataclass(frozen=True, eq=False)
class WindowData:
    """One variant in one window. ``periods`` are sorted by start; ``columns`` are the contracts of the features.

    ``baseline_metrics`` are the version's metrics on its holdout; ``metrics`` names those to compute. Labelled rows
    lie in the window moved back by ``label_delay_us``, since the truth of the newest ones isn't known yet.
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
        )
