"""Data quality: whether inputs are complete, known, in range, and come at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from pydantic import Field

from trimtab.config.columns import ColumnContract
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.causes import name_causes, unknown_share
from trimtab.monitoring.row_quality import duplicates, usual_volume, violations, volume
from trimtab.monitoring.sameness import greatest_share, most_frequent
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.volume_memory import VolumeMemory, remembered
from trimtab.monitoring.window import WindowData
from trimtab.profiles.categories import MAX_VALUES, CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile, is_number

__all__ = ["DataQualityMonitor", "DataQualitySettings"]

_NO_REFERENCE: Final = "the reference has no such column"


@dataclass(frozen=True, slots=True)
class _Problem:
    """A share of rows with one kind of fault, and how large it may be."""

    kind: str
    share: float
    limit: float
    text: str


class DataQualitySettings(MonitorSettings):
    """Whether inputs are complete, known, in range, and come at all."""

    type: Literal["data_quality"] = "data_quality"
    max_missing_share: float = Field(
        default=0.05, ge=0, le=1, description="Missing values tolerated beyond the reference's share."
    )
    max_unseen_share: float = Field(default=0.05, ge=0, le=1, description="Rows tolerated with an unknown category.")
    max_out_of_range_share: float = Field(
        default=0.05, ge=0, le=1, description="Rows tolerated outside the contract's min and max, or infinite."
    )
    max_duplicate_share: float = Field(
        default=0.25, ge=0, le=1, description="Rows tolerated that repeat others in all features, beyond the reference."
    )
    max_violation_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Rows tolerated that broke the contract, of those delivered in the window.",
    )
    min_volume: int = Field(default=0, ge=0, description="Rows that a window must have; fewer are a breach.")
    volume_factor: float | None = Field(
        default=None,
        gt=1,
        description="By how much a window's rows may fall below the fewest, or exceed the most, of the reference's "
        "windows at the same part of the week, or, where it has no times, of earlier ones; not judged if not given, "
        "e.g. since the model learnt from a sample.",
    )


@dataclass(frozen=True, slots=True)
class DataQualityMonitor:
    """One check a column of its worst fault; then, with ``column`` None, of the rows: repeated, broken, how many.

    Faults of a column: values missing beyond the reference's share, categories that neither contract nor reference
    knows, numbers outside the contract's range or infinite, or one number far more often than in any window of the
    reference; a column that is absent or of another type. All of a column's shares stand in ``detail["shares"]``. What
    the reference lacks is INCONCLUSIVE where it is no BREACH: nothing says what usually stands in it. How many rows
    usually come is remembered where ``volume_factor`` is given, and the reference does not say it (`VolumeMemory`).
    """

    kind: ClassVar[str] = "data_quality"
    settings_type: ClassVar[type[MonitorSettings]] = DataQualitySettings

    settings: DataQualitySettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each column, and those of the rows; that of the volume last."""
        came, state = self._volume(data)
        findings = [*(self._column(data, name) for name in data.columns), *self._rows(data), came]
        return Judged(tuple(check_of(self.settings, data, finding) for finding in findings), state)

    def _rows(self, data: WindowData) -> Iterator[Finding]:
        settings = self.settings
        yield duplicates(data, most=settings.max_duplicate_share, min_rows=settings.min_rows)
        broken = violations(data, most=settings.max_violation_share, min_rows=settings.min_rows)
        if broken is not None:
            yield broken

    def _volume(self, data: WindowData) -> tuple[Finding, JsonObject | None]:
        """Return how many rows came, and what is remembered of it: only where the reference has no rhythm."""
        settings, memory = self.settings, VolumeMemory.of(data)
        finding = volume(
            data,
            at_least=settings.min_volume,
            factor=settings.volume_factor,
            min_rows=settings.min_rows,
            memory=memory,
        )
        if settings.volume_factor is None or usual_volume(data.reference, data.window) is not None:
            return finding, None
        return remembered(data, memory, finding, may_change=data.current.rows >= settings.min_volume)

    def _column(self, data: WindowData, name: str) -> Finding:
        rows = data.current.rows
        if rows < self.settings.min_rows:
            text = f"{name}: {counted(rows, 'row')} in the window, {self.settings.min_rows} needed"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        column, before = data.current.columns.get(name), data.reference.merged.columns.get(name)
        problems = list(self._problems(data, name, column, before))
        worst = max(problems, key=lambda problem: problem.share - problem.limit)
        breach = worst.share > worst.limit
        causes = name_causes(data, [name]) if breach else ()
        found = "; ".join(problem.text for problem in problems if problem.share > problem.limit)
        unchecked = None if breach else _unchecked(data.columns[name], column, before)
        fine = "complete and in range" if isinstance(column, NumberProfile) else "complete and known"
        fine = f"{fine if unchecked is None else 'complete'} in {counted(rows, 'row')}"
        verdict = Verdict.BREACH if breach else Verdict.OK
        if unchecked is not None and before is None:
            # A column that the model has not learnt: nothing says what usually stands in it.
            verdict = Verdict.INCONCLUSIVE
        return Finding(
            verdict=verdict,
            explanation=f"{name}: {found or fine}{'' if unchecked is None else f'; {unchecked}'}",
            column=name,
            value=worst.share,
            threshold=worst.limit,
            effect=max(0.0, worst.share),
            detail={
                "problem": worst.kind,
                "rows": rows,
                "shares": {problem.kind: problem.share for problem in problems},
                "causes": [cause.to_json() for cause in causes],
            },
        )

    def _problems(
        self, data: WindowData, name: str, column: ColumnProfile | None, before: ColumnProfile | None
    ) -> Iterator[_Problem]:
        rows, contract = data.current.rows, data.columns[name]
        if column is None:
            yield _Problem("absent", 1.0, 0.0, f"absent from all {counted(rows, 'row')}")
            return
        if isinstance(column, NumberProfile) != is_number(contract.type):
            found = "numbers" if isinstance(column, NumberProfile) else "categories"
            yield _Problem("type", 1.0, 0.0, f"{found} came, the contract says {contract.type}")
            return
        yield self._missing(rows, column, before)
        if isinstance(column, NumberProfile):
            yield self._out_of_range(contract, column)
            yield from self._stuck(data, name, column)
        elif column.count:
            yield from self._unseen(contract, column, before)

    def _missing(self, rows: int, column: ColumnProfile, before: ColumnProfile | None) -> _Problem:
        usual = before.missing / before.rows if before is not None and before.rows else 0.0
        share = (column.missing + rows - column.rows) / rows
        text = f"{share:.0%} of values are missing, {usual:.0%} in the reference"
        return _Problem("missing", share - usual, self.settings.max_missing_share, text)

    def _out_of_range(self, contract: ColumnContract, column: NumberProfile) -> _Problem:
        below = 0.0 if contract.min is None else column.share_below(contract.min)
        above = 0.0 if contract.max is None else column.share_above(contract.max)
        outside = (below + above) * column.count + column.infinite
        share = outside / max(column.count + column.infinite, 1)
        low, high = ("…" if limit is None else f"{limit:g}" for limit in (contract.min, contract.max))
        seen = [f"from {column.min:g} to {column.max:g}"] if column.count else []
        infinite = [f"{column.infinite} infinite"] if column.infinite else []
        text = f"{share:.0%} of values lie outside {low} to {high} ({', '.join([*seen, *infinite])})"
        return _Problem("out_of_range", share, self.settings.max_out_of_range_share, text)

    def _stuck(self, data: WindowData, name: str, column: NumberProfile) -> Iterator[_Problem]:
        """Yield how many values are one and the same; more than half way beyond what was ever usual is a fault."""
        usual = greatest_share(data.reference, name, data.window, rows=column.count)
        if usual is not None and column.count >= self.settings.min_rows:
            value, share = most_frequent(column)
            text = f"{share:.0%} of values are {value:g}; of one value at most {usual:.0%} in windows of the reference"
            by_chance = 3 * math.sqrt(usual * (1 - usual) / column.count)
            yield _Problem("stuck", share, min(1.0, (1 + usual) / 2 + by_chance), text)

    def _unseen(
        self, contract: ColumnContract, column: CategoryProfile, before: ColumnProfile | None
    ) -> Iterator[_Problem]:
        known = _known(contract, before)
        if not known:
            return
        unseen = {value: number for value, number in column.counts.items() if value not in known}
        share = unknown_share(column, known)
        first = ", ".join(repr(value) for value in sorted(unseen, key=lambda value: -unseen[value])[:3])
        text = f"{share:.0%} of values are unknown: {first or f'more than {MAX_VALUES} different ones'}"
        yield _Problem("unseen", share, self.settings.max_unseen_share, text)


def _known(contract: ColumnContract, before: ColumnProfile | None) -> frozenset[str]:
    """Return the values that are known: those of the contract, else the reference's if it holds all; none: nobody says.

    A column of very many values is no list in the reference, only its most frequent ones are.
    """
    if contract.values or not isinstance(before, CategoryProfile) or before.error:
        return frozenset(contract.values or ())
    return frozenset(before.counts)


def _unchecked(contract: ColumnContract, column: ColumnProfile | None, before: ColumnProfile | None) -> str | None:
    """Return what nobody can say of the values, and why; None where all was looked at, or there are none."""
    if column is None or not column.count:
        return None
    if isinstance(column, NumberProfile) or contract.values:
        return None if before is not None else "whether its values are usual was not looked at: " + _NO_REFERENCE
    if _known(contract, before):
        return None
    why = _NO_REFERENCE if before is None else "the reference lists none, or not all of its own"
    return f"whether its values are known was not looked at: {why}, and the contract lists none"
