"""What production carries in a state of a rollout: who answers callers with which share, and who gets copies."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trimtab.rollout.phases import Phase
from trimtab.rollout.state import RolloutSpec, RolloutState
from trimtab.rollout.strategies import ABConfig, CanaryConfig, ShadowConfig

__all__ = ["production_shadows", "production_weights", "weight_of"]

_ALL = Decimal(100)


def production_weights(spec: RolloutSpec, state: RolloutState) -> Mapping[str, Decimal]:
    """Return what each live variant of production takes in ``state``, in percent; empty when nothing is served.

    The values sum to 100. While the candidate has all of it and is still watched, the stable version stays loaded with
    0, for an instant way back.
    """
    if state.stage is Phase.PROMOTED or (state.stage is Phase.BAKING and spec.stable is None):
        return {spec.candidate.variant: _ALL}
    if spec.stable is None:
        return {}
    if state.stage in {Phase.CANARY, Phase.SPLIT, Phase.BAKING}:
        return {spec.stable.variant: _ALL - state.weight_pct, spec.candidate.variant: state.weight_pct}
    return {spec.stable.variant: _ALL}


def production_shadows(spec: RolloutSpec, state: RolloutState) -> Mapping[str, Decimal]:
    """Return of how many percent of the requests each shadow gets a copy in ``state``."""
    if state.stage is not Phase.SHADOW or spec.stable is None:
        return {}
    share = spec.strategy.copy_pct if isinstance(spec.strategy, ShadowConfig) else _ALL
    return {spec.candidate.variant: share}


def weight_of(spec: RolloutSpec, phase: Phase, step_index: int, present: Decimal) -> Decimal:
    """Return the candidate's share in ``phase``; ``present`` where the strategy does not say one."""
    match phase, spec.strategy:
        case ((Phase.PROMOTED | Phase.BAKING), _):
            return _ALL
        case Phase.CANARY, CanaryConfig(steps=steps) if step_index < len(steps):
            return steps[step_index].weight_pct
        case Phase.SPLIT, ABConfig(weight_pct=weight_pct):
            return weight_pct
        case ((Phase.CANARY | Phase.SPLIT), _):
            return present
    return Decimal(0)
