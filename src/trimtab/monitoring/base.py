"""The port of all monitors, and how their findings become checks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["Finding", "Monitor", "check_of"]


class Monitor(Protocol):
    """Judges one window.

    `check` is pure: the same data give the same checks. It answers for every window, also an empty one; what cannot
    be judged is INCONCLUSIVE with the reason, never OK.
    """

    def check(self, data: WindowData) -> tuple[Check, ...]:
        """Return at least one check of the window."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a monitor found, before it is signed: a `Check` without the window's own fields."""

    verdict: Verdict
    explanation: str
    column: str | None = None
    value: float | None = None
    threshold: float | None = None
    effect: float | None = None
    detail: JsonObject = field(default_factory=dict)


def check_of(settings: MonitorSettings, data: WindowData, finding: Finding) -> Check:
    """Return the check that tells ``finding`` about ``data``. NaN and infinities become None."""
    return Check(
        monitor=settings.title,
        kind=settings.type,
        model=data.model,
        endpoint=data.endpoint,
        variant=data.variant,
        model_version=data.model_version,
        column=finding.column,
        window=data.window,
        value=_known(finding.value),
        threshold=_known(finding.threshold),
        effect=_known(finding.effect),
        verdict=finding.verdict,
        severity=settings.severity,
        explanation=finding.explanation,
        detail=finding.detail,
    )


def _known(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)
