"""Latency: whether answers come in time."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding, check_of
from trimtab.monitoring.check import Check
from trimtab.monitoring.settings import LatencySettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.periods import LATENCY

__all__ = ["LatencyMonitor"]


@dataclass(frozen=True, slots=True)
class LatencyMonitor:
    """One check a limit (95th, 99th percentile), in milliseconds.

    A percentile is read at its rank less what the sketch may be off, so that the sketch alone is never a breach.
    """

    settings: LatencySettings

    def check(self, data: WindowData) -> tuple[Check, ...]:
        """Return a check for each percentile that has a limit."""
        limits = (("p95", 0.95, self.settings.p95_ms), ("p99", 0.99, self.settings.p99_ms))
        findings = [
            _finding(self.settings, data, name, rank, limit) for name, rank, limit in limits if limit is not None
        ]
        return tuple(check_of(self.settings, data, finding) for finding in findings)


def _finding(settings: LatencySettings, data: WindowData, name: str, rank: float, limit_ms: float) -> Finding:
    column = data.current.columns.get(LATENCY)
    detail = {"percentile": name}
    if not isinstance(column, NumberProfile) or column.count < settings.min_rows:
        rows = 0 if column is None else column.count
        text = f"{name}: {counted(rows, 'timed row')} in the window, {settings.min_rows} needed"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    value_ms = column.quantile(rank - column.rank_error)
    breach = value_ms > limit_ms
    return Finding(
        verdict=Verdict.BREACH if breach else Verdict.OK,
        explanation=f"{name} latency {value_ms:.4g} ms of {counted(column.count, 'row')} "
        f"{'exceeds' if breach else 'is within'} {limit_ms:g} ms",
        value=value_ms,
        threshold=limit_ms,
        effect=max(0.0, value_ms / limit_ms - 1.0),
        detail=detail,
    )
