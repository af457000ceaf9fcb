"""What a rollout learns of its versions' quality: from segments as they are shipped, judged and labelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.unit.loop.projects import MODEL, World, make_world
from tests.unit.loop.shipping import SECOND_US, Asked, Shipping

from trimtab.core.enums import Task
from trimtab.loop.rollout_quality import LabelCursor, QualityUnits, quality_since
from trimtab.rollout.block import AnsweredUnit
from trimtab.rollout.limits import Family, Limits, QualityLimits
from trimtab.rollout.state import RolloutSpec, RolloutState, VersionRef
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategies import CanaryConfig, CanaryStep, ShadowConfig, Strategy
from trimtab.rollout.strategy_plan import plan_for


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "project")


def rollout_by(strategy: Strategy, start_us: int) -> Rollout:
    candidate, stable = VersionRef(2, "/2", "2" * 64), VersionRef(1, "/1", "1" * 64)
    spec = RolloutSpec(MODEL, f"{MODEL}-staging", MODEL, candidate, stable, strategy, task=Task.BINARY)
    return Rollout("r", spec, RolloutState.initial(start_us), started_us=start_us)


def canary(*, waits: bool = True) -> CanaryConfig:
    step = CanaryStep(weight_pct=Decimal(25), duration=timedelta(hours=1))
    limits = Limits(max_degradation={"accuracy": 0.1}, required={Family.QUALITY: waits})
    return CanaryConfig(type="canary", steps=(step,), limits=limits)


def asked_of(
    shipping: Shipping, strategy: Strategy, cursor: LabelCursor, *, after_s: float = 30, sticky: bool = False
) -> tuple[LabelCursor, QualityUnits]:
    world = shipping.world
    now_us = shipping.start_us + int(after_s * SECOND_US)
    world.clock.advance(timedelta(microseconds=now_us - world.platform.now_us()))
    rollout = rollout_by(strategy, shipping.start_us)
    plan = plan_for(strategy, Task.BINARY, sticky=sticky)
    assert plan is not None
    return quality_since(world.platform, rollout, plan, cursor, sticky=sticky)


def told(units: QualityUnits, *, estimated: bool = False) -> list[tuple[int, bool, float]]:
    """Return generation, whether it is the candidate's, and loss, in order."""
    return [
        (generation, unit.is_candidate, round(unit.loss, 9))
        for generation, by_metric in sorted(units.losses.items())
        for unit in by_metric["accuracy"]
        if unit.estimated is estimated
    ]


START = LabelCursor(after_generation=1)


def test_labelled_requests_of_both_versions_come_once_in_the_order_of_receipt(world: World) -> None:
    shipping = Shipping(world)
    first = [Asked(1), Asked(2, 2), Asked(3, request="two", place=0), Asked(3, request="two", place=1)]
    last = Asked(4, 2, prediction="no")
    shipping.rows(*first, last)
    assert asked_of(shipping, canary(), START) == (START, QualityUnits()), "no outcome is known, none is overdue"
    shipping.outcomes("yes", *first[:3])
    shipping.outcomes("no", first[3])
    cursor, units = asked_of(shipping, canary(), START)
    assert told(units) == [(2, False, 0.0), (2, True, 0.0), (2, False, 0.5)]
    assert {unit.probability for unit in units.losses[2]["accuracy"]} == {0.25}
    assert told(asked_of(shipping, canary(), cursor)[1]) == []
    shipping.outcomes("yes", last)
    cursor, units = asked_of(shipping, canary(), cursor)
    assert told(units) == [(2, True, 1.0)]
    assert LabelCursor.from_json(cursor.to_json()) == cursor


def test_what_is_not_of_the_comparison_is_left_out(world: World) -> None:
    shipping = Shipping(world)
    rows = [
        Asked(1, generation=1),
        Asked(2, chance=None),
        Asked(3, 2, chance=1.0),
        Asked(4, 3),
        Asked(5, 2),
    ]
    shipping.rows(*rows)
    shipping.outcomes("no", *rows)
    _, units = asked_of(shipping, canary(), START)
    assert told(units) == [(2, True, 1.0)], "before the rollout, named, without a rival, another version: none of them"


def test_an_outcome_that_does_not_come_is_waited_for_as_long_as_the_label_delay(world: World) -> None:
    shipping = Shipping(world)
    rows = [Asked(1), Asked(2, 2)]
    shipping.rows(*rows)
    shipping.outcomes("no", rows[1])
    cursor, units = asked_of(shipping, canary(), START, after_s=30)
    assert told(units) == []
    cursor, units = asked_of(shipping, canary(), cursor, after_s=90)
    assert told(units) == [(2, True, 1.0)]
    shipping.outcomes("no", rows[0])
    assert told(asked_of(shipping, canary(), cursor, after_s=91)[1]) == [], "too late: its turn is over"


def test_an_outcome_of_the_future_hides_no_correction(world: World) -> None:
    shipping = Shipping(world)
    asked = [Asked(1), Asked(2, 2)]
    shipping.rows(*asked)
    shipping.outcomes("no", *asked, known_s=10**9)
    shipping.outcomes("yes", *asked, known_s=1)
    assert told(asked_of(shipping, canary(), START)[1]) == [(2, False, 0.0), (2, True, 0.0)]


def test_what_comes_here_late_is_not_passed_over_by_what_was_received_after_it(world: World) -> None:
    shipping = Shipping(world)
    early, late, last = Asked(1), Asked(26, 2, prediction="no"), Asked(27)
    shipping.rows(early, last)
    shipping.outcomes("yes", early, last)
    cursor, units = asked_of(shipping, canary(), START)
    assert told(units) == [(2, False, 0.0)]
    shipping.rows(late)
    shipping.outcomes("yes", late)
    _, units = asked_of(shipping, canary(), cursor, after_s=32)
    assert told(units) == [(2, True, 1.0), (2, False, 0.0)]


def test_a_key_counts_by_its_first_labelled_request_of_a_generation(world: World) -> None:
    shipping = Shipping(world)
    rows = [Asked(1, 2, key="a"), Asked(2, 2, key="a", prediction="no"), Asked(3, 2, key="b"), Asked(4, 2, key="a")]
    shipping.rows(*rows)
    shipping.outcomes("yes", *rows[:3])
    cursor, units = asked_of(shipping, canary(), START, sticky=True)
    assert told(units) == [(2, True, 0.0), (2, True, 0.0)]
    shipping.outcomes("no", rows[3])
    later = Asked(5, 2, key="a", generation=3)
    shipping.rows(later)
    shipping.outcomes("no", later)
    _, units = asked_of(shipping, canary(), cursor, sticky=True)
    assert told(units) == [(3, True, 1.0)]


def test_where_outcomes_come_too_late_the_models_own_probability_is_told(world: World) -> None:
    shipping = Shipping(world)
    shipping.rows(Asked(1, probability=0.9), Asked(2, 2, prediction="no", probability=0.2), Asked(28, 2))
    cursor, units = asked_of(shipping, canary(waits=False), START)
    assert told(units, estimated=True) == [(2, False, 0.1), (2, True, 0.2)], "what has just come may not be complete"
    _, units = asked_of(shipping, canary(waits=False), cursor, after_s=60)
    assert told(units, estimated=True) == [(2, True, 0.1)]
    assert told(asked_of(shipping, canary(), START, after_s=61)[1], estimated=True) == []


def test_what_was_answered_is_told_by_request_where_predictions_are_compared(world: World) -> None:
    shipping = Shipping(world)
    two = [Asked(2, 2, request="two", place=0), Asked(2, 2, request="two", place=1, prediction="no")]
    alone = [Asked(3, 2, chance=1.0), Asked(4, chance=None)]
    shipping.rows(Asked(1, prediction="no"), *two, *alone, Asked(28, 2))
    strategy = canary().model_copy(update={"limits": Limits(max_prediction_shift=0.1)})
    cursor, units = asked_of(shipping, strategy, START)
    first, second = AnsweredUnit(0.25, False, ("no",)), AnsweredUnit(0.25, True, ("yes", "no"))
    assert (units.predictions, units.losses) == ({2: (first, second)}, {}), "no outcome is waited for"
    _, units = asked_of(shipping, strategy, cursor, after_s=60)
    assert units.predictions == {2: (AnsweredUnit(0.25, True, ("yes",)),)}
    assert units.generations == (2,)


def test_a_key_tells_its_first_answer_of_a_generation_alone(world: World) -> None:
    shipping = Shipping(world)
    shipping.rows(Asked(1, 2, key="a"), Asked(2, 2, key="a", prediction="no"), Asked(3, 2, key="a", generation=3))
    strategy = canary().model_copy(update={"limits": Limits(max_prediction_shift=0.1)})
    _, units = asked_of(shipping, strategy, START, sticky=True)
    once = (AnsweredUnit(0.25, True, ("yes",)),)
    assert units.predictions == {2: once, 3: once}


def test_a_shadow_is_held_against_what_callers_were_told(world: World) -> None:
    shipping = Shipping(world)
    strategy = ShadowConfig(type="shadow", limits=QualityLimits(max_degradation={"accuracy": 0.1}))
    live = [Asked(second, chance=0.0, request=f"r{second // 2}") for second in range(1, 5)]
    live = [replace(each, at_s=each.at_s // 2 * 2 + 1, place=each.at_s % 2) for each in live]
    shipping.rows(*live)
    answers = ("yes", "yes", "no", "yes")
    copies = [
        replace(each, version=2, prediction=answer, shadow_of=each, chance=1.0)
        for each, answer in zip(live, answers, strict=True)
    ]
    shipping.rows(*copies)
    cursor, units = asked_of(shipping, strategy, START)
    assert units.losses == {}
    assert sorted(share for shares in units.agreement.values() for share in shares) == [0.5, 1.0, 1.0]
    assert units.pairs == {}
    shipping.outcomes("yes", *live)
    cursor, units = asked_of(shipping, strategy, cursor)
    assert units.agreement == {}
    assert units.pairs == {2: {"accuracy": ((0.0, 0.0), (0.5, 0.0), (0.0, 0.0))}}
    assert asked_of(shipping, strategy, cursor)[1] == QualityUnits()


def test_a_clock_that_is_set_back_after_the_start_hides_no_outcome(world: World) -> None:
    started_us = world.platform.now_us()
    world.clock.advance(timedelta(minutes=-20))
    shipping = Shipping(world)
    rows = [Asked(1), Asked(2, 2)]
    shipping.rows(*rows)
    shipping.outcomes("yes", *rows)
    plan = plan_for(canary(), Task.BINARY, sticky=True)
    assert plan is not None
    rollout = rollout_by(canary(), started_us)
    world.clock.advance(timedelta(minutes=5))
    cursor, units = quality_since(world.platform, rollout, plan, START, sticky=True)
    assert told(units) == [(2, False, 0.0), (2, True, 0.0)]
    world.clock.advance(timedelta(hours=1))
    later = replace(cursor, labelled_us=0)
    assert told(quality_since(world.platform, rollout, plan, later, sticky=True)[1]) == told(units), "nor afterwards"
