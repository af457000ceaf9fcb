"""How a rollout moves or holds: every change of state is made here, and is held against the table of moves."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from trimtab.config.durations import format_duration
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Verdict
from trimtab.rollout.phases import Phase, require_legal
from trimtab.rollout.state import Evidence, RolloutSpec, RolloutState, Transition
from trimtab.rollout.traffic import production_shadows, production_weights, weight_of

__all__ = ["ask", "ask_once", "hold", "move", "roll_back"]


def move(
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
    """Return the move to ``target``.

    Raises:
        IllegalTransitionError: it is not in the table of moves.
    """
    require_legal(state.phase, target, subject or f"rollout of {spec.candidate.variant} on {spec.endpoint!r}")
    index = state.step_index if step_index is None else step_index
    after = dataclasses.replace(
        state,
        phase=target,
        since_us=to_micros(now),
        step_index=index,
        weight_pct=weight_of(spec, resumes_to or target, index, state.weight_pct),
        resumes_to=resumes_to,
    )
    weights = production_weights(spec, after)
    carried = (production_weights(spec, state), production_shadows(spec, state))
    if carried == (weights, production_shadows(spec, after)):
        return Transition(after, None, reason, verdict, evidence)
    # What was seen until now is of another generation: it must not lead to the next step too.
    return Transition(dataclasses.replace(after, generation=None), weights, reason, verdict, evidence)


def hold(
    spec: RolloutSpec,
    state: RolloutState,
    now: datetime,
    why: str,
    evidence: tuple[Evidence, ...] = (),
    *,
    due_us: int,
) -> Transition:
    """Stay, without a verdict; from ``max_hold`` past ``due_us`` on, ask a person."""
    if now - from_micros(due_us) <= spec.strategy.max_hold:
        return Transition(state, None, why, Verdict.INCONCLUSIVE, evidence)
    reason = f"a person decides: no verdict for more than {format_duration(spec.strategy.max_hold)}; {why}"
    return ask(spec, state, now, reason, evidence)


def ask(
    spec: RolloutSpec,
    state: RolloutState,
    now: datetime,
    reason: str,
    evidence: tuple[Evidence, ...] = (),
    verdict: Verdict = Verdict.INCONCLUSIVE,
) -> Transition:
    """Stay with what production carries until a person decides."""
    waiting = Phase.WAITING_FOR_PERSON
    return move(spec, state, waiting, now, reason, verdict, evidence, resumes_to=state.phase)


def ask_once(
    spec: RolloutSpec, state: RolloutState, now: datetime, reason: str, evidence: tuple[Evidence, ...]
) -> Transition:
    """Ask a person about what ``evidence`` says is breached: never again once the rollout is resumed."""
    breached = (piece.name for piece in evidence if piece.verdict is Verdict.BREACH)
    asked = dataclasses.replace(state, asked=tuple(sorted({*state.asked, *breached})))
    return ask(spec, asked, now, reason, evidence, Verdict.BREACH)


def roll_back(spec: RolloutSpec, state: RolloutState, evidence: tuple[Evidence, ...], now: datetime) -> Transition:
    """Give the stable version all traffic, for the limits that ``evidence`` says are breached."""
    why = "; ".join(piece.why for piece in evidence if piece.verdict is Verdict.BREACH)
    return move(spec, state, Phase.ROLLED_BACK, now, f"limit breached: {why}", Verdict.BREACH, evidence)
