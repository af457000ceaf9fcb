"""Latency: whether answers come in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.periods import LATENCY

__all__ = ["LatencyMonitor", "LatencySettings"]


class LatencySettings(MonitorSettings):
    """Whether answers come in time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"p95_ms": 50, "p99_ms": 100}]})

    type: Literal["latency"] = "latency"
    p95_ms: float | None = Field(default=None, gt=0, description="Largest 95th percentile of the latency, in ms.")
    p99_ms: float | None = Field(default=None, gt=0, description="Largest 99th percentile of the latency, in ms.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.p95_ms is None and self.p99_ms is None:
            raise ValueError("neither p95_ms nor p99_ms is given; state a limit")
        return self


@dataclass(frozen=True, slots=True)
class LatencyMonitor:
    """One check a limit (95th, 99th percentile), in milliseconds.

    A percentile is read at its rank less what the sketch may be off, so that the sketch alone is never a breach.
    """

    kind: ClassVar[str] = "latency"
    settings_type: ClassVar[type[MonitorSettings]] = LatencySettings

    settings: LatencySettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each percentile that has a limit."""
        limits = (("p95", 0.95, self.settings.p95_ms), ("p99", 0.99, self.settings.p99_ms))
        findings = [
            _finding(self.settings, data, name, rank, limit) for name, rank, limit in limits if limit is not None
        ]
        return Judged(tuple(check_of(self.settings, data, finding) for finding in findings))


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
