"""What each kind of action promises to change, how that is measured, and from when to when it is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.actions import ActionRequest, PredictedImpact
from trimtab.remediation.family import family_of
from trimtab.remediation.kinds import ActionKind, Family
from trimtab.remediation.signals import SignalKey, worst_by_key

__all__ = ["BRINGS_A_VERSION", "Measure", "Promise", "promise_in_words", "promise_of", "promised_impact"]

BRINGS_A_VERSION = frozenset({ActionKind.RETRAIN, ActionKind.DEPLOY, ActionKind.REINSTATE, ActionKind.ROLL_BACK})
_BY_METRIC = frozenset({ActionKind.RETRAIN, ActionKind.DEPLOY})
"""What a kept version saves, only the ledger knows; going back is held against what was in breach."""
_OF_THE_SERVICE = frozenset({ActionKind.SCALE, ActionKind.CLEAR_CACHE, ActionKind.RESUME_ENDPOINT})
_WAITED_WINDOWS = 3


class Measure(StrEnum):
    """By what a promise is measured: a metric, checks that breached, or the rows that would be learnt from."""

    METRIC = "metric"
    SIGNALS = "signals"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Promise:
    """What an action promises.

    ``signals``: what shall be right again. ``expected``: the metric, and what it should become. ``strict``: nothing
    else may have gone wrong meanwhile. It is due ``due`` after the action's end, and given up ``by`` after it: nothing
    that is known by then says whether it was kept.
    """

    measure: Measure
    due: timedelta
    by: timedelta
    basis: str
    signals: tuple[SignalKey, ...] = ()
    expected: PredictedImpact | None = None
    strict: bool = False

    def to_json(self) -> JsonObject:
        """Return it as JSON values."""
        return dict(_PROMISE.dump_python(self, mode="json"))

    @staticmethod
    def from_json(content: Any) -> Promise:
        """Return what `to_json` wrote."""
        return _PROMISE.validate_python(content)


def promise_of(
    kind: ActionKind,
    expected: PredictedImpact | None,
    before: Sequence[Check],
    *,
    window: timedelta,
    label_delay: timedelta,
) -> Promise | None:
    """Return what an action of ``kind`` promises, given what it is expected to do and the checks before it.

    None: it promises nothing that is measured (it tells, it pauses, it asks for labels), or there is nothing to hold it
    against. ``window``: the longest analysis window. What quality is judged by comes ``label_delay`` after that.
    """
    wrong = tuple(key for key, check in worst_by_key(before).items() if check.verdict is Verdict.BREACH)
    if kind is ActionKind.QUARANTINE_FEED:
        at_once = timedelta(0)
        return Promise(Measure.ROWS, at_once, window, "no row of the feed since then would be learnt from")
    if kind in _OF_THE_SERVICE:
        service = worst_by_key(check for check in before if family_of(check) is Family.SERVICE)
        wrong = tuple(key for key in wrong if key in service)
        return _signals(wrong, window, "latency and errors that were in breach are ok") if wrong else None
    if kind is ActionKind.CHANGE_CONFIG:
        basis = "what was in breach is ok, and nothing else is in breach"
        return _signals(wrong, window, basis, strict=True) if wrong else None
    if kind not in BRINGS_A_VERSION:
        return None
    judged_after = window + label_delay
    if expected is not None and kind in _BY_METRIC:
        by = judged_after + _WAITED_WINDOWS * window
        return Promise(Measure.METRIC, judged_after, by, expected.basis, expected=expected)
    if not wrong:
        return None
    return _signals(wrong, judged_after, "what was in breach is ok for the version that serves", window=window)


def promised_impact(request: ActionRequest) -> PredictedImpact | None:
    """Return what a request is held against of what it is expected to do.

    What a person wants is told what to expect, and is not held against it: nobody promised it.
    """
    return request.predicted_impact if request.owner is None else None


def promise_in_words(request: ActionRequest, before: Sequence[Check]) -> str | None:
    """Return what a request promises, given the checks of its case, None for nothing that is measured."""
    # When it is looked at, the action's verification says.
    at_once = timedelta(0)
    promise = promise_of(request.kind, promised_impact(request), before, window=at_once, label_delay=at_once)
    return None if promise is None else promise.basis


def _signals(
    wrong: tuple[SignalKey, ...], due: timedelta, basis: str, *, strict: bool = False, window: timedelta | None = None
) -> Promise:
    by = due + _WAITED_WINDOWS * (due if window is None else window)
    return Promise(Measure.SIGNALS, due, by, basis, signals=wrong, strict=strict)


_PROMISE: TypeAdapter[Promise] = TypeAdapter(Promise)
