"""Errors: whether requests are answered, as the inference server counted them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding, Judged, check_of, relation
from trimtab.monitoring.requests import RequestCounts
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["ErrorsMonitor", "ErrorsSettings"]

_ONE_SIDED_99: Final = 2.326
_MOST_READINGS: Final = 400
_NO_COUNTS: Final = "the inference server tells no counts, or the window has long been over: it counts until now alone"

_Reading = tuple[int, int, int, int]
"""Moment in microseconds, and what was answered, refused and failed until then, however often counting began anew."""


class ErrorsSettings(MonitorSettings):
    """Whether requests are answered: shares of those that failed (5xx) or were refused (4xx), by variant.

    ``min_rows`` counts requests here.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_failed_share": 0.01, "max_refused_share": 0.1}]})

    type: Literal["errors"] = "errors"
    max_failed_share: float | None = Field(
        default=0.01, ge=0, lt=1, description="Largest share of requests that the server failed to answer (5xx)."
    )
    max_refused_share: float | None = Field(
        default=None, ge=0, lt=1, description="Largest share of requests that were refused as wrong (4xx)."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_failed_share is None and self.max_refused_share is None:
            raise ValueError("neither max_failed_share nor max_refused_share is given; state a limit")
        return self


@dataclass(frozen=True, slots=True)
class ErrorsMonitor:
    """One check a limit, on what was counted in the window; ``detail["metric"]`` names it.

    Servers tell sums since they began: the monitor remembers those of earlier looks and takes differences. A sum that
    has fallen says that its server has begun anew, and counts from zero. BREACH when the share surely exceeds its limit
    (Wilson's lower bound of one side at 1 % [1]_), OK when it does not, INCONCLUSIVE in between.

    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """

    kind: ClassVar[str] = "errors"
    settings_type: ClassVar[type[MonitorSettings]] = ErrorsSettings

    settings: ErrorsSettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each share that has a limit."""
        if data.requests is None:
            findings = [_unknown(name, _NO_COUNTS) for name, _, _ in self._limits()]
            return Judged(tuple(check_of(self.settings, data, finding) for finding in findings))
        length_us = data.window.end_us - data.window.start_us
        readings = _with_new(data.state or {}, data.requests, length_us)
        first, last = readings[0], readings[-1]
        requests = sum(last[1:]) - sum(first[1:])
        findings = [
            self._finding(name, last[place] - first[place], requests, limit, since=len(readings) == 1)
            for name, place, limit in self._limits()
        ]
        kept = {"counts": list(_raw(data.requests)), "readings": [list(one) for one in readings]}
        return Judged(tuple(check_of(self.settings, data, finding) for finding in findings), kept)

    def _limits(self) -> list[tuple[str, int, float]]:
        limits = (("failed", 3, self.settings.max_failed_share), ("refused", 2, self.settings.max_refused_share))
        return [(f"{name}_share", place, limit) for name, place, limit in limits if limit is not None]

    def _finding(self, name: str, hits: int, requests: int, limit: float, *, since: bool) -> Finding:
        if since:
            return _unknown(name, "requests are counted from now on")
        if requests < self.settings.min_rows:
            return _unknown(name, f"{counted(requests, 'request')} in the window, {self.settings.min_rows} needed")
        share = hits / requests
        surely = _at_least(hits, requests)
        verdict = Verdict.OK if share <= limit else Verdict.BREACH if surely > limit else Verdict.INCONCLUSIVE
        return Finding(
            verdict,
            f"{name}: {hits} of {counted(requests, 'request')}, {share:.3g}, is {relation(verdict, 'above')} {limit:g}",
            value=share,
            threshold=limit,
            effect=max(0.0, share - limit),
            detail={"metric": name, "requests": requests, "at_least": surely},
        )


def _unknown(name: str, why: str) -> Finding:
    return Finding(Verdict.INCONCLUSIVE, f"{name}: {why}", detail={"metric": name})


def _with_new(state: JsonObject, counts: RequestCounts, length_us: int) -> list[_Reading]:
    """Return the readings of the window and the last before it, with the new one; one alone is the first ever."""
    before, told = _readings(state.get("readings", ())), _raw(counts)
    known = state.get("counts") or told
    if not before:
        return [(counts.at_us, 0, 0, 0)]
    # A sum that has fallen was begun anew: all of it came since.
    anew = any(now < then for now, then in zip(told, known, strict=True))
    come = told if anew else tuple(now - then for now, then in zip(told, known, strict=True))
    newest = before[-1]
    at_us = max(counts.at_us, newest[0])
    added = (at_us, newest[1] + come[0], newest[2] + come[1], newest[3] + come[2])
    start_us = at_us - length_us
    older = [one for one in before if one[0] <= start_us][-1:]
    return [*_thinned(older + [one for one in before if one[0] > start_us], length_us), added]


def _thinned(readings: Sequence[_Reading], length_us: int) -> list[_Reading]:
    """Leave out readings that lie close together: what is remembered stays small however often one looks."""
    kept = list(readings[:1])
    kept += [one for one, before in zip(readings[1:], readings, strict=False) if _apart(one, before, length_us)]
    return kept if len(kept) <= _MOST_READINGS else [kept[0], *kept[1 - _MOST_READINGS :]]


def _apart(one: _Reading, before: _Reading, length_us: int) -> bool:
    bucket_us = max(1, length_us // (_MOST_READINGS // 2))
    return one[0] // bucket_us != before[0] // bucket_us


def _readings(told: Any) -> list[_Reading]:
    return [(int(one[0]), int(one[1]), int(one[2]), int(one[3])) for one in told]


def _raw(counts: RequestCounts) -> tuple[int, int, int]:
    return counts.answered, counts.refused, counts.failed


def _at_least(hits: int, requests: int) -> float:
    """Return the least share that ``hits`` of ``requests`` are compatible with, at 1 %.

    >>> round(_at_least(30, 1000), 4), _at_least(0, 10)
    (0.0198, 0.0)
    """
    share, spread = hits / requests, _ONE_SIDED_99**2 / requests
    half = _ONE_SIDED_99 * math.sqrt(share * (1 - share) / requests + spread / (4 * requests))
    return max(0.0, (share + spread / 2 - half) / (1 + spread))
