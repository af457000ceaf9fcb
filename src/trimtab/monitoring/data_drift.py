"""Data drift: whether the inputs are distributed as they were when the model learnt."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.core.enums import ColumnKind, Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding, check_of
from trimtab.monitoring.cause import Cause
from trimtab.monitoring.causes import name_causes
from trimtab.monitoring.check import Check
from trimtab.monitoring.divergence import Divergence, diverge
from trimtab.monitoring.settings import DataDriftSettings
from trimtab.monitoring.window import WindowData

__all__ = ["DataDriftMonitor"]

_NAMES = {"ks": "Kolmogorov-Smirnov distance", "js": "Jensen-Shannon distance", "psi": "population stability index"}


@dataclass(frozen=True, slots=True)
class DataDriftMonitor:
    """One check a column, and one over all (``column`` None) of the share of columns in breach.

    A column is in breach when its distance from the whole reference, less what the sketches may be off, exceeds
    all of: ``min_effect``; the greatest distance that contiguous windows of this size have within the reference
    (season, memory); and the bound for samples of one distribution at ``alpha`` / columns (Bonferroni), where the
    numbers of rows are divided by the reference's memory, so that rows that repeat each other are not taken for
    evidence. So a window without drift has any column in breach with a chance of about ``alpha``. The causes
    of what moved stand in ``detail["causes"]``.
    """

    settings: DataDriftSettings

    def check(self, data: WindowData) -> tuple[Check, ...]:
        """Return a check for each column, and the overall one last."""
        # Moments move on by themselves: only who names such a column has it watched.
        watched = [name for name, column in data.columns.items() if column.type is not ColumnKind.DATETIME]
        names = self.settings.columns or tuple(watched)
        alpha = self.settings.alpha / max(len(names), 1)
        findings = [self._column(data, name, alpha) for name in names]
        return tuple(check_of(self.settings, data, finding) for finding in [*findings, self._overall(data, findings)])

    def _column(self, data: WindowData, name: str, alpha: float) -> Finding:
        lacking = self._lacking(data, name)
        if lacking is not None:
            return Finding(Verdict.INCONCLUSIVE, f"{name}: {lacking}", column=name)
        current = data.current.columns[name]
        found = diverge(name, current, data.reference, method=self.settings.method, alpha=alpha)
        if found is None:
            text = f"{name}: no value, or of another type than in the reference; nothing to compare"
            return Finding(Verdict.INCONCLUSIVE, text, column=name)
        threshold = found.threshold(self.settings.min_effect)
        breach = found.value > threshold
        causes = name_causes(data, [name]) if breach else ()
        return Finding(
            verdict=Verdict.BREACH if breach else Verdict.OK,
            explanation=_explained(name, found, threshold, breach, causes),
            column=name,
            value=found.value,
            threshold=threshold,
            effect=found.value,
            detail={
                "method": found.method,
                "rows": found.rows,
                "reference_rows": found.reference_rows,
                "memory": found.memory,
                "sketch_error": found.error,
                "chance": found.chance,
                "critical": found.critical,
                "causes": [cause.to_json() for cause in causes],
            },
        )

    def _lacking(self, data: WindowData, name: str) -> str | None:
        if name not in data.reference.merged.columns:
            return "not in the reference; nothing to compare with"
        if data.current.rows < self.settings.min_rows:
            return f"{counted(data.current.rows, 'row')} in the window, {self.settings.min_rows} needed"
        column = data.current.columns.get(name)
        if column is None:
            return f"absent from all {counted(data.current.rows, 'row')} of the window"
        if column.count < self.settings.min_rows:
            return f"{counted(column.count, 'value')} in {counted(column.rows, 'row')}, {self.settings.min_rows} needed"
        return None

    def _overall(self, data: WindowData, findings: list[Finding]) -> Finding:
        judged = [finding for finding in findings if finding.verdict is not Verdict.INCONCLUSIVE]
        if not judged:
            reason = _reason(findings[0]) if findings else "there is no column"
            return Finding(Verdict.INCONCLUSIVE, f"no column could be judged: {reason}")
        drifted = [str(finding.column) for finding in judged if finding.verdict is Verdict.BREACH]
        share = len(drifted) / len(judged)
        breach = share >= self.settings.drift_share
        which = f": {', '.join(drifted[:10])}" if drifted else ""
        return Finding(
            verdict=Verdict.BREACH if breach else Verdict.OK,
            explanation=f"{len(drifted)} of {len(judged)} columns drifted ({share:.0%}; "
            f"a breach from {self.settings.drift_share:.0%} on){which}",
            value=share,
            threshold=self.settings.drift_share,
            effect=share,
            detail={"drifted": drifted, "judged": len(judged), "rows": data.current.rows},
        )


def _reason(finding: Finding) -> str:
    return finding.explanation.removeprefix(f"{finding.column}: ")


def _explained(name: str, found: Divergence, threshold: float, breach: bool, causes: tuple[Cause, ...]) -> str:
    relation = "exceeds" if breach else "is within"
    told = "; ".join(cause.explanation for cause in causes)
    return (
        f"{name}: {_NAMES[found.method]} {found.value:.3g} of {counted(found.rows, 'row')} {relation} {threshold:.3g}"
        f"{f'; {told}' if told else ''}"
    )
