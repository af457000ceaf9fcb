"""Errors: whether requests are answered, as the inference server counted them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

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
_REFUSED, _FAILED = 1, 2
_NO_COUNTS: Final = "the inference server tells no counts, or the window has long been over: it counts until now alone"

_MOST_COLUMNS: Final = 10
_MOST_TOLD: Final = 5
_ONE_IN: Final = 10
"""A column is told that one in so many of the refused requests was refused for: ten at most can be."""


class _Reading(NamedTuple):
    """What was answered, refused and failed until ``at_us``, however often counting began anew.

    ``columns``: how many were refused for each column, of the columns that any was refused for in the window.
    """

    at_us: int
    counts: tuple[int, int, int]
    columns: Mapping[str, int] = {}


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

    A BREACH of ``refused_share`` names in ``detail["refused_columns"]`` what at least a tenth of the refused requests
    were refused for, most often first, five columns at most.

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
        findings = [self._finding(name, place, readings, limit) for name, place, limit in self._limits()]
        kept = {
            "counts": list(_raw(data.requests)),
            "columns": dict(data.requests.refused_by_column),
            "readings": [_stored(one) for one in readings],
        }
        return Judged(tuple(check_of(self.settings, data, finding) for finding in findings), kept)

    def _limits(self) -> list[tuple[str, int, float]]:
        limits = (
            ("failed", _FAILED, self.settings.max_failed_share),
            ("refused", _REFUSED, self.settings.max_refused_share),
        )
        return [(f"{name}_share", place, limit) for name, place, limit in limits if limit is not None]

    def _finding(self, name: str, place: int, readings: Sequence[_Reading], limit: float) -> Finding:
        if len(readings) == 1:
            return _unknown(name, "requests are counted from now on")
        first, last = readings[0], readings[-1]
        hits, requests = last.counts[place] - first.counts[place], sum(last.counts) - sum(first.counts)
        if requests < self.settings.min_rows:
            return _unknown(name, f"{counted(requests, 'request')} in the window, {self.settings.min_rows} needed")
        share = hits / requests
        surely = _at_least(hits, requests)
        verdict = Verdict.OK if share <= limit else Verdict.BREACH if surely > limit else Verdict.INCONCLUSIVE
        told = (
            f"{name}: {hits} of {counted(requests, 'request')}, {share:.3g}, is {relation(verdict, 'above')} {limit:g}"
        )
        detail: JsonObject = {"metric": name, "requests": requests, "at_least": surely}
        if place == _REFUSED and verdict is Verdict.BREACH and (named := _named(first, last)):
            detail["refused_columns"] = list(named)
            told += f"; {', '.join(f'{count} for {column}' for column, count in named.items())}"
        return Finding(verdict, told, value=share, threshold=limit, effect=max(0.0, share - limit), detail=detail)


def _unknown(name: str, why: str) -> Finding:
    return Finding(Verdict.INCONCLUSIVE, f"{name}: {why}", detail={"metric": name})


def _named(first: _Reading, last: _Reading) -> dict[str, int]:
    """Return for which columns requests were refused between two readings, and how many, those most refused for first.

    >>> _named(_Reading(0, (0, 5, 0), {"age": 5}), _Reading(1, (0, 105, 0), {"age": 15, "sex": 81, "bmi": 9}))
    {'sex': 81, 'age': 10}
    """
    refused = last.counts[_REFUSED] - first.counts[_REFUSED]
    return dict([(column, count) for column, count in _risen(first, last) if count * _ONE_IN >= refused][:_MOST_TOLD])


def _risen(first: _Reading, last: _Reading) -> list[tuple[str, int]]:
    risen = [(column, count - first.columns.get(column, 0)) for column, count in last.columns.items()]
    return sorted(((column, count) for column, count in risen if count > 0), key=lambda one: (-one[1], one[0]))


def _with_new(state: JsonObject, counts: RequestCounts, length_us: int) -> list[_Reading]:
    """Return the readings of the window and the last before it, with the new one; one alone is the first ever."""
    before = _readings(state.get("readings", ()))
    if not before:
        return [_Reading(counts.at_us, (0, 0, 0))]
    newest = before[-1]
    added = _after(newest, counts, state)
    start_us = added.at_us - length_us
    older = [one for one in before if one.at_us <= start_us][-1:]
    readings = [*_thinned(older + [one for one in before if one.at_us > start_us], length_us), added]
    # Of what was not refused for in the window, nothing needs to be remembered; else nothing would ever be forgotten.
    wanted = [column for column, _ in _risen(readings[0], added)[:_MOST_COLUMNS]]
    return [
        one._replace(columns={column: one.columns[column] for column in wanted if one.columns.get(column)})
        for one in readings
    ]


def _after(newest: _Reading, counts: RequestCounts, state: JsonObject) -> _Reading:
    """Return the reading after ``newest``, of what ``counts`` tells beyond the sums of the look before."""
    told = _raw(counts)
    known = state.get("counts") or told
    # A sum that has fallen was begun anew: all of it came since.
    anew = any(now < then for now, then in zip(told, known, strict=True))
    come = told if anew else [now - then for now, then in zip(told, known, strict=True)]
    # A state from before columns were counted says nothing of when those came that are told now.
    by_column = counts.refused_by_column
    known_columns = state.get("columns", by_column)
    columns = dict(newest.columns)
    for column, now in by_column.items():
        then = known_columns.get(column, 0)
        columns[column] = columns.get(column, 0) + (now if anew or now < then else now - then)
    answered, refused, failed = (then + more for then, more in zip(newest.counts, come, strict=True))
    return _Reading(max(counts.at_us, newest.at_us), (answered, refused, failed), columns)


def _thinned(readings: Sequence[_Reading], length_us: int) -> list[_Reading]:
    """Leave out readings that lie close together: what is remembered stays small however often one looks."""
    kept = list(readings[:1])
    kept += [one for one, before in zip(readings[1:], readings, strict=False) if _apart(one, before, length_us)]
    return kept if len(kept) <= _MOST_READINGS else [kept[0], *kept[1 - _MOST_READINGS :]]


def _apart(one: _Reading, before: _Reading, length_us: int) -> bool:
    bucket_us = max(1, length_us // (_MOST_READINGS // 2))
    return one.at_us // bucket_us != before.at_us // bucket_us


def _readings(told: Any) -> list[_Reading]:
    return [_Reading(int(one[0]), (int(one[1]), int(one[2]), int(one[3])), *one[4:]) for one in told]


def _stored(reading: _Reading) -> list[Any]:
    """Return a reading as JSON: its moment and three counts, and behind them the columns, where there are any."""
    numbers = [reading.at_us, *reading.counts]
    return [*numbers, dict(reading.columns)] if reading.columns else numbers


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
