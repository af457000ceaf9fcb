"""Data quality: whether inputs are complete, known, in range, and come at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding, check_of
from trimtab.monitoring.causes import name_causes
from trimtab.monitoring.check import Check
from trimtab.monitoring.settings import DataQualitySettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile, is_number

__all__ = ["DataQualityMonitor"]


@dataclass(frozen=True, slots=True)
class _Problem:
    """A share of rows with one kind of fault, and how large it may be."""

    kind: str
    share: float
    limit: float
    text: str


@dataclass(frozen=True, slots=True)
class DataQualityMonitor:
    """One check a column of its worst fault, and one of the volume (``column`` None).

    Faults: values missing beyond the reference's share, categories that neither contract nor reference knows, numbers
    outside the contract's range or infinite, a column that is absent or of another type. All of a column's shares
    stand in ``detail["shares"]``.
    """

    settings: DataQualitySettings

    def check(self, data: WindowData) -> tuple[Check, ...]:
        """Return a check for each column, and that of the volume last."""
        findings = [self._column(data, name, contract) for name, contract in data.columns.items()]
        return tuple(check_of(self.settings, data, finding) for finding in [*findings, self._volume(data)])

    def _volume(self, data: WindowData) -> Finding:
        rows, wanted = data.current.rows, self.settings.min_volume
        detail = {"problem": "volume", "rows": rows}
        if rows < wanted:
            return Finding(
                Verdict.BREACH,
                f"{counted(rows, 'row')} in the window, {wanted} expected",
                value=float(rows),
                threshold=float(wanted),
                effect=1.0 - rows / wanted,
                detail=detail,
            )
        if not rows:
            return Finding(Verdict.INCONCLUSIVE, "no rows in the window; nothing to judge", value=0.0, detail=detail)
        return Finding(
            Verdict.OK,
            f"{counted(rows, 'row')} in the window",
            value=float(rows),
            threshold=float(wanted),
            effect=0.0,
            detail=detail,
        )

    def _column(self, data: WindowData, name: str, contract: ColumnContract) -> Finding:
        rows = data.current.rows
        if rows < self.settings.min_rows:
            text = f"{name}: {counted(rows, 'row')} in the window, {self.settings.min_rows} needed"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        column, before = data.current.columns.get(name), data.reference.merged.columns.get(name)
        problems = list(self._problems(rows, contract, column, before))
        worst = max(problems, key=lambda problem: problem.share - problem.limit)
        breach = worst.share > worst.limit
        causes = name_causes(data, [name]) if breach else ()
        found = "; ".join(problem.text for problem in problems if problem.share > problem.limit)
        fine = f"complete, known and in range in {counted(rows, 'row')}"
        return Finding(
            verdict=Verdict.BREACH if breach else Verdict.OK,
            explanation=f"{name}: {found or fine}",
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
        self, rows: int, contract: ColumnContract, column: ColumnProfile | None, before: ColumnProfile | None
    ) -> Iterator[_Problem]:
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
        text = f"{share:.0%} of values lie outside {low} to {high} (from {column.min:g} to {column.max:g})"
        return _Problem("out_of_range", share, self.settings.max_out_of_range_share, text)

    def _unseen(
        self, contract: ColumnContract, column: CategoryProfile, before: ColumnProfile | None
    ) -> Iterator[_Problem]:
        known = set(contract.values or ())
        if not known and isinstance(before, CategoryProfile) and before.error == 0:
            known = set(before.counts)
        if not known:
            return
        unseen = {value: number for value, number in column.counts.items() if value not in known}
        share = sum(unseen.values()) / column.count
        first = ", ".join(repr(value) for value in sorted(unseen, key=lambda value: -unseen[value])[:3])
        text = f"{share:.0%} of values are unknown: {first}"
        yield _Problem("unseen", share, self.settings.max_unseen_share, text)
