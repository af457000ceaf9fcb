"""Whether an action helped: what it promised, held against what was measured after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.actions import PredictedImpact
from trimtab.remediation.impact import newest_quality
from trimtab.remediation.signals import SignalKey, worst_by_key

__all__ = ["Verified", "verify"]

_SHARE_OF_GAIN = 0.5


@dataclass(frozen=True, slots=True)
class Verified:
    """OK: it helped; BREACH: it did not; INCONCLUSIVE: too little is known yet.

    ``before`` and ``after`` hold measured values by label (``quality of mape``, ``drift``), where there are any.
    """

    verdict: Verdict
    explanation: str
    before: Mapping[str, float]
    after: Mapping[str, float]

    def to_json(self) -> JsonObject:
        """Return it as JSON values."""
        return dict(_VERIFIED.dump_python(self, mode="json"))

    @staticmethod
    def from_json(content: Any) -> Verified:
        """Return what `to_json` wrote."""
        return _VERIFIED.validate_python(content)


def verify(
    expected: PredictedImpact | None,
    before: Sequence[Check],
    after: Sequence[Check],
    *,
    since_us: int | None = None,
    strict: bool = False,
) -> Verified:
    """Judge an action by the checks before it and those of a window after it.

    With a promise: OK when the metric improved and is within its limit again, or made at least half of the promised
    gain; BREACH when it did not improve; INCONCLUSIVE in between, or while it is measured on too few rows or not at
    all. Without one: OK when all that breached before is OK, BREACH when some of it still breaches; ``strict``: or when
    anything else does.

    ``since_us`` is the action's end, None where what is measured answered nobody before (a fresh version). What is
    wrong in a window that began before that says nothing against the action, and what is right there nothing for it,
    unless most of its rows came after: of quality those are what outcomes are known of, older by their median lag.
    """
    told = [check for check in after if check.verdict is Verdict.BREACH or _is_mostly_after(check, since_us)]
    earlier, later = worst_by_key(before), worst_by_key(told)
    verdict, text = _promise(expected, told, since_us) if expected is not None else _breaches(earlier, later, since_us)
    joined = [key for key in later if _breached(later, key) and not _breached(earlier, key)]
    if strict and verdict is Verdict.OK and any(not _began_before(later[key], since_us) for key in joined):
        verdict, text = Verdict.BREACH, f"{text}, but something else is not"
    new = f"; breaches since then: {', '.join(key.label for key in joined)}" if joined else ""
    left = sum(check.verdict is Verdict.BREACH for check in later.values())
    had = sum(check.verdict is Verdict.BREACH for check in earlier.values())
    return Verified(verdict, f"{text}; breaches before {had}, after {left}{new}", _values(earlier), _values(later))


def _promise(expected: PredictedImpact, after: Sequence[Check], since_us: int | None) -> tuple[Verdict, str]:
    # A value of too few rows is told by its check: nothing is held against an action for that.
    check = newest_quality((one for one in after if one.verdict is not Verdict.INCONCLUSIVE), expected.metric)
    if check is None or check.value is None:
        few = newest_quality(after, expected.metric) is not None
        return Verdict.INCONCLUSIVE, f"{expected.metric} has {'too few rows' if few else 'not been measured'} since"
    sign = 1.0 if expected.higher_is_better else -1.0
    gained, promised = sign * (check.value - expected.now), sign * (expected.expected - expected.now)
    numbers = f"{expected.metric} {expected.now:.4g} before, {check.value:.4g} after, {expected.expected:.4g} expected"
    if not math.isfinite(gained):
        return Verdict.INCONCLUSIVE, f"no number to compare: {numbers}"
    if gained <= 0 and _began_before(check, since_us):
        return Verdict.INCONCLUSIVE, f"no improvement, in a window from before the action's end: {numbers}"
    if gained <= 0:
        return Verdict.BREACH, f"no improvement: {numbers}"
    if not _is_mostly_after(check, since_us):
        return Verdict.INCONCLUSIVE, f"improved, in a window from before the action's end: {numbers}"
    if check.verdict is Verdict.OK or (promised > 0 and gained >= _SHARE_OF_GAIN * promised):
        return Verdict.OK, f"improved: {numbers}"
    return Verdict.INCONCLUSIVE, f"improved by less than half of what was promised: {numbers}"


def _breaches(
    earlier: Mapping[SignalKey, Check], later: Mapping[SignalKey, Check], since_us: int | None
) -> tuple[Verdict, str]:
    breached = [key for key in earlier if _breached(earlier, key)]
    still = [key for key in breached if _breached(later, key)]
    mixed = [key for key in still if _began_before(later[key], since_us)]
    if len(still) > len(mixed):
        return Verdict.BREACH, f"still in breach: {', '.join(key.label for key in still if key not in mixed)}"
    if mixed:
        labels = ", ".join(key.label for key in mixed)
        return Verdict.INCONCLUSIVE, f"still in breach, in a window from before the action's end: {labels}"
    unknown = [key.label for key in breached if key not in later or later[key].verdict is Verdict.INCONCLUSIVE]
    if unknown or not later:
        return Verdict.INCONCLUSIVE, f"not known to be right again: {', '.join(unknown) or 'nothing was checked'}"
    return Verdict.OK, "all that was in breach is ok"


def _began_before(check: Check, since_us: int | None) -> bool:
    return since_us is not None and check.window.start_us < since_us


def _is_mostly_after(check: Check, since_us: int | None) -> bool:
    """Whether at least half of what was measured, by time, came after the action's end."""
    if since_us is None:
        return True
    start_us, end_us = check.window.start_us, check.window.end_us
    lag_s = check.detail.get("label_lag_p50_s")
    if isinstance(lag_s, int | float) and math.isfinite(lag_s) and not check.is_late:
        end_us = max(start_us, end_us - int(lag_s * 1e6))
    return start_us + end_us >= 2 * since_us


def _breached(checks: Mapping[SignalKey, Check], key: SignalKey) -> bool:
    return key in checks and checks[key].verdict is Verdict.BREACH


def _values(checks: Mapping[SignalKey, Check]) -> dict[str, float]:
    return {
        key.label: check.value
        for key, check in checks.items()
        if check.value is not None and math.isfinite(check.value)
    }


_VERIFIED: TypeAdapter[Verified] = TypeAdapter(Verified)
