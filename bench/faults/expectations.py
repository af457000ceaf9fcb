"""What should become of a fault: what it is called, what is proposed, who has to agree, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.core.enums import Tier
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level

__all__ = ["ANSWERS", "RISKY", "Expectation", "expect"]

_TOLD = {(ActionKind.NOTIFY_OWNER, Tier.AUTOMATIC), (ActionKind.ESCALATE, Tier.AUTOMATIC)}
_LEARNT = {(ActionKind.RETRAIN, Tier.APPROVAL)}
_SET_ASIDE = {(ActionKind.QUARANTINE_FEED, Tier.APPROVAL)}

Answer = tuple[ActionKind, Tier]

ANSWERS: Mapping[DiagnosisKind, frozenset[Answer]] = {
    DiagnosisKind.DATA_OUTAGE: frozenset(_SET_ASIDE | _TOLD),
    DiagnosisKind.UNIT_CHANGE: frozenset(_SET_ASIDE),
    DiagnosisKind.UPSTREAM_SCHEMA_CHANGE: frozenset(_SET_ASIDE | _TOLD),
    DiagnosisKind.PIPELINE_FAILURE: frozenset(_TOLD),
    DiagnosisKind.BAD_RELEASE: frozenset({(ActionKind.ROLL_BACK, Tier.APPROVAL)}),
    DiagnosisKind.LATENCY: frozenset(
        {(ActionKind.SCALE, Tier.AUTOMATIC), (ActionKind.CLEAR_CACHE, Tier.AUTOMATIC), *_TOLD}
    ),
    DiagnosisKind.LABEL_PROBLEM: frozenset({(ActionKind.OPEN_LABELLING, Tier.AUTOMATIC), *_TOLD}),
    DiagnosisKind.FAIRNESS_REGRESSION: frozenset(_LEARNT | _TOLD),
    DiagnosisKind.STALE_MODEL: frozenset(_LEARNT),
    DiagnosisKind.COVARIATE_DRIFT: frozenset(_LEARNT),
    DiagnosisKind.CONCEPT_DRIFT: frozenset(_LEARNT),
    DiagnosisKind.UNKNOWN: frozenset({(ActionKind.LOG, Tier.AUTOMATIC), *_TOLD}),
}
"""What may be done about each class, by the policy that init writes: any of these is right."""

_NOTED = frozenset({(ActionKind.LOG, Tier.AUTOMATIC), (ActionKind.NOTIFY_OWNER, Tier.AUTOMATIC)})
_LITTLE = frozenset(
    {
        DiagnosisKind.DATA_OUTAGE,
        DiagnosisKind.UNIT_CHANGE,
        DiagnosisKind.UPSTREAM_SCHEMA_CHANGE,
        DiagnosisKind.COVARIATE_DRIFT,
        DiagnosisKind.CONCEPT_DRIFT,
    }
)
"""Classes of which little trouble is only written down."""

RISKY = frozenset(ActionKind) - {
    ActionKind.LOG,
    ActionKind.NOTIFY_OWNER,
    ActionKind.ESCALATE,
    ActionKind.OPEN_LABELLING,
    ActionKind.RELEASE_FEED,
}
"""What changes more than what people know; to trust a feed again takes a decision back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is right.

    ``classes``: what it may be called, one or seldom two; none: nothing is wrong, so no class is right.
    ``within``: windows until it is named. ``may_pass``: where no quality fell it may also stay unnamed.
    ``comes_back``: whether the case should close by itself, once the right thing was done and the cause is gone.
    ``asks``: whether the policy is asked; of a case about no model of ours people are told, and that is all.
    """

    classes: frozenset[DiagnosisKind]
    within: int = 4
    may_pass: bool = False
    comes_back: bool = True
    asks: bool = True

    @property
    def actions(self) -> frozenset[ActionKind]:
        """What may be done."""
        return frozenset(action for kind in self.classes for action, _ in ANSWERS[kind])

    def answers(self, levels: frozenset[Level]) -> frozenset[Answer]:
        """Return what may be done, each with who has to agree, about cases of these levels."""
        found = {answer for kind in self.classes for answer in ANSWERS[kind]}
        if Level.LOW in levels and self.classes & _LITTLE:
            found |= _NOTED
        if Level.HIGH in levels and DiagnosisKind.LATENCY in self.classes:
            found.add((ActionKind.SCALE, Tier.APPROVAL))
        return frozenset(found)


def expect(
    *classes: DiagnosisKind, within: int = 4, may_pass: bool = False, comes_back: bool = True, asks: bool = True
) -> Expectation:
    """Return an expectation."""
    return Expectation(classes=frozenset(classes), within=within, may_pass=may_pass, comes_back=comes_back, asks=asks)
