"""All that a rollout's judgement remembers, and how a block of new counts and losses is added to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import TrimtabError
from trimtab.rollout.agreement import AgreementState, with_agreement
from trimtab.rollout.analysis_plan import AnalysisPlan, loss_of
from trimtab.rollout.block import Block
from trimtab.rollout.latency import QUANTILES, RUN_QUANTILES, LatencyState, slower_than, with_latency
from trimtab.rollout.losses import LossState, with_losses, with_pairs
from trimtab.rollout.predictions import SHIFT, PredictionState, with_predictions
from trimtab.rollout.rates import SLOW_SHARE, Hits, with_hits
from trimtab.rollout.variant_labels import Labels, with_labels

__all__ = ["AnalysisState", "accumulate"]

_COLD = 20
_FORMAT = 2
_NS_PER_MS = 1e6
_NO_NUMBER = "its sums are no numbers any more"

StateT = TypeVar("StateT", LossState, AgreementState, PredictionState)


@dataclass(frozen=True, slots=True)
class AnalysisState:
    """All that a rollout's judgement remembers, since its start.

    ``drawn``: of the candidate and the stable version in the present generation; ``drawn_in_all``: since the start.
    ``labels``, ``hits``, ``durations`` and ``losses`` are keyed by what they are of. ``faults``: limit → why some block
    could not be added to it, so that it is not judged any more.
    """

    generation: int | None = None
    probability: float = 0.0
    drawn: tuple[int, int] = (0, 0)
    drawn_in_all: tuple[int, int] = (0, 0)
    labels: Mapping[str, Labels] = field(default_factory=dict)
    hits: Mapping[str, Hits] = field(default_factory=dict)
    durations: Mapping[str, LatencyState] = field(default_factory=dict)
    losses: Mapping[str, LossState] = field(default_factory=dict)
    agreement: AgreementState = field(default_factory=AgreementState)
    predictions: PredictionState = field(default_factory=PredictionState)
    faults: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Return the state as JSON values."""
        return {**_STATE.dump_python(self, mode="json"), "format": _FORMAT}

    @staticmethod
    def from_json(data: Any) -> AnalysisState:
        """Return the state that `to_json` wrote; what was written in another format, or not as numbers, begins anew.

        Evidence of a rollout that was under way when the format changed is gathered again, from what comes after.
        """
        if data.get("format") != _FORMAT:
            return AnalysisState()
        try:
            return _STATE.validate_python({name: value for name, value in data.items() if name != "format"})
        except ValidationError:
            return AnalysisState()


def accumulate(plan: AnalysisPlan, before: AnalysisState, block: Block) -> AnalysisState:
    """Return the state after ``block``; a block is to be added once, and blocks in the order of their generations.

    Counts of a generation that is over (answers that took long) still count for it. A limit that breaks on the block
    is not judged any more, and the others are.
    """
    new = before.generation is None or block.generation > before.generation
    state = before
    if new:
        shown = {name: kept.in_new_generation(sticky=plan.sticky) for name, kept in before.durations.items()}
        state = replace(before, generation=block.generation, drawn=(0, 0), durations=shown)
    # Of losses none of which could be judged nobody says how they were drawn: that is no switch to all traffic.
    if block.generation == state.generation and block.probability > 0:
        state = replace(state, probability=block.probability)
    warm = block.generation != state.generation or min(state.drawn) >= _COLD
    candidate, stable = block.candidate, block.stable
    drawn = (candidate.drawn, stable.drawn)
    faults = dict(state.faults)
    return replace(
        state,
        drawn=_sum(state.drawn, drawn) if block.generation == state.generation else state.drawn,
        drawn_in_all=_sum(state.drawn_in_all, drawn) if 0 < block.probability < 1 else state.drawn_in_all,
        labels=_labels(plan, state, block),
        hits=_hits(plan, state, block),
        durations=_durations(plan, state, block, judged=warm),
        losses=_losses(plan, state, block, faults),
        agreement=_folded(
            faults,
            "agreement",
            state.agreement,
            lambda: with_agreement(state.agreement, block.agreement, plan.limits.min_agreement),
        ),
        predictions=_predictions(plan, state, block, faults),
        faults=faults,
    )


def _folded(faults: dict[str, str], name: str, old: StateT, fold: Callable[[], StateT]) -> StateT:
    """Return what ``fold`` makes of ``old``; where it breaks, ``old``, and say so in ``faults`` for good.

    Judged by what is left it would be judged by a choice of its answers.
    """
    if name in faults:
        return old
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            new = fold()
    except (TrimtabError, ArithmeticError, ValueError) as error:
        faults[name] = str(error)
        return old
    if _is_finite(new):
        return new
    faults[name] = _NO_NUMBER
    return old


def _is_finite(value: Any) -> bool:
    """Whether all numbers in a state are some: what is none cannot be stored."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return not is_dataclass(value) or all(_is_finite(getattr(value, one.name)) for one in fields(value))


def _sum(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    return first[0] + second[0], first[1] + second[1]


def _labels(plan: AnalysisPlan, state: AnalysisState, block: Block) -> dict[str, Labels]:
    counts = {
        "errors": (block.candidate.failed, block.stable.failed),
        "refusals": (block.candidate.refused, block.stable.refused),
    }
    return {
        name: with_labels(state.labels.get(name, Labels()), block, *counts[name], ratio=ratio)
        for name, ratio in (("errors", plan.limits.max_error_ratio), ("refusals", plan.limits.max_refusal_ratio))
        if ratio is not None and name in plan.alphas
    }


def _hits(plan: AnalysisPlan, state: AnalysisState, block: Block) -> dict[str, Hits]:
    """Return the counts against absolute limits: of a limit on time what is beyond it for certain, and perhaps."""
    found = dict(state.hits)

    def add(name: str, limit: float, hits: int, requests: int) -> None:
        found[name] = with_hits(found.get(name, Hits()), hits, requests, limit=limit)

    candidate, stable = block.candidate, block.stable
    limit = plan.limits.max_error_rate
    if limit is not None and "error_rate" in plan.alphas:
        add("error_rate", limit, candidate.errors, candidate.requests)
        add("error_rate:stable", limit, stable.errors, stable.requests)
    limit = plan.limits.max_refusal_rate
    if limit is not None and "refusal_rate" in plan.alphas:
        add("refusal_rate", limit, candidate.refusals, candidate.requests)
        add("refusal_rate:stable", limit, stable.refusals, stable.requests)
    limit_ms = plan.limits.max_latency_p95_ms
    # The first requests of a generation warm it up: they are slow for no fault of the model's.
    if limit_ms is not None and "latency_p95_ms" in plan.alphas and state.drawn[0] >= _COLD:
        certain, perhaps = slower_than(candidate.durations, limit_ms * _NS_PER_MS)
        requests = sum(count for _, count in candidate.durations)
        add("latency_p95_ms", SLOW_SHARE, certain, requests)
        add("latency_p95_ms:perhaps", SLOW_SHARE, perhaps, requests)
        beside = slower_than(stable.durations, limit_ms * _NS_PER_MS)[0]
        add("latency_p95_ms:stable", SLOW_SHARE, beside, sum(count for _, count in stable.durations))
    return found


def _durations(plan: AnalysisPlan, state: AnalysisState, block: Block, *, judged: bool) -> dict[str, LatencyState]:
    found = dict(state.durations)
    limits, candidate, stable = plan.limits, block.candidate, block.stable
    for name, margin, quantiles, pair in (
        ("latency", limits.max_latency_increase, QUANTILES, (candidate.latency, stable.latency)),
        ("run", limits.max_run_time_increase, RUN_QUANTILES, (candidate.run, stable.run)),
    ):
        if margin is None or plan.paired:
            continue
        old = found.get(name, LatencyState())
        found[name] = with_latency(old, block, *pair, quantiles=quantiles, margin=margin, judged=judged)
    return found


def _losses(plan: AnalysisPlan, state: AnalysisState, block: Block, faults: dict[str, str]) -> dict[str, LossState]:
    found, limits, segment = dict(state.losses), plan.limits, block.segment
    for metric, most in limits.max_degradation.items():
        name, loss = f"degradation:{metric}", loss_of(metric, plan.task)
        old = found.get(name, LossState())
        if plan.paired:
            fold = partial(with_pairs, old, block.pairs.get(metric, ()), loss, most)
        else:
            units = [unit for unit in block.losses.get(metric, ()) if not unit.estimated]
            fold = partial(with_losses, old, units, loss, most, segment=segment)
        found[name] = _folded(faults, name, old, fold)
    for metric, most in limits.max_estimated_degradation.items() if not plan.paired else ():
        name, loss = f"estimated:{metric}", loss_of(metric, plan.task)
        old = found.get(name, LossState())
        units = [unit for unit in block.losses.get(metric, ()) if unit.estimated]
        found[name] = _folded(faults, name, old, partial(with_losses, old, units, loss, most, segment=segment))
    return found


def _predictions(plan: AnalysisPlan, state: AnalysisState, block: Block, faults: dict[str, str]) -> PredictionState:
    old, most = state.predictions, plan.limits.max_prediction_shift
    if most is None or plan.paired:
        return old
    fold = partial(with_predictions, old, block.predictions, most, plan.task, segment=block.segment)
    return _folded(faults, SHIFT, old, fold)


_STATE: TypeAdapter[AnalysisState] = TypeAdapter(AnalysisState)
