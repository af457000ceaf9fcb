"""What a rollout does next: pure decisions on a spec, a state and what was observed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from trimtab.core.enums import Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.rollout.moving import ask, move, roll_back
from trimtab.rollout.phases import Phase
from trimtab.rollout.stages import STAGES, fits_strategy
from trimtab.rollout.state import Evidence, Observation, RolloutSpec, RolloutState, Transition
from trimtab.rollout.weighing import refusal, weigh

__all__ = ["Operation", "operate", "step"]


class Operation(StrEnum):
    """What a person may do to a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


def step(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    """Decide the next move of a rollout: at most one change a call, and the same answer for the same arguments.

    INCONCLUSIVE holds, and after ``max_hold`` asks a person; it never promotes. BREACH takes the traffic back at once,
    also while it is held; so does a spec that production refuses, or goes down over. A shadow has no traffic to take
    back, and predictions that have shifted may be better ones: there a person decides. A finished rollout stays as it
    is. A clock that jumps back only makes a step last longer.
    """
    if state.phase.is_final:
        return Transition(state=state, weights=None, reason=f"finished: {state.phase}", verdict=None)
    if state.stage.has_traffic:
        refused = refusal(state, observation)
        if refused:
            return move(spec, state, Phase.ROLLED_BACK, now, refused[0].why, Verdict.BREACH, refused)
    if state.phase.is_held:
        return _held(spec, state, observation, now)
    if not fits_strategy(spec, state):
        where = f"step {state.step_index + 1} of {state.phase}" if state.step_index else state.phase
        reason = f"it stands in {where}, where strategy {spec.strategy.type} does not lead: a person promotes or aborts"
        return ask(spec, state, now, reason)
    return STAGES[state.phase](spec, state, observation, now)


def operate(spec: RolloutSpec, state: RolloutState, operation: Operation, now: datetime, reason: str) -> Transition:
    """Apply what a person decided.

    Raises:
        IllegalTransitionError: the rollout is finished, or ``operation`` has no meaning where it stands.
    """
    subject = f"rollout of {spec.candidate.variant} on {spec.endpoint!r}: {operation}"
    target = _target_of(state, operation, subject)
    if operation is Operation.PAUSE:
        return move(spec, state, target, now, reason or "paused", resumes_to=state.phase, subject=subject)
    if operation is Operation.RESUME:
        return move(spec, state, target, now, reason or "resumed", subject=subject)
    return move(spec, state, target, now, reason or f"{operation} by a person", subject=subject)


def _target_of(state: RolloutState, operation: Operation, subject: str) -> Phase:
    if state.phase.is_final:
        raise IllegalTransitionError(f"{subject}: it is {state.phase} already; {_instead(state.phase)}")
    if operation is Operation.ABORT:
        return Phase.ROLLED_BACK
    if operation is Operation.RESUME:
        if not state.phase.is_held or state.resumes_to is None:
            raise IllegalTransitionError(f"{subject}: it is {state.phase}, not held; there is nothing to resume")
        return state.resumes_to
    if operation is Operation.PAUSE:
        if state.phase.is_held:
            raise IllegalTransitionError(f"{subject}: it is {state.phase} already; resume, promote or abort it")
        return Phase.PAUSED
    if not state.is_promotable:
        raise IllegalTransitionError(
            f"{subject}: it is in {state.stage}; resume or abort it, and promote it once it takes real traffic"
        )
    return Phase.PROMOTED


def _instead(ended: Phase) -> str:
    if ended is Phase.PROMOTED:
        return "go back by 'trimtab rollback MODEL --reason WHY'"
    return "bring the version out again by 'trimtab deploy MODEL@NUMBER'"


def _held(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    evidence: tuple[Evidence, ...] = ()
    if state.stage.has_traffic and fits_strategy(spec, state):
        found = weigh(spec, state, observation)
        # A shadow has nothing to take back.
        if found.takes_back and state.stage is not Phase.SHADOW:
            return roll_back(spec, state, found.evidence, now)
        evidence = found.evidence
    possible = "resumes, promotes or aborts" if state.is_promotable else "resumes or aborts"
    return Transition(state, None, f"{state.phase}: a person {possible} it", Verdict.INCONCLUSIVE, evidence)
