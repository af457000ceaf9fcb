from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rollout.side_by_side import GOOD, Version, after, blocks

from trimtab.core.enums import Task, Verdict
from trimtab.core.errors import ConfigError
from trimtab.rollout.analysis_plan import AnalysisPlan, PlannedLimits, plan_of
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import Block, LossUnit, Tally
from trimtab.rollout.judgement import judge, verdict_of
from trimtab.rollout.state import Evidence

NOTHING = PlannedLimits(
    max_error_ratio=None,
    max_refusal_ratio=None,
    max_error_rate=None,
    max_latency_increase=None,
    max_run_time_increase=None,
)
PLAN = plan_of(PlannedLimits(), Task.BINARY)


def _named(evidence: tuple[Evidence, ...], name: str) -> Evidence:
    return next(piece for piece in evidence if piece.name == name)


def _first_breach(plan: AnalysisPlan, candidate: Version, stable: Version = GOOD, **how: Any) -> list[str]:
    """Return what is breached when first something is; nothing when the candidate gets through."""
    state = AnalysisState()
    for block in blocks(candidate, stable, **how):
        state = accumulate(plan, state, block)
        breached = [piece.name for piece in judge(plan, state) if piece.verdict is Verdict.BREACH]
        if breached:
            return breached
    return []


def test_a_version_as_good_as_the_stable_one_is_ok_of_everything_that_is_waited_for() -> None:
    evidence = judge(PLAN, after(PLAN, blocks(seed=1)))

    assert verdict_of(evidence) is Verdict.OK
    assert {piece.verdict for piece in evidence if piece.required} == {Verdict.OK}
    assert {piece.name for piece in evidence if not piece.required} == {
        "refusals",
        "latency_p99",
        "run_p50",
        "run_p95",
    }


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        (replace(GOOD, error_rate=0.05), "errors"),
        (replace(GOOD, refusal_rate=0.05), "refusals"),
        (replace(GOOD, median_ms=40.0), "latency_p95"),
    ],
)
def test_a_fault_is_a_breach_of_what_it_is_a_fault_of(candidate: Version, name: str) -> None:
    assert name in _first_breach(PLAN, candidate, seed=2)


def test_a_fault_that_begins_late_is_found_too() -> None:
    calm = after(PLAN, blocks(weights=(0.05, 0.1), looks=100, seed=3))
    assert verdict_of(judge(PLAN, calm)) is not Verdict.BREACH

    state = calm
    for block in blocks(replace(GOOD, error_rate=0.05), weights=(0.25,), looks=10, seed=4):
        state = accumulate(PLAN, state, replace(block, generation=3))
    assert _named(judge(PLAN, state), "errors").verdict is Verdict.BREACH


@pytest.mark.parametrize(
    ("fault", "names", "weight"),
    [
        (replace(GOOD, error_rate=0.1), {"errors"}, 0.25),
        (replace(GOOD, error_rate=0.1), {"error_rate"}, 1.0),
        (replace(GOOD, median_ms=40.0), {"latency_p50", "latency_p95", "latency_p99"}, 0.25),
        (replace(GOOD, wrong=0.4), {"degradation:accuracy"}, 0.25),
    ],
)
def test_a_fault_that_begins_after_many_good_answers_is_found_almost_as_soon_as_an_early_one(
    fault: Version, names: set[str], weight: float
) -> None:
    plan = plan_of(
        replace(PlannedLimits(), max_run_time_increase=None, max_degradation={"accuracy": 0.02}), Task.BINARY
    )
    how: dict[str, Any] = {"weights": (weight,), "metric": "accuracy"}

    def until_found(state: AnalysisState) -> int:
        for count, block in enumerate(blocks(fault, looks=400, requests=50, seed=42, **how), start=1):
            state = accumulate(plan, state, block)
            if any(piece.name in names and piece.verdict is Verdict.BREACH for piece in judge(plan, state)):
                return count
        return 400

    early = until_found(after(plan, blocks(looks=8, requests=50, seed=40, **how)))
    calm = after(plan, blocks(looks=50, requests=1000, seed=41, **how))
    assert verdict_of(judge(plan, calm)) is not Verdict.BREACH
    assert until_found(calm) <= 3 * early


def test_a_breach_that_shows_only_lately_is_told_as_that() -> None:
    calm = after(PLAN, blocks(Version(error_rate=0.0), weights=(0.25,), looks=50, requests=1000, seed=43))
    late = list(blocks(replace(GOOD, error_rate=0.2), weights=(0.25,), looks=10, requests=50, seed=44))
    state = calm
    for block in late:
        state = accumulate(PLAN, state, block)

    found, alone = _named(judge(PLAN, state), "error_rate"), _named(judge(PLAN, after(PLAN, late)), "error_rate")
    assert (found.verdict, alone.verdict) == (Verdict.BREACH, Verdict.BREACH)
    assert found.why.endswith("failed, lately more than the limit of 0.01")
    assert alone.why.endswith("failed, more than the limit of 0.01")


def test_what_an_older_version_stored_begins_anew() -> None:
    stored = after(PLAN, blocks(looks=3)).to_json()
    old = {name: value for name, value in stored.items() if name != "format"} | {"labels": {"errors": [[1, 2]]}}

    assert AnalysisState.from_json(old) == AnalysisState()
    assert AnalysisState.from_json(stored) != AnalysisState()


def test_errors_that_both_versions_share_are_no_fault_of_the_candidates() -> None:
    outage = Version(error_rate=0.3)
    state = AnalysisState()
    for block in blocks(outage, outage, seed=5):
        state = accumulate(PLAN, state, block)
        evidence = judge(PLAN, state)
        assert verdict_of(evidence) is not Verdict.BREACH
    found = _named(evidence, "error_rate")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "a fault that they share" in found.why


def test_without_a_version_beside_it_only_absolute_limits_are_judged() -> None:
    plan = plan_of(replace(PlannedLimits(), max_latency_p95_ms=100.0), Task.BINARY)
    good = judge(plan, after(plan, blocks(weights=(0.5, 1.0), seed=6)))
    assert [piece.name for piece in good] == ["error_rate", "latency_p95_ms"]
    assert verdict_of(good) is Verdict.OK

    broken = Version(error_rate=0.1, median_ms=300.0)
    bad = judge(plan, after(plan, blocks(broken, weights=(1.0,), seed=6)))
    assert [piece.verdict for piece in bad] == [Verdict.BREACH, Verdict.BREACH]


def test_errors_without_any_answer_look_slow_not_fast() -> None:
    plan = plan_of(replace(NOTHING, max_latency_increase=0.2), Task.BINARY)
    breached = _first_breach(plan, replace(GOOD, error_rate=0.3), seed=7)
    assert breached
    assert all(name.startswith("latency_") for name in breached)


@pytest.mark.parametrize(("times", "least", "most"), [(1.0, 20, 20), (1.5, 0, 2), (2.0, 0, 0)])
def test_errors_are_ok_where_they_are_less_than_the_ratio_and_seldom_at_it(times: float, least: int, most: int) -> None:
    plan = plan_of(replace(NOTHING, max_error_ratio=1.5), Task.BINARY)
    ok = 0
    for seed in range(20):
        state, verdicts = AnalysisState(), set()
        versions = replace(GOOD, error_rate=0.05 * times), replace(GOOD, error_rate=0.05)
        for look, block in enumerate(blocks(*versions, weights=(0.25, 0.5), requests=400, seed=200 + seed)):
            state = accumulate(plan, state, block)
            if look % 6 == 5:
                verdicts.add(judge(plan, state)[0].verdict)
        ok += Verdict.OK in verdicts

    assert least <= ok <= most


def test_a_candidate_right_at_the_margin_is_seldom_ok_and_seldom_a_breach() -> None:
    plan = plan_of(replace(NOTHING, max_latency_increase=0.1), Task.BINARY)
    ok = breached = 0
    for seed in range(40):
        state, verdicts = AnalysisState(), set()
        for look, block in enumerate(blocks(replace(GOOD, median_ms=22.0), weights=(0.25, 0.5), seed=100 + seed)):
            state = accumulate(plan, state, block)
            if look % 4 == 3:
                verdicts |= {piece.verdict for piece in judge(plan, state) if piece.name == "latency_p50"}
        ok += Verdict.OK in verdicts
        breached += Verdict.BREACH in verdicts

    # α_ok is 5 %, α a third of 1 %.
    assert ok <= 4
    assert breached == 0


def test_worse_answers_are_a_breach_and_better_ones_are_ok() -> None:
    plan = plan_of(replace(NOTHING, max_degradation={"accuracy": 0.02}), Task.BINARY)
    worse = replace(GOOD, wrong=0.2)
    better = replace(GOOD, wrong=0.02)

    assert _first_breach(plan, worse, seed=8, metric="accuracy") == ["degradation:accuracy"]
    (found,) = judge(plan, after(plan, blocks(better, seed=9, metric="accuracy")))
    assert found.verdict is Verdict.OK
    assert found.value == pytest.approx(-0.08 / 0.9, abs=0.02)
    assert found.value is not None
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < found.value < found.upper < 0.02


def test_numbers_without_a_bound_are_judged_once_there_are_enough_of_both_versions() -> None:
    plan = plan_of(replace(NOTHING, max_degradation={"rmse": 0.1}), Task.REGRESSION)

    def units(candidate: float, count: int) -> tuple[LossUnit, ...]:
        return tuple(
            LossUnit(0.5, index % 2 == 0, (candidate if index % 2 == 0 else 1.0) * (1 + (index % 7) / 10))
            for index in range(count)
        )

    few = after(plan, [Block(1, 0.5, losses={"rmse": units(9.0, 90)})])
    assert judge(plan, few)[0].verdict is Verdict.INCONCLUSIVE
    good = after(plan, [Block(1, 0.5, losses={"rmse": units(0.1, 390)})])
    assert judge(plan, good)[0].verdict is Verdict.INCONCLUSIVE
    for size, verdict in ((4.0, Verdict.BREACH), (0.25, Verdict.OK)):
        found = judge(plan, after(plan, [Block(1, 0.5, losses={"rmse": units(size, 1000)})]))[0]
        assert found.verdict is verdict
        assert found.value == pytest.approx(math.sqrt(size) - 1, abs=0.03)


def test_a_models_own_estimate_may_be_a_breach_and_is_never_ok() -> None:
    plan = plan_of(replace(NOTHING, max_estimated_degradation={"accuracy": 0.02}), Task.BINARY)

    def estimated(candidate: Version, seed: int) -> list[Block]:
        return [
            replace(
                block,
                losses={"accuracy": tuple(replace(unit, estimated=True) for unit in block.losses["accuracy"])},
            )
            for block in blocks(candidate, seed=seed, metric="accuracy")
        ]

    (good,) = judge(plan, after(plan, estimated(replace(GOOD, wrong=0.02), 10)))
    (bad,) = judge(plan, after(plan, estimated(replace(GOOD, wrong=0.4), 11)))
    assert (good.verdict, good.required) == (Verdict.INCONCLUSIVE, False)
    assert good.e_safe is not None
    assert good.e_safe > 1e6
    assert bad.verdict is Verdict.BREACH
    labels = plan_of(replace(NOTHING, max_degradation={"accuracy": 0.02}), Task.BINARY)
    assert judge(labels, after(labels, estimated(GOOD, 12)))[0].candidate_n == 0


def test_a_shadow_is_judged_by_pairs_and_by_how_often_it_agrees() -> None:
    limits = PlannedLimits(max_degradation={"accuracy": 0.02}, min_agreement=0.95, min_agreement_rows=500)
    plan = plan_of(limits, Task.BINARY, paired=True)

    def shadow(wrong: float, agreeing: float) -> Block:
        pairs = tuple((float(index % 100 < wrong * 100), float(index % 10 == 0)) for index in range(2000))
        agreement = tuple(float(index % 100 < agreeing * 100) for index in range(2000))
        return Block(1, 0.0, pairs={"accuracy": pairs}, agreement=agreement)

    assert {piece.name for piece in judge(plan, AnalysisState())} == {"degradation:accuracy", "agreement"}
    good, bad = judge(plan, after(plan, [shadow(0.02, 0.99)])), judge(plan, after(plan, [shadow(0.4, 0.8)]))
    assert [piece.verdict for piece in good] == [Verdict.OK, Verdict.OK]
    assert [piece.verdict for piece in bad] == [Verdict.BREACH, Verdict.BREACH]
    few = after(plan, [replace(shadow(0.02, 1.0), agreement=(1.0,) * 400)])
    assert _named(judge(plan, few), "agreement").verdict is Verdict.INCONCLUSIVE


def test_with_sticky_keys_each_segment_is_a_test_of_its_own() -> None:
    plan = plan_of(PlannedLimits(max_error_rate=None), Task.BINARY, sticky=True)
    assert "errors" in _first_breach(plan, replace(GOOD, error_rate=0.05), seed=13, sticky=True)

    # The same few keys fail in every segment: many segments of weak evidence are no strong evidence.
    failing = Block(1, 0.1, Tally(drawn=20, failed=3), Tally(drawn=180, failed=1), segment=1, sticky=True)
    state = after(plan, [replace(failing, generation=n, segment=n) for n in range(1, 20)])
    assert _named(judge(plan, state), "errors").verdict is Verdict.INCONCLUSIVE
    free = plan_of(PlannedLimits(max_error_rate=None), Task.BINARY)
    state = after(free, [replace(failing, generation=n, segment=0, sticky=False) for n in range(1, 20)])
    assert _named(judge(free, state), "errors").verdict is Verdict.BREACH


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_of_nothing_nothing_follows(probability: float) -> None:
    limits = replace(PlannedLimits(), max_latency_p95_ms=100.0, max_degradation={"accuracy": 0.02})
    plan = plan_of(limits, Task.BINARY)
    empty = Block(1, probability, losses={"accuracy": (LossUnit(0.3, True, math.nan), LossUnit(1.0, True, 0.0))})

    for state in (AnalysisState(), after(plan, [empty, empty])):
        evidence = judge(plan, state)
        assert {piece.verdict for piece in evidence} == {Verdict.INCONCLUSIVE}
        json.dumps([piece.why for piece in evidence])


def test_a_candidate_that_alone_is_ever_drawn_is_not_judged_beside_one_that_is_not() -> None:
    state = after(PLAN, [Block(1, 1.0, Tally(drawn=500, failed=400, requests=500, errors=400))])
    assert [piece.name for piece in judge(PLAN, state)] == ["error_rate"]


def test_an_answer_that_took_until_the_next_generation_counts_for_its_own() -> None:
    early, late = Block(1, 0.1, Tally(drawn=50), Tally(drawn=400)), Block(2, 0.5, Tally(drawn=300), Tally(drawn=300))
    straggler = Block(1, 0.1, Tally(drawn=5, failed=5), Tally(drawn=9))
    in_order, behind = after(PLAN, [early, straggler, late]), after(PLAN, [early, late, straggler])

    assert behind.labels["errors"].counts == in_order.labels["errors"].counts
    assert (behind.generation, behind.probability, behind.drawn) == (2, 0.5, (300, 300))


def test_plan_and_state_outlive_a_restart() -> None:
    limits = replace(PlannedLimits(), max_latency_p95_ms=100.0, max_degradation={"accuracy": 0.02, "brier": 0.1})
    plan = plan_of(limits, Task.BINARY)
    state = after(plan, blocks(looks=3, metric="accuracy"))

    assert AnalysisPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    back = AnalysisState.from_json(json.loads(json.dumps(state.to_json())))
    assert back == state
    assert judge(plan, back) == judge(plan, state)
    for piece in judge(plan, state):
        json.dumps([piece.value, piece.lower, piece.upper, piece.e_harm, piece.e_safe], allow_nan=False)


def test_one_error_rate_is_shared_out_over_all_that_is_judged() -> None:
    limits = replace(
        PlannedLimits(), alpha=0.02, max_latency_p95_ms=100.0, max_degradation={"accuracy": 0.02, "brier": 0.1}
    )
    plan = plan_of(limits, Task.BINARY)

    assert sum(plan.alphas.values()) == pytest.approx(0.02)
    assert plan.alphas["degradation:accuracy"] == plan.alphas["degradation:brier"]
    assert set(plan.alphas) == {piece.name for piece in judge(plan, AnalysisState())}
    assert judge(plan_of(NOTHING, Task.BINARY), AnalysisState()) == ()


@pytest.mark.parametrize(
    ("limits", "task", "words"),
    [
        (
            PlannedLimits(max_degradation={"f1": 0.1}),
            Task.BINARY,
            r"'f1' is no mean over rows.*accuracy, recall, log_loss",
        ),
        (PlannedLimits(max_degradation={"accuracy": 0.1}), Task.REGRESSION, "mae, wape"),
        (PlannedLimits(alpha=0.0), Task.BINARY, r"alpha 0\.0 is not between"),
        (PlannedLimits(alpha_ok=math.nan), Task.BINARY, "alpha_ok nan is not between"),
    ],
)
def test_a_limit_that_cannot_be_judged_is_refused(limits: PlannedLimits, task: Task, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_of(limits, task)


def test_what_is_not_yet_known_says_how_much_more_is_needed() -> None:
    found = _named(judge(PLAN, after(PLAN, blocks(weights=(0.1,), looks=10, seed=14))), "error_rate")

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "more of its requests at this pace" in found.why


def test_outcomes_that_never_came_do_not_end_the_comparison() -> None:
    compared = after(PLAN, blocks(weights=(0.25,), looks=2, seed=31))
    nothing_known = Block(1, 0.0, losses={"accuracy": ()})
    assert judge(PLAN, accumulate(PLAN, compared, nothing_known)) == judge(PLAN, compared)


def test_what_the_steps_before_show_late_is_a_breach_while_the_candidate_has_all_traffic() -> None:
    plan = plan_of(replace(PlannedLimits(), max_degradation={"accuracy": 0.02}), Task.BINARY)
    baking = after(plan, blocks(weights=(0.5, 1.0), looks=10, seed=32))
    late = next(blocks(replace(GOOD, wrong=0.5), weights=(0.5,), requests=1_000, seed=33, metric="accuracy"))
    told = judge(plan, accumulate(plan, baking, Block(1, 0.5, losses=late.losses)))
    assert [(piece.name, piece.verdict) for piece in told] == [
        ("error_rate", Verdict.OK),
        ("degradation:accuracy", Verdict.BREACH),
    ]


@pytest.mark.parametrize(("refusal_rate", "expected"), [(0.3, Verdict.BREACH), (0.0, Verdict.OK)])
def test_a_candidate_that_refuses_too_many_is_found_also_where_nothing_is_beside_it(
    refusal_rate: float, expected: Verdict
) -> None:
    limits = PlannedLimits(
        max_error_ratio=None,
        max_refusal_ratio=None,
        max_error_rate=None,
        max_latency_increase=None,
        max_run_time_increase=None,
        max_refusal_rate=0.1,
    )
    plan = plan_of(limits, Task.BINARY)
    assert set(plan.alphas) == {"refusal_rate"}
    baking = blocks(Version(error_rate=0.0, refusal_rate=refusal_rate), weights=(1.0,))
    [found] = judge(plan, after(plan, baking))
    assert (found.name, found.verdict) == ("refusal_rate", expected)
    both = blocks(Version(refusal_rate=0.3), Version(refusal_rate=0.3), weights=(0.5,))
    [shared] = judge(plan, after(plan, both))
    assert shared.verdict is Verdict.INCONCLUSIVE, "callers send what no version takes"
