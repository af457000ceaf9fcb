"""What a rollout does next: pure decisions on a spec, a state and what was observed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from trimtab.config.durations import format_duration
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.rollout.analysis import judge_canary, worst
from trimtab.rollout.phases import Phase, require_legal
from trimtab.rollout.settings import CanaryConfig, CanaryStep
from trimtab.rollout.state import Evidence, Observation, RolloutSpec, RolloutState, Transition

__all__ = ["Operation", "operate", "production_weights", "step"]

_HUNDRED = Decimal(100)


class Operation(StrEnum):
    """What a person may do to a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


def production_weights(spec: RolloutSpec, state: RolloutState) -> Mapping[str, Decimal]:
    """Return what each variant of production takes in ``state``, in percent; empty when nothing is served.

    The values sum to 100. In a canary at 100 % the stable version stays loaded with 0, for an instant way back.
    """
    if state.stage is Phase.PROMOTED:
        return {spec.candidate.variant: _HUNDRED}
    if spec.stable is None:
        return {}
    if state.stage is Phase.CANARY:
        return {spec.stable.variant: _HUNDRED - state.weight_pct, spec.candidate.variant: state.weight_pct}
    return {spec.stable.variant: _HUNDRED}


def step(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    """Decide the next move of a rollout: at most one change a call, and the same answer for the same arguments.

    INCONCLUSIVE holds, and after ``max_hold`` asks a person; it never promotes. BREACH takes a canary back at once,
    also while it is held. A finished rollout stays as it is. A clock that jumps back only makes a step last longer.
    """
    if state.phase.is_final:
        return Transition(state=state, weights=None, reason=f"finished: {state.phase}", verdict=None)
    if state.phase.is_held:
        return _step_held(spec, state, observation, now)
    return _STEPS[state.phase](spec, state, observation, now)


def operate(spec: RolloutSpec, state: RolloutState, operation: Operation, now: datetime, reason: str) -> Transition:
    """Apply what a person decided.

    Raises:
        IllegalTransitionError: the rollout is finished, or ``operation`` has no meaning where it stands.
    """
    subject = f"rollout of {spec.candidate.variant} on {spec.endpoint!r}: {operation}"
    target = _target_of(state, operation, subject)
    if operation is Operation.PAUSE:
        return _move(spec, state, target, now, reason or "paused", resumes_to=state.phase, subject=subject)
    if operation is Operation.RESUME:
        return _move(spec, state, target, now, reason or "resumed", subject=subject)
    return _move(spec, state, target, now, reason or f"{operation} by a person", subject=subject)


def _target_of(state: RolloutState, operation: Operation, subject: str) -> Phase:
    if state.phase.is_final:
        raise IllegalTransitionError(f"{subject}: it is {state.phase} already; start a new rollout")
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


def _step_staging(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    staging = observation.staging
    if staging is None:
        return _hold(spec, state, now, "no server answers for the staging endpoint yet", due_us=state.since_us)
    if staging.error is not None:
        evidence = (Evidence("load", Verdict.BREACH, None, None, staging.error),)
        return _move(spec, state, Phase.FAILED, now, f"does not load: {staging.error}", Verdict.BREACH, evidence)
    if not staging.ready:
        return _hold(spec, state, now, "the candidate is being loaded on staging", due_us=state.since_us)
    return _move(spec, state, Phase.SMOKE, now, "loaded on the staging endpoint", Verdict.OK)


def _step_smoke(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    staging = observation.staging
    if staging is None or not (staging.ready or staging.error):
        return _hold(spec, state, now, "staging is not ready for the smoke test", due_us=state.since_us)
    limit, found = spec.smoke_max_abs_difference, staging.smoke_max_abs_difference
    why = f"{staging.smoke_rows} golden rows, largest difference {found:.3g}, limit {limit:.3g}"
    if staging.error is not None:
        why = staging.error
    elif staging.smoke_rows == 0:
        why = "the bundle holds no golden rows, so that nothing was tested"
    # Written so that a NaN difference fails.
    passed = staging.error is None and staging.smoke_rows > 0 and found <= limit
    verdict = Verdict.OK if passed else Verdict.BREACH
    evidence = (Evidence("smoke_max_abs_difference", verdict, found if math.isfinite(found) else None, limit, why),)
    if not passed:
        return _move(spec, state, Phase.FAILED, now, f"smoke test failed: {why}", verdict, evidence)
    if spec.stable is None or not isinstance(spec.strategy, CanaryConfig):
        return _move(spec, state, Phase.PROMOTED, now, f"smoke test passed: {why}", verdict, evidence)
    weight_pct = spec.strategy.steps[0].weight_pct
    reason = f"smoke test passed: {why}; canary starts with {weight_pct} %"
    return _move(spec, state, Phase.CANARY, now, reason, verdict, evidence, step_index=0)


def _step_canary(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    config, current = _canary_of(spec, state)
    evidence = judge_canary(spec, config, current, state.weight_pct, observation)
    verdict = worst(evidence)
    if verdict is Verdict.BREACH:
        return _roll_back(spec, state, evidence, now)
    left = current.duration - (now - from_micros(state.since_us))
    place = f"step {state.step_index + 1} of {len(config.steps)} at {state.weight_pct} %"
    if verdict is Verdict.INCONCLUSIVE:
        why = "; ".join(piece.why for piece in evidence if piece.verdict is verdict)
        due_us = state.since_us + current.duration // timedelta(microseconds=1)
        return _hold(spec, state, now, f"{place}: {why}", evidence, due_us=due_us)
    if left > timedelta(0):
        reason = f"{place}: within its limits; {format_duration(left)} left"
        return Transition(state=state, weights=None, reason=reason, verdict=verdict, evidence=evidence)
    if state.step_index + 1 == len(config.steps):
        reason = f"{place}: within its limits; promoted"
        return _move(spec, state, Phase.PROMOTED, now, reason, verdict, evidence)
    following = config.steps[state.step_index + 1].weight_pct
    reason = f"{place}: within its limits; next {following} %"
    return _move(spec, state, Phase.CANARY, now, reason, verdict, evidence, step_index=state.step_index + 1)


def _step_held(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    if state.stage is Phase.CANARY:
        config, current = _canary_of(spec, state)
        evidence = judge_canary(spec, config, current, state.weight_pct, observation)
        if worst(evidence) is Verdict.BREACH:
            return _roll_back(spec, state, evidence, now)
    possible = "resumes, promotes or aborts" if state.is_promotable else "resumes or aborts"
    return Transition(state, None, f"{state.phase}: a person {possible} it", Verdict.INCONCLUSIVE)


_STEPS: Mapping[Phase, Callable[[RolloutSpec, RolloutState, Observation, datetime], Transition]] = {
    Phase.STAGING: _step_staging,
    Phase.SMOKE: _step_smoke,
    Phase.CANARY: _step_canary,
}


def _roll_back(spec: RolloutSpec, state: RolloutState, evidence: tuple[Evidence, ...], now: datetime) -> Transition:
    why = "; ".join(piece.why for piece in evidence if piece.verdict is Verdict.BREACH)
    return _move(spec, state, Phase.ROLLED_BACK, now, f"limit breached: {why}", Verdict.BREACH, evidence)


def _hold(
    spec: RolloutSpec,
    state: RolloutState,
    now: datetime,
    why: str,
    evidence: tuple[Evidence, ...] = (),
    *,
    due_us: int,
) -> Transition:
    if now - from_micros(due_us) <= spec.strategy.max_hold:
        return Transition(state=state, weights=None, reason=why, verdict=Verdict.INCONCLUSIVE, evidence=evidence)
    reason = f"{why}; without a verdict for more than {format_duration(spec.strategy.max_hold)}: a person decides"
    waiting = Phase.WAITING_FOR_PERSON
    return _move(spec, state, waiting, now, reason, Verdict.INCONCLUSIVE, evidence, resumes_to=state.phase)


def _move(
    spec: RolloutSpec,
    state: RolloutState,
    target: Phase,
    now: datetime,
    reason: str,
    verdict: Verdict | None = None,
    evidence: tuple[Evidence, ...] = (),
    *,
    step_index: int | None = None,
    resumes_to: Phase | None = None,
    subject: str | None = None,
) -> Transition:
    require_legal(state.phase, target, subject or f"rollout of {spec.candidate.variant} on {spec.endpoint!r}")
    index = state.step_index if step_index is None else step_index
    after = dataclasses.replace(
        state,
        phase=target,
        since_us=to_micros(now),
        step_index=index,
        resumes_to=resumes_to,
    )
    after = dataclasses.replace(after, weight_pct=_weight_of(spec, after))
    before, weights = production_weights(spec, state), production_weights(spec, after)
    changed = weights if weights != before else None
    return Transition(state=after, weights=changed, reason=reason, verdict=verdict, evidence=evidence)


def _weight_of(spec: RolloutSpec, state: RolloutState) -> Decimal:
    if state.stage is Phase.PROMOTED:
        return _HUNDRED
    if state.stage is Phase.CANARY and isinstance(spec.strategy, CanaryConfig):
        return spec.strategy.steps[state.step_index].weight_pct
    return Decimal(0)


def _canary_of(spec: RolloutSpec, state: RolloutState) -> tuple[CanaryConfig, CanaryStep]:
    if not isinstance(spec.strategy, CanaryConfig):
        raise IllegalTransitionError(
            f"rollout on {spec.endpoint!r}: is in a canary, but its strategy is {spec.strategy.type}; abort it"
        )
    return spec.strategy, spec.strategy.steps[state.step_index]
