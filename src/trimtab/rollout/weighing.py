"""What of an observation counts where a rollout stands: which limits, of which generation, and what is waited for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from trimtab.core.enums import Verdict
from trimtab.rollout.judgement import verdict_of
from trimtab.rollout.limits import Family, QualityLimits, family_of
from trimtab.rollout.phases import Phase
from trimtab.rollout.predictions import SHIFT
from trimtab.rollout.state import Evidence, Observation, RolloutSpec, RolloutState, ServedState
from trimtab.rollout.strategies import CanaryConfig, RecreateConfig

__all__ = ["Weighed", "refusal", "weigh"]

_NOT_TAKEN_UP = "production has not taken up the desired generation yet"
_COMPARED = frozenset({Family.ERRORS, Family.LATENCY, Family.QUALITY})


@dataclass(frozen=True, slots=True)
class Weighed:
    """The evidence that counts, and what follows from it."""

    evidence: tuple[Evidence, ...]

    @property
    def verdict(self) -> Verdict:
        """BREACH if anything is breached, else INCONCLUSIVE if anything that is waited for is open, else OK."""
        return verdict_of(self.evidence)

    @property
    def takes_back(self) -> bool:
        """Whether a breach gives the stable version all traffic. A better model predicts otherwise: that only asks."""
        return any(piece.verdict is Verdict.BREACH and piece.name != SHIFT for piece in self.evidence)

    @property
    def why(self) -> str:
        """What led to the verdict, in the words of the evidence."""
        verdict = self.verdict
        if verdict is Verdict.OK:
            return "within its limits"
        decisive = [piece for piece in self.evidence if piece.verdict is verdict]
        return "; ".join(piece.why for piece in decisive if piece.required or verdict is Verdict.BREACH)


def refusal(state: RolloutState, observation: Observation) -> tuple[Evidence, ...]:
    """Return why production cannot serve what this state desires of it, or goes down over it; empty while it may."""
    if observation.outages:
        return observation.outages
    if observation.production is not ServedState.REFUSED or not _is_of(state, observation):
        return ()
    why = f"production refuses it: {observation.production_error or 'no reason was given'}"
    return (Evidence("production", Verdict.BREACH, None, None, why),)


def weigh(spec: RolloutSpec, state: RolloutState, observation: Observation) -> Weighed:
    """Return the limits that count where the rollout stands, as far as they were seen of the state's generation.

    What was seen of another generation says nothing: so the observation that led to a step cannot lead to the next one
    too. Before production has taken up this one everywhere nothing is within its limits; but what is breached is, by
    those who serve it.
    """
    if not _is_of(state, observation):
        return Weighed((_open("production", _NOT_TAKEN_UP),))
    if observation.production is not ServedState.SERVED:
        found = () if spec.stable is None else _found(spec, state, observation)
        breached = tuple(piece for piece in found if piece.verdict is Verdict.BREACH)
        return Weighed((*breached, _open("production", observation.production_error or _NOT_TAKEN_UP)))
    if spec.stable is None:
        # Nothing is beside it, and there is nothing to go back to: that it is served is all that is waited for.
        return Weighed(())
    found = _found(spec, state, observation)
    if state.stage is Phase.SHADOW:
        if any(piece.required for piece in found):
            return Weighed(found)
        return Weighed((*found, _open("agreement", "no answers were compared yet")))
    wanted = _min_requests(spec, state)
    if not wanted:
        return Weighed(found)
    verdict = Verdict.OK if observation.requests >= wanted else Verdict.INCONCLUSIVE
    why = f"{observation.requests} of {wanted} requests answered{_unanswered(observation)}"
    return Weighed((Evidence("requests", verdict, float(observation.requests), float(wanted), why), *found))


def _unanswered(observation: Observation) -> str:
    """Return what became of the requests that count as none, if there are any."""
    told = (
        (observation.refused, "were refused"),
        (observation.failed, "failed"),
        (observation.abandoned, "were not waited for"),
    )
    others = [f"{count} {what}" for count, what in told if count]
    return f": {', '.join(others)}" if others else ""


def _found(spec: RolloutSpec, state: RolloutState, observation: Observation) -> tuple[Evidence, ...]:
    return tuple(_weighed(spec, state, piece) for piece in observation.evidence)


def _is_of(state: RolloutState, observation: Observation) -> bool:
    return observation.generation is not None and observation.generation == state.generation


def _open(name: str, why: str) -> Evidence:
    return Evidence(name, Verdict.INCONCLUSIVE, None, None, why)


def _weighed(spec: RolloutSpec, state: RolloutState, piece: Evidence) -> Evidence:
    """Return the evidence as far as it counts here: what is not required is not waited for."""
    family = family_of(piece.name)
    if piece.name in state.asked and piece.verdict is Verdict.BREACH:
        why = f"{piece.why}; a person was asked about it"
        return dataclasses.replace(piece, verdict=Verdict.INCONCLUSIVE, why=why, required=False)
    if state.weight_pct == 100 and family in _COMPARED and piece.verdict is Verdict.INCONCLUSIVE:
        return dataclasses.replace(piece, why=f"{piece.why}; no version is beside it", required=False)
    limits = None if isinstance(spec.strategy, RecreateConfig) else spec.strategy.limits
    if family is None or not isinstance(limits, QualityLimits):
        return piece
    if piece.required and not limits.required.get(family, True):
        piece = dataclasses.replace(piece, required=False)
    if piece.verdict is Verdict.INCONCLUSIVE and not piece.required:
        return dataclasses.replace(piece, why=f"{piece.why}; not required: it is not waited for")
    labelled = min(piece.candidate_n, piece.stable_n)
    if family is Family.QUALITY and piece.verdict is Verdict.OK and labelled < limits.min_labels:
        why = f"{piece.why}; {labelled} of {limits.min_labels} labels of each version"
        return dataclasses.replace(piece, verdict=Verdict.INCONCLUSIVE, why=why)
    return piece


def _min_requests(spec: RolloutSpec, state: RolloutState) -> int:
    if state.stage is Phase.CANARY and isinstance(spec.strategy, CanaryConfig):
        return spec.strategy.steps[state.step_index].min_requests
    bake = spec.bake if state.stage is Phase.BAKING else None
    return 0 if bake is None else bake.min_requests
