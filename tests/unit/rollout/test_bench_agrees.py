"""The bench judges many canaries at once; here it is held to the judgement that a rollout really gets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bench.rollouts.ours import DEFAULT_MARGINS, NO_MARGINS, Margins, breaches, evidence_of_harm
from bench.rollouts.results import ALPHA, calibrate, power, upper_bound
from bench.rollouts.traffic import BUCKETS, FAULTS, LOOKS, NO_FAULT, WEIGHTS, Fault, Kind, Traffic, simulate

from trimtab.core.enums import Task
from trimtab.rollout.analysis_plan import PlannedLimits, plan_of
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import Block, Counted, LossUnit, Tally
from trimtab.rollout.judgement import judge, verdict_of

PHASE = LOOKS // len(WEIGHTS)


def _block(traffic: Traffic, run: int, look: int) -> Block:
    p, phase = float(traffic.weights[look]), look // PHASE
    places = np.flatnonzero(traffic.unit_looks == look)
    units = tuple(
        LossUnit(p, bool(traffic.unit_drawn[run, place]), float(traffic.unit_losses[run, place]))
        for place in places
        if not math.isnan(traffic.unit_losses[run, place])
    )
    stable, candidate = (
        Tally(
            drawn=int(traffic.drawn[variant, run, look]),
            failed=int(traffic.failed[variant, run, look]),
            latency=_counted(traffic.durations[variant, run, look].tolist()),
        )
        for variant in (0, 1)
    )
    segment = phase if traffic.sticky else 0
    return Block(phase, p, candidate, stable, segment, traffic.sticky, losses={"accuracy": units})


def _counted(counts: list[int]) -> Counted:
    return tuple((int(bucket), count) for bucket, count in zip(BUCKETS, counts, strict=True) if count)


@pytest.mark.parametrize("margins", [NO_MARGINS, DEFAULT_MARGINS])
@pytest.mark.parametrize(
    ("kind", "fault"), [(Kind.BURSTY, NO_FAULT), (Kind.STICKY, FAULTS[1]), (Kind.DIURNAL, FAULTS[3])]
)
def test_the_bench_finds_what_a_rollout_would(kind: Kind, fault: Fault, margins: Margins) -> None:
    limits = PlannedLimits(
        max_error_ratio=margins.errors,
        max_refusal_ratio=None,
        max_error_rate=None,
        max_latency_increase=margins.latency,
        max_run_time_increase=None,
        max_degradation={"accuracy": margins.accuracy},
        alpha=ALPHA,
    )
    plan = plan_of(limits, Task.BINARY, sticky=kind is Kind.STICKY)
    traffic = simulate(kind, fault, 2, np.random.default_rng(7))
    evidence = evidence_of_harm(traffic, margins)
    breached = breaches(evidence, ALPHA)["all"]

    for run in range(2):
        state, before = AnalysisState(), False
        for look in range(LOOKS):
            state = accumulate(plan, state, _block(traffic, run, look))
            if look % 10 != 9 and breached[run, look] == before:
                continue
            found = judge(plan, state)
            for piece in found:
                assert piece.e_harm is not None
                expected = min(float(evidence[piece.name][run, look]), 700.0)
                assert math.log(piece.e_harm) == pytest.approx(expected, abs=1e-6)
            if breached[run, look] != before:
                assert verdict_of(found) == "breach"
            before = bool(breached[run, look])


@pytest.mark.parametrize("kind", list(Kind))
def test_healthy_canaries_are_seldom_rolled_back_whatever_the_traffic(kind: Kind) -> None:
    found = calibrate(kind, 50, seed=11)

    # With the true rate at its bound of 1 %, more than 4 of 50 have a chance of 1 in 7 000.
    assert found.false["ours"] <= 4
    assert found.false["ours-margins"] <= 4
    assert upper_bound(found.false["ours"], 50) < 1


def test_a_fault_is_found_while_a_fixed_horizon_still_waits() -> None:
    found = power(Kind.INDEPENDENT, FAULTS[2], 20, seed=12)

    assert found.fault == "5 % errors"
    assert found.shares["ours"][-1] == 1
    assert found.median["ours"] is not None
    assert found.median["mann-whitney"] is not None
    assert found.median["ours"] < found.median["mann-whitney"] / 4
