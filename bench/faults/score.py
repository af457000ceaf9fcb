"""Whether what was seen is what should have become of a fault."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.faults.catalogue import Fault
from bench.faults.expectations import RISKY
from bench.faults.world import BY_CASES, Named, Seen

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Tier
from trimtab.remediation.actions import ActionState
from trimtab.remediation.kinds import DiagnosisKind, Level

__all__ = ["Verdict", "judged"]

_ALIKE = 0.5
_NEVER = (ActionState.REJECTED, ActionState.EXPIRED, ActionState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one fault ended. None: does not apply; windows are counted from the moment that it began.

    ``called``: the first class that each case was given, "unknown" left out if another followed. ``wrong``: classes
    that are not right, of any case. ``risky``: risky actions that ran without a person's word, or, of those that were
    right neither by class nor by who has to agree, that were asked for.
    """

    fault: str
    ground: str
    seed: int
    drawn: str
    detected: bool | None
    diagnosed: bool | None
    columns: bool | None
    acted: bool | None
    recovered: bool | None
    detected_after: float | None
    named_after: float | None
    recovered_after: float | None
    called: tuple[str, ...]
    wrong: tuple[str, ...]
    asked_in_vain: tuple[str, ...]
    risky: tuple[str, ...]
    why: JsonObject

    def to_json(self) -> JsonObject:
        """Return the verdict as JSON values."""
        return asdict(self)


def judged(fault: Fault, ground: str, seed: int, seen: Seen) -> Verdict:
    """Return the verdict on one fault."""
    expected = fault.expected
    named = _first_named(seen)
    known = [one for one in named if one.kind is not DiagnosisKind.UNKNOWN]
    right = [one for one in named if one.kind in expected.classes]
    first = next(iter(known or named), None)
    harmless = expected.may_pass and not seen.quality_fell and not known
    wrong = tuple(one.kind.value for one in known if one.kind not in expected.classes)
    diagnosed: bool | None = None
    if expected.classes:
        in_time = first is not None and first.kind in expected.classes and first.window <= expected.within
        diagnosed = None if harmless else in_time and not wrong
    answers = expected.answers(frozenset(Level.of(one.severity) for one in seen.named))
    answered = [one for one in seen.asked if (one.kind, one.tier) in answers and one.origin == BY_CASES]
    # Whoever asked: a trigger that learns from broken rows is no better than a case that does.
    in_vain = [one for one in seen.asked if one.kind in RISKY and (one.kind, one.tier) not in answers]
    risky = [one for one in in_vain if one.tier is Tier.AUTOMATIC and one.state not in _NEVER]
    comes_back = bool(expected.classes) and expected.comes_back and not harmless
    return Verdict(
        fault=fault.name,
        ground=ground,
        seed=seed,
        drawn=seen.plan.drawn,
        detected=None if not expected.classes or harmless else seen.opened is not None,
        diagnosed=diagnosed,
        columns=_columns_right(seen, right),
        acted=None if not expected.classes or not expected.asks or harmless else bool(answered) and not in_vain,
        recovered=seen.closed is not None if comes_back else None,
        detected_after=_rounded(seen.opened),
        named_after=_rounded(right[0].window if right else None),
        recovered_after=_rounded(seen.closed),
        called=tuple(one.kind.value for one in named),
        wrong=wrong,
        asked_in_vain=tuple(f"{one.kind.value} ({one.tier.value}, {one.diagnosis})" for one in in_vain),
        risky=tuple(f"{one.kind.value} ({one.state.value})" for one in risky),
        why=_why(seen),
    )


def _first_named(seen: Seen) -> list[Named]:
    """Return the first class of each case; "unknown" only of one that was never called otherwise."""
    cases = dict.fromkeys(one.incident_id for one in seen.named)
    found = []
    for case in cases:
        mine = [one for one in seen.named if one.incident_id == case]
        found.append(next((one for one in mine if one.kind is not DiagnosisKind.UNKNOWN), mine[0]))
    return found


def _columns_right(seen: Seen, right: list[Named]) -> bool | None:
    wanted = seen.plan.columns
    if not wanted or not right:
        return None
    found = frozenset(right[0].columns)
    return len(wanted & found) / len(wanted | found) >= _ALIKE


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _why(seen: Seen) -> JsonObject:
    named: list[Any] = [
        {
            "kind": one.kind.value,
            "window": _rounded(one.window),
            "columns": list(one.columns),
            "severity": one.severity,
            "why": one.why,
        }
        for one in seen.named
    ]
    asked = [
        f"{one.kind.value} {one.tier.value} by {one.origin} for {one.diagnosis} at {one.window:.2f}: {one.state.value}"
        for one in seen.asked
    ]
    return {"named": named, "asked": asked, "breaches": dict(seen.breaches)}
