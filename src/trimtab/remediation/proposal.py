"""What the policy is told: what somebody wants, what was done lately, and how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.remediation.actions import ActionState
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level, Origin
from trimtab.remediation.policy import AT_ONCE

__all__ = ["PastAction", "Proposal", "Standing"]

_RAN = frozenset({ActionState.APPROVED, ActionState.RUNNING, ActionState.SUCCEEDED, ActionState.FAILED})
_NOT_AGREED = frozenset({ActionState.REJECTED, ActionState.EXPIRED})


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants done about ``model``. ``action`` None leaves it to the policy.

    ``open_diagnoses`` are those of all open incidents of the model, also when the proposal does not come from one.
    ``may_approve``: a person proposes it who could approve what others propose.
    """

    origin: Origin
    model: str
    action: ActionKind | None = None
    diagnosis: DiagnosisKind | None = None
    severity: float = 0.0
    open_diagnoses: tuple[DiagnosisKind, ...] = ()
    may_approve: bool = False

    @property
    def is_own_way_back(self) -> bool:
        """Whether somebody who may approve wants to go back: that waits for nobody, unless a rule says so of people."""
        return self.origin is Origin.PERSON and self.may_approve and self.action in AT_ONCE

    @property
    def level(self) -> Level:
        """How bad it is, in one of three words."""
        return Level.of(self.severity)


@dataclass(frozen=True, slots=True)
class PastAction:
    """An action that was requested lately, and what became of it.

    ``at_us`` is when it last moved: it ended, or it was agreed to, or it was asked for. ``started``: it ran, whatever
    became of it later. ``released``: a training whose version went out by what covered it.
    """

    kind: ActionKind
    model: str
    at_us: int
    state: ActionState = ActionState.SUCCEEDED
    diagnosis: DiagnosisKind | None = None
    rule: str | None = None
    endpoint: str | None = None
    started: bool = False
    released: bool = False

    @property
    def ran(self) -> bool:
        """Whether it changed anything, or is about to: one that was turned down, or waits, did not."""
        return self.state in _RAN or self.started

    @property
    def counts(self) -> bool:
        """Whether it is one of a day's actions: it ran, or still may."""
        return self.ran or self.state.is_open

    @property
    def was_turned_down(self) -> bool:
        """Whether a person said no, or nobody answered."""
        return self.state in _NOT_AGREED and not self.started


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand beside what is proposed.

    ``paused`` says who paused autonomy until when, None when nobody did. ``traffic_share`` 0..1 is the part of all
    rows of the last day that ``endpoint`` answered; None: nothing is known of it. ``impossible`` says of actions why
    they cannot be done now, ``doubted`` why nobody knows whether they are right: a person decides.
    """

    paused: str | None = None
    endpoint: str | None = None
    traffic_share: float | None = None
    impossible: Mapping[ActionKind, str] = field(default_factory=dict)
    doubted: Mapping[ActionKind, str] = field(default_factory=dict)
