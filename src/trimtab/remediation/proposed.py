"""What is ever proposed to a policy, by whom: the one table that rules are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Origin

__all__ = ["COVERED", "PROPOSED", "Form", "Named", "in_words"]


class Named(StrEnum):
    """Which diagnosis a proposal names."""

    NONE = "none"
    LAST = "last"
    """That of a case that is over, if it was ever diagnosed."""
    OWN = "own"
    """That of the open case that asks, so that it is one of the model's open diagnoses, too."""


@dataclass(frozen=True, slots=True)
class Form:
    """Proposals of one kind. ``action`` None leaves it to the rules; ``severity`` None: any of 0..1.

    The model, and the diagnoses that are open beside, may be any.
    """

    origin: Origin
    action: ActionKind | None
    severity: float | None = 0.0
    diagnosis: Named = Named.NONE

    def diagnoses(self) -> Iterator[tuple[DiagnosisKind | None, tuple[DiagnosisKind, ...]]]:
        """Yield each diagnosis that it may name, with the fewest diagnoses that are open then."""
        if self.diagnosis is not Named.OWN:
            yield None, ()
        if self.diagnosis is not Named.NONE:
            for found in DiagnosisKind:
                yield found, (found,) if self.diagnosis is Named.OWN else ()


_CASE: Final = Form(Origin.INCIDENT, None, severity=None, diagnosis=Named.OWN)
_BY_PEOPLE: Final = (
    ActionKind.RETRAIN,
    ActionKind.APPROVE_VERSION,
    ActionKind.DEPLOY,
    ActionKind.ROLL_BACK,
    ActionKind.QUARANTINE_FEED,
    ActionKind.RELEASE_FEED,
    ActionKind.PAUSE_ENDPOINT,
    ActionKind.RESUME_ENDPOINT,
    ActionKind.SCALE,
    ActionKind.CLEAR_CACHE,
    ActionKind.CHANGE_CONFIG,
    ActionKind.OPEN_LABELLING,
)

PROPOSED: Final = (
    _CASE,
    Form(Origin.INCIDENT, ActionKind.RELEASE_FEED, diagnosis=Named.LAST),
    Form(Origin.INCIDENT, ActionKind.ROLL_BACK, severity=1.0),
    Form(Origin.TRIGGER, ActionKind.RETRAIN, severity=0.5),
    Form(Origin.TRIGGER, ActionKind.REINSTATE, severity=0.5),
    *(Form(Origin.PERSON, action) for action in _BY_PEOPLE),
)
"""All that is put to the rules: a case asks what to do, a case that is over asks to trust its feeds again, a release
that did not help to go back; the ledger and its triggers, and people, name what they want."""

COVERED: Final = (
    Form(Origin.INCIDENT, ActionKind.DEPLOY, severity=None, diagnosis=Named.OWN),
    Form(Origin.INCIDENT, ActionKind.DEPLOY),
    Form(Origin.TRIGGER, ActionKind.DEPLOY, severity=0.5),
    Form(Origin.TRIGGER, ActionKind.DEPLOY),
    Form(Origin.PERSON, ActionKind.DEPLOY),
)
"""What an agreement covers is put, before it is done, to the rules that name it: a release, on behalf of whoever asked
for the training."""

_WANTS: Final[Mapping[Origin, str]] = {
    Origin.INCIDENT: "a case leaves the action to the rules, and asks by itself for {} alone",
    Origin.TRIGGER: "a trigger asks for {}",
    Origin.PERSON: "a person asks for {}",
}


def in_words() -> str:
    """Return who proposes what, in one sentence."""
    named = {
        origin: [form.action for form in PROPOSED if form.origin is origin and form.action is not None]
        for origin in Origin
    }
    return "; ".join(_WANTS[origin].format(" or ".join(actions)) for origin, actions in named.items())
