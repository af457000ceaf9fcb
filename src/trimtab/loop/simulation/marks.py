"""What is known to be wrong in a table that was played: was it found, how soon, and was it called by its name?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from trimtab.config.durations import format_duration
from trimtab.config.loading import Strict, load_yaml
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.planted_cause import CALLED, PlantedCause

__all__ = ["Mark", "found_of", "read_marks"]

_Breach = tuple[str, str | None]


class Mark(Strict):
    """One fault: from when to when rows have it, and what it is, as far as that is known."""

    since: datetime = Field(alias="from", description="When the first row has it; UTC without an offset.")
    until: datetime = Field(alias="to", description="When no row has it any more.")
    cause: PlantedCause | None = Field(default=None, description="What it is; without, only whether it is found.")
    column: str | None = Field(default=None, description="The column that it is in.")

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.until <= self.since:
            raise ValueError(f"to {self.until:%Y-%m-%d %H:%M} is not after from; swap them")
        return self


class _Marks(Strict):
    planted: tuple[Mark, ...] = Field(min_length=1, description="The faults.")


def read_marks(path: Path) -> tuple[Mark, ...]:
    """Return the faults that the YAML file names, in order of time.

    Raises:
        ConfigError: the file cannot be read, or an entry does not fit.
    """
    return tuple(sorted(load_yaml(path, _Marks).value.planted, key=lambda mark: mark.since))


def found_of(checks: Sequence[JsonObject], marks: Sequence[Mark], *, lasts: timedelta) -> list[JsonObject]:
    """Return what became of each mark, by the ``checks`` of ``simulation.json``.

    A fault is found by the first run, up to ``lasts`` after its end or to the next fault's beginning, with a breach
    that did not stand when it began. ``lasts`` is how long a window still holds its rows, and their outcomes come.
    """
    runs: dict[datetime, list[JsonObject]] = defaultdict(list)
    for check in checks:
        runs[datetime.fromisoformat(check["at"])].append(check)
    nexts = [*(mark.since for mark in marks[1:]), datetime.max.replace(tzinfo=UTC)]
    return [_found(runs, mark, min(mark.until + lasts, nexts[place])) for place, mark in enumerate(marks)]


def _found(runs: Mapping[datetime, Sequence[JsonObject]], mark: Mark, until: datetime) -> JsonObject:
    earlier = [at for at in sorted(runs) if at <= mark.since]
    standing = _breaches(runs[earlier[-1]]) if earlier else frozenset()
    news = {at: _breaches(runs[at]) - standing for at in sorted(runs) if mark.since < at <= until}
    seen = [at for at in news if news[at]]
    named = [at for at in seen if _is_named(mark, runs[at], news[at])]
    return {
        "from": mark.since.isoformat(),
        "to": mark.until.isoformat(),
        "cause": None if mark.cause is None else mark.cause.value,
        "column": mark.column,
        "detected": bool(seen),
        "detected_by": sorted({monitor for monitor, _ in news[seen[0]]}) if seen else [],
        "delay": format_duration(seen[0] - mark.since) if seen else None,
        "named": None if mark.cause is None else bool(named),
        "named_after": format_duration(named[0] - mark.since) if named else None,
    }


def _breaches(run: Sequence[JsonObject]) -> frozenset[_Breach]:
    return frozenset((check["monitor"], check["column"]) for check in run if check["verdict"] == Verdict.BREACH)


def _is_named(mark: Mark, run: Sequence[JsonObject], news: frozenset[_Breach]) -> bool:
    """Return whether a new breach says what it is; where inputs show nothing: that quality fell and they stayed."""
    fresh = [check for check in run if (check["monitor"], check["column"]) in news]
    kind = None if mark.cause is None else CALLED.get(mark.cause)
    if kind is not None:
        return any(_names(cause, kind, mark.column) for check in fresh for cause in check["causes"])
    drifted = any(check["kind"] == "data_drift" and check["verdict"] == Verdict.BREACH for check in run)
    return mark.cause is not None and not drifted and any(check["kind"] == "model_quality" for check in fresh)


def _names(cause: Mapping[str, Any], kind: str, column: str | None) -> bool:
    return cause["kind"] == kind and column in {None, cause["column"]}
