"""What each phase of a rollout waits for, and where it leads: one pure function a phase."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from trimtab.config.durations import format_duration
from trimtab.core.clock import from_micros
from trimtab.core.enums import Verdict
from trimtab.rollout.moving import ask, ask_once, hold, move, roll_back
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import (
    Evidence,
    Observation,
    RolloutSpec,
    RolloutState,
    StagingObservation,
    Transition,
)
from trimtab.rollout.strategies import (
    ABConfig,
    CanaryConfig,
    ShadowConfig,
    bake_of,
)
from trimtab.rollout.weighing import Weighed, weigh

__all__ = ["STAGES", "fits_strategy"]


def fits_strategy(spec: RolloutSpec, state: RolloutState) -> bool:
    """Whether the strategy has the phase (and the step) that the rollout stands in."""
    strategy = spec.strategy
    match state.stage:
        case Phase.CANARY:
            return isinstance(strategy, CanaryConfig) and state.step_index < len(strategy.steps)
        case Phase.SHADOW:
            return isinstance(strategy, ShadowConfig)
        case Phase.SPLIT:
            return isinstance(strategy, ABConfig)
        case Phase.BAKING:
            return spec.bake is not None
    return True


def _staging(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    staging = observation.staging
    if staging is None:
        return hold(spec, state, now, "no server answers for the staging endpoint yet", due_us=state.since_us)
    if staging.error is not None:
        evidence = (Evidence("load", Verdict.BREACH, None, None, staging.error),)
        return move(spec, state, Phase.FAILED, now, f"does not load: {staging.error}", Verdict.BREACH, evidence)
    if not staging.ready:
        return hold(spec, state, now, "the candidate is being loaded on staging", due_us=state.since_us)
    return move(spec, state, Phase.SMOKE, now, "loaded on the staging endpoint", Verdict.OK)


def _smoke(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    staging = observation.staging
    if staging is None or not (staging.ready or staging.error):
        return hold(spec, state, now, "staging is not ready for the smoke test", due_us=state.since_us)
    found = _golden_rows(spec, staging)
    if found.verdict is Verdict.BREACH:
        return move(spec, state, Phase.FAILED, now, f"smoke test failed: {found.why}", found.verdict, (found,))
    target, follows = _after_smoke(spec)
    reason = f"smoke test passed: {found.why}; {follows}"
    return move(spec, state, target, now, reason, found.verdict, (found,), step_index=0)


def _golden_rows(spec: RolloutSpec, staging: StagingObservation) -> Evidence:
    limit, difference = spec.smoke_max_abs_difference, staging.smoke_max_abs_difference
    why = f"{staging.smoke_rows} golden rows, largest difference {difference:.3g}, limit {limit:.3g}"
    if staging.error is not None:
        why = staging.error
    elif staging.smoke_rows == 0:
        why = "the bundle holds no golden rows, so that nothing was tested"
    # Written so that a NaN difference fails.
    passed = staging.error is None and staging.smoke_rows > 0 and difference <= limit
    verdict = Verdict.OK if passed else Verdict.BREACH
    return Evidence("smoke_max_abs_difference", verdict, difference if math.isfinite(difference) else None, limit, why)


def _after_smoke(spec: RolloutSpec) -> tuple[Phase, str]:
    if spec.stable is None:
        return Phase.BAKING, "it takes all traffic"
    match spec.strategy:
        case CanaryConfig(steps=(first, *_)) if first.weight_pct < 100:
            return Phase.CANARY, f"canary starts with {first.weight_pct} %"
        case ShadowConfig(copy_pct=copy_pct):
            return Phase.SHADOW, f"it gets a copy of {copy_pct} % of the requests"
        case ABConfig(weight_pct=weight_pct):
            return Phase.SPLIT, f"it takes {weight_pct} % until a person decides"
    return Phase.BAKING, f"it takes all traffic, {spec.stable.variant} stays loaded"


def _shadow(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    found = weigh(spec, state, observation)
    why = f"shadow: {found.why}"
    if found.verdict is Verdict.BREACH:
        # Nobody got its answers: there is nothing to take back, and a better model may well answer otherwise.
        return ask(spec, state, now, f"a person decides: {why}", found.evidence, found.verdict)
    if found.verdict is Verdict.INCONCLUSIVE:
        return hold(spec, state, now, why, found.evidence, due_us=state.since_us)
    target = Phase.PROMOTED if bake_of(spec.strategy) is None else Phase.BAKING
    return move(spec, state, target, now, f"{why}; it takes all traffic", found.verdict, found.evidence)


def _canary(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    steps = spec.strategy.steps if isinstance(spec.strategy, CanaryConfig) else ()
    place = f"step {state.step_index + 1} of {len(steps)} at {state.weight_pct} %"
    found = weigh(spec, state, observation)
    stays = _not_yet(spec, state, found, now, steps[state.step_index].duration, place)
    if stays is not None:
        return stays
    following = state.step_index + 1
    if following == len(steps):
        reason = f"{place}: within its limits; promoted"
        return move(spec, state, Phase.PROMOTED, now, reason, found.verdict, found.evidence)
    weight_pct = steps[following].weight_pct
    target = Phase.BAKING if weight_pct == 100 else Phase.CANARY
    reason = f"{place}: within its limits; next {weight_pct} %"
    return move(spec, state, target, now, reason, found.verdict, found.evidence, step_index=following)


def _baking(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    lasts = timedelta(0) if spec.bake is None else spec.bake.duration
    found = weigh(spec, state, observation)
    stays = _not_yet(spec, state, found, now, lasts, "bake at 100 %" if lasts else "all traffic")
    if stays is not None:
        return stays
    reason = "bake at 100 %: within its absolute limits; promoted" if lasts else "all traffic: it is served; promoted"
    return move(spec, state, Phase.PROMOTED, now, reason, found.verdict, found.evidence)


def _not_yet(
    spec: RolloutSpec, state: RolloutState, found: Weighed, now: datetime, duration: timedelta, place: str
) -> Transition | None:
    """Roll back or ask on a breach, stay while the verdict or ``duration`` is open, else None: what follows may."""
    if found.verdict is Verdict.BREACH:
        return _breached(spec, state, found, now, place)
    if found.verdict is Verdict.INCONCLUSIVE:
        due_us = state.since_us + duration // timedelta(microseconds=1)
        return hold(spec, state, now, f"{place}: {found.why}", found.evidence, due_us=due_us)
    left = duration - (now - from_micros(state.since_us))
    if left > timedelta(0):
        reason = f"{place}: {found.why}; {_rounded(left)} left"
        return Transition(state, None, reason, found.verdict, found.evidence)
    return None


def _rounded(left: timedelta) -> str:
    return format_duration(timedelta(seconds=math.ceil(left.total_seconds())))


def _breached(spec: RolloutSpec, state: RolloutState, found: Weighed, now: datetime, place: str) -> Transition:
    if found.takes_back:
        return roll_back(spec, state, found.evidence, now)
    reason = f"a person decides: {place}: {found.why}"
    return ask_once(spec, state, now, reason, found.evidence)


def _split(spec: RolloutSpec, state: RolloutState, observation: Observation, now: datetime) -> Transition:
    found = weigh(spec, state, observation)
    if found.verdict is Verdict.BREACH:
        return _breached(spec, state, found, now, f"split at {state.weight_pct} %")
    why = f"split at {state.weight_pct} %: {found.why}"
    lasts = spec.strategy.max_duration if isinstance(spec.strategy, ABConfig) else timedelta(0)
    if now - from_micros(state.since_us) >= lasts:
        reason = f"a person promotes or aborts it: {format_duration(lasts)} are over; {why}"
        return ask(spec, state, now, reason, found.evidence, found.verdict)
    reason = f"{why}; it lasts until a person promotes or aborts it"
    return Transition(state, None, reason, found.verdict, found.evidence)


STAGES: Mapping[Phase, Callable[[RolloutSpec, RolloutState, Observation, datetime], Transition]] = {
    Phase.STAGING: _staging,
    Phase.SMOKE: _smoke,
    Phase.SHADOW: _shadow,
    Phase.CANARY: _canary,
    Phase.SPLIT: _split,
    Phase.BAKING: _baking,
}
"""What is decided in each phase that works by itself."""
