"""Business numbers: whether what the model is for still comes out as it should."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.sources import Source
from trimtab.monitoring.window import WindowData

__all__ = ["BusinessMonitor", "BusinessSettings"]

_MOST_REMEMBERED: Final = 30
_LEAST_REMEMBERED: Final = 5
_EXAMPLE: Final[JsonDict] = {"type": "sql", "url": "sqlite:///shop.db", "query": "SELECT avg(bought) FROM visits"}


class BusinessSettings(MonitorSettings):
    """Whether a number from a database or from Prometheus is what it should be, e.g. conversion or revenue."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source": _EXAMPLE, "at_least": 0.02}]})

    type: Literal["business"] = "business"
    source: Source = Field(description="Where the number comes from.")
    at_least: float | None = Field(default=None, description="A smaller number is a breach.")
    at_most: float | None = Field(default=None, description="A larger number is a breach.")
    max_change: float | None = Field(
        default=None,
        gt=0,
        description="How far the number may lie from the median of its last windows, relative to it (0.3 = 30 %); five "
        "windows that do not overlap must have come before. Thirty in a row that are away from it, but agree, are "
        "taken as usual.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.at_least is None and self.at_most is None and self.max_change is None:
            raise ValueError("none of at_least, at_most and max_change is given; state from where on it is a breach")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is greater than at_most; no number is both")
        return self


@dataclass(frozen=True, slots=True)
class BusinessMonitor:
    """One check of the number that `WindowData.numbers` holds under the monitor's name.

    What cannot be read is INCONCLUSIVE with the reason. The median is of windows that came before and do not overlap;
    those in breach are no part of it, so that what has gone wrong does not become the usual. Only where thirty in a
    row, all that is remembered, changed too much and lie as near to each other as windows should, that is another
    level: the last of them says that it is taken as usual from then on. ``at_least`` and ``at_most`` hold all the same.
    """

    kind: ClassVar[str] = "business"
    settings_type: ClassVar[type[MonitorSettings]] = BusinessSettings

    settings: BusinessSettings

    def check(self, data: WindowData) -> Judged:
        """Return one check."""
        reading = data.numbers.get(self.settings.title)
        if reading is None or reading.value is None:
            why = "nobody asked for the number" if reading is None else reading.problem or "the query gave no number"
            finding = Finding(Verdict.INCONCLUSIVE, f"{self.settings.title}: {why}")
            return Judged((check_of(self.settings, data, finding),))
        past, away = _numbers(data.state, "past"), _numbers(data.state, "away")
        finding = self._finding(reading.value, [value for _, value in past])
        own = (data.window.end_us, reading.value)
        if finding.verdict is not Verdict.BREACH:
            past, away = _with(past, own, data), []
        elif finding.detail.get("changed"):
            away = _with(away, own, data)
            if self._agree([value for _, value in away]):
                finding, past, away = self._taken(reading.value, finding, away), away, []
        else:
            away = []
        state = {"past": [list(one) for one in past], "away": [list(one) for one in away]}
        return Judged((check_of(self.settings, data, finding),), state)

    def _agree(self, values: list[float]) -> bool:
        """Return whether enough windows in a row are as near to each other as windows should be."""
        level, change = median(values), self.settings.max_change or 0.0
        return len(values) >= _MOST_REMEMBERED and all(abs(value - level) <= change * abs(level) for value in values)

    def _taken(self, value: float, finding: Finding, away: list[tuple[int, float]]) -> Finding:
        """Say, once, that another level is the usual one from now on."""
        level = median(one for _, one in away)
        text = (
            f"{self.settings.title} is {value:g}, about {level:g} for {len(away)} windows in a row: that is taken as "
            f"usual from now on, no longer {finding.detail['usual']:g}"
        )
        detail: JsonObject = {**finding.detail, "taken": level}
        return Finding(Verdict.OK, text, value=value, threshold=finding.threshold, effect=0.0, detail=detail)

    def _finding(self, value: float, past: list[float]) -> Finding:
        settings, usual = self.settings, median(past) if len(past) >= _LEAST_REMEMBERED else None
        low, high, title = settings.at_least, settings.at_most, settings.title
        detail: JsonObject = {"usual": usual, "windows": len(past)}
        if low is not None and value < low:
            return _breach(f"{title} is {value:g}, less than {low:g}", value, low, detail)
        if high is not None and value > high:
            return _breach(f"{title} is {value:g}, more than {high:g}", value, high, detail)
        if settings.max_change is not None:
            if usual is None:
                text = f"{title} is {value:g}; {len(past)} windows came before, {_LEAST_REMEMBERED} say what is usual"
                return Finding(Verdict.INCONCLUSIVE, text, value=value, detail=detail)
            limit = usual + (1 if value > usual else -1) * settings.max_change * abs(usual)
            if abs(value - usual) > settings.max_change * abs(usual):
                text = f"{title} is {value:g}, {usual:g} is usual, and it may change by {settings.max_change:.0%}"
                return _breach(text, value, limit, {**detail, "changed": True})
            threshold = limit
        else:
            threshold = low if low is not None else high if high is not None else value
        text = f"{title} is {value:g}, as it should be"
        return Finding(Verdict.OK, text, value=value, threshold=threshold, effect=0.0, detail=detail)


def _breach(text: str, value: float, limit: float, detail: JsonObject) -> Finding:
    effect = abs(value - limit) / abs(limit) if limit else abs(value)
    return Finding(Verdict.BREACH, text, value=value, threshold=limit, effect=effect, detail=detail)


def _with(known: list[tuple[int, float]], own: tuple[int, float], data: WindowData) -> list[tuple[int, float]]:
    """Return ``known`` with this window's number, unless the window overlaps the last one."""
    if known and data.window.start_us < known[-1][0]:
        return known
    return [*known, own][-_MOST_REMEMBERED:]


def _numbers(state: JsonObject | None, name: str) -> list[tuple[int, float]]:
    told: Any = (state or {}).get(name, ())
    return [(int(end_us), float(value)) for end_us, value in told]
