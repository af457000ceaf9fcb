"""Blocks of two versions' traffic: drawn at random from a seed, with the faults that a test asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.measures.duration_buckets import FAILED, bucket_of
from trimtab.rollout.analysis_plan import AnalysisPlan
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import Block, LossUnit, Tally


@dataclass(frozen=True, slots=True)
class Version:
    """How a version behaves: its chance to fail, to refuse and to be wrong, and its median latency."""

    error_rate: float = 0.002
    refusal_rate: float = 0.0
    wrong: float = 0.1
    median_ms: float = 20.0


GOOD = Version()
WEIGHTS = (0.05, 0.1, 0.25, 0.5)


def blocks(
    candidate: Version = GOOD,
    stable: Version = GOOD,
    *,
    weights: Sequence[float] = WEIGHTS,
    looks: int = 30,
    requests: int = 200,
    seed: int = 0,
    sticky: bool = False,
    metric: str | None = None,
) -> Iterator[Block]:
    """Each weight is a generation, from 1 on, looked at ``looks`` times after ``requests`` requests."""
    rng = np.random.default_rng(seed)
    for generation, weight in enumerate(weights, start=1):
        for _ in range(looks):
            drawn = int(rng.binomial(requests, weight))
            yield Block(
                generation=generation,
                probability=weight,
                segment=generation if sticky else 0,
                sticky=sticky,
                candidate=tally(candidate, drawn, rng),
                stable=tally(stable, requests - drawn, rng),
                losses={} if metric is None else {metric: _units(candidate, stable, weight, requests, rng)},
            )


def tally(version: Version, drawn: int, rng: np.random.Generator) -> Tally:
    failed = int(rng.binomial(drawn, version.error_rate))
    refused = int(rng.binomial(drawn - failed, version.refusal_rate))
    durations = version.median_ms * 1e6 * np.exp(0.3 * rng.standard_normal(drawn - failed - refused))
    counts = Counter(map(bucket_of, durations.astype(np.int64).tolist()))
    counts[FAILED] += failed
    latency = tuple(sorted(counts.items()))
    answered = drawn - failed - refused
    return Tally(drawn, failed, refused, latency, latency, drawn, failed, latency, answered, refused)


def _units(
    candidate: Version, stable: Version, weight: float, requests: int, rng: np.random.Generator
) -> tuple[LossUnit, ...]:
    drawn = rng.random(requests) < weight
    wrong = rng.random(requests) < np.where(drawn, candidate.wrong, stable.wrong)
    return tuple(LossUnit(weight, bool(a), float(loss)) for a, loss in zip(drawn, wrong, strict=True))


def after(plan: AnalysisPlan, seen: Iterator[Block] | Sequence[Block]) -> AnalysisState:
    state = AnalysisState()
    for block in seen:
        state = accumulate(plan, state, block)
    return state
