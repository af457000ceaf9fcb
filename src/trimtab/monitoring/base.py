"""The port of all monitors, and how their findings become checks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["Finding", "Judged", "Monitor", "check_of", "relation", "unjudged"]

_MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """What a monitor says of one window, and what it wants to know when it is given the next.

    ``state`` is JSON without NaN. It comes back as `WindowData.state` with the next window of the same variant,
    version and monitor; None keeps what was there. Of windows that end no later than one whose state is stored,
    and of runs that fail, no state is stored.
    """

    checks: tuple[Check, ...]
    state: JsonObject | None = None


class Monitor(Protocol):
    """Judges one window of one variant.

    Made from its settings alone; offered to `trimtab.monitoring.registry` under the name ``kind``, which is also the
    ``type`` of its settings. `check` is pure: the same data, state included, give the same judgement. It answers for
    every window, also an empty one; what cannot be judged is INCONCLUSIVE with the reason, never OK. What it raises
    becomes an INCONCLUSIVE check; what takes longer than ``time_limit`` as well.
    """

    kind: ClassVar[str]
    settings_type: ClassVar[type[MonitorSettings]]

    def __init__(self, settings: Any) -> None:
        """Take settings of ``settings_type``."""

    def check(self, data: WindowData) -> Judged:
        """Return at least one check of the window."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a monitor found, before it is signed: a `Check` without the window's own fields.

    ``opens`` is False for what is only part of an alarm that the monitor raises itself, e.g. a column that it names.
    """

    verdict: Verdict
    explanation: str
    column: str | None = None
    value: float | None = None
    threshold: float | None = None
    effect: float | None = None
    detail: JsonObject = field(default_factory=dict)
    opens: bool = True


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
        opens=finding.opens,
    )


def unjudged(columns: Sequence[Finding]) -> str:
    """Return which columns nothing could be said of, at most ten by name; no text where there is none.

    >>> unjudged([Finding(Verdict.INCONCLUSIVE, "age: absent", column="age"), Finding(Verdict.OK, "", column="sex")])
    'not judged: age'
    """
    names = [str(finding.column) for finding in columns if finding.verdict is Verdict.INCONCLUSIVE]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"not judged: {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


def relation(verdict: Verdict, side: str) -> str:
    """Return how a value lies to its limit, in words; ``side`` is where it would be a breach.

    >>> relation(Verdict.OK, "above"), relation(Verdict.INCONCLUSIVE, "above")
    ('not above', 'above, perhaps by chance,')
    """
    if verdict is Verdict.OK:
        return f"not {side}"
    return side if verdict is Verdict.BREACH else f"{side}, perhaps by chance,"


def _known(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)
