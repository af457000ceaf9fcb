from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.retraining.conditions import Explanation, Facts, consider, evaluate
from trimtab.retraining.settings import Condition, RetrainConfig

NOW = datetime(2030, 1, 8, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OK, BREACH, INCONCLUSIVE = Verdict.OK, Verdict.BREACH, Verdict.INCONCLUSIVE
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def check(
    kind: str, verdict: Verdict, *, column: str | None = None, value: float | None = None, days: int = 0
) -> Check:
    end_us = to_micros(NOW - days * DAY)
    return Check(
        monitor=kind,
        kind=kind,
        model="bikes",
        endpoint="bikes",
        variant="v1",
        model_version=1,
        column=column,
        window=Window(end_us - 1, end_us),
        value=value,
        threshold=0.5,
        effect=None,
        verdict=verdict,
        severity=Severity.HIGH,
        explanation="why",
        detail={"metric": "mape"} if kind == "model_quality" else {},
    )


def facts(*checks: Check, trained_days_ago: float | None = None, new_labels: int | None = None) -> Facts:
    trained_us = None if trained_days_ago is None else to_micros(NOW - trained_days_ago * DAY)
    return Facts(checks=checks, now=NOW, trained_us=trained_us, new_labels=new_labels)


def ask(condition: JsonObject, known: Facts) -> Explanation:
    return evaluate(CONDITION.validate_python(condition), known)


def drifted(*verdicts: Verdict) -> tuple[Check, ...]:
    return tuple(check("data_drift", verdict, column=f"c{place}") for place, verdict in enumerate(verdicts))


@pytest.mark.parametrize(
    ("verdicts", "held"),
    [
        ((BREACH, OK, OK), True),
        ((BREACH, OK, OK, OK), False),
        ((BREACH, OK, OK, INCONCLUSIVE, INCONCLUSIVE), True),
        ((INCONCLUSIVE,), None),
        ((), None),
    ],
)
def test_drift_is_a_share_of_the_columns_that_could_be_judged(verdicts: tuple[Verdict, ...], held: bool | None) -> None:
    assert ask({"drift": {"min_share": 0.3}}, facts(*drifted(*verdicts))).held is held


def test_only_the_latest_window_counts_for_drift() -> None:
    old = check("data_drift", BREACH, column="c1", days=3)
    assert ask({"drift": {"min_share": 0.3}}, facts(old, *drifted(OK, OK))).held is False


@pytest.mark.parametrize(
    ("leaf", "held"),
    [
        ({"metric": "mape", "above": 0.4}, True),
        ({"metric": "mape", "above": 0.6}, False),
        ({"metric": "mape", "below": 0.6}, True),
        ({"metric": "rmse", "above": 0.1}, None),
    ],
)
def test_performance_is_the_latest_measured_value(leaf: JsonObject, held: bool | None) -> None:
    known = facts(
        check("model_quality", BREACH, value=0.9, days=2), check("model_quality", OK, value=0.5), *drifted(BREACH)
    )
    assert ask({"performance": leaf}, known).held is held


def test_quality_without_labels_is_not_known() -> None:
    assert (
        ask({"performance": {"metric": "mape", "above": 0.1}}, facts(check("model_quality", INCONCLUSIVE))).held is None
    )


@pytest.mark.parametrize(
    ("trained_days_ago", "held"),
    [(0.4, True), (0.5, False), (0.1, False), (30.0, True), (None, None)],
)
def test_a_schedule_holds_once_its_moment_has_passed_since_training(
    trained_days_ago: float | None, held: bool | None
) -> None:
    answer = ask({"schedule": {"cron": "0 3 * * *"}}, facts(trained_days_ago=trained_days_ago))
    expected = trained_days_ago is not None and trained_days_ago > 9 / 24
    assert answer.held is (None if held is None else expected)


def test_a_schedule_that_was_served_waits_for_its_next_moment() -> None:
    at_three = dataclasses.replace(facts(), trained_us=to_micros(NOW.replace(hour=3)))
    assert ask({"schedule": {"cron": "0 3 * * *"}}, at_three).held is False


@pytest.mark.parametrize(("labels", "held"), [(50, True), (49, False), (None, None)])
def test_new_labels_are_counted(labels: int | None, held: bool | None) -> None:
    assert ask({"new_labels": {"at_least": 50}}, facts(new_labels=labels)).held is held


@pytest.mark.parametrize(("days", "held"), [(31.0, True), (30.0, False), (-5.0, False), (None, None)])
def test_age_counts_from_the_last_training(days: float | None, held: bool | None) -> None:
    assert ask({"age": {"longer_than": "30d"}}, facts(trained_days_ago=days)).held is held


LEAVES: dict[bool | None, JsonObject] = {
    True: {"new_labels": {"at_least": 1}},
    False: {"new_labels": {"at_least": 99}},
    None: {"drift": {"min_share": 0.5}},
}


@pytest.mark.parametrize("left", [True, False, None])
@pytest.mark.parametrize("right", [True, False, None])
def test_what_is_not_known_stays_open_unless_overruled(left: bool | None, right: bool | None) -> None:
    known, both = facts(new_labels=5), [LEAVES[left], LEAVES[right]]
    answers = {left, right}
    expected_any = True if True in answers else None if None in answers else False
    expected_all = False if False in answers else None if None in answers else True
    assert ask({"any": both}, known).held is expected_any
    assert ask({"all": both}, known).held is expected_all
    assert ask({"not": LEAVES[left]}, known).held is (None if left is None else not left)


def test_the_tree_explains_itself_and_survives_json() -> None:
    tree = ask({"any": [LEAVES[True], {"not": LEAVES[None]}]}, facts(new_labels=5))
    assert Explanation.from_json(tree.to_json()) == tree
    assert tree.lines() == [
        "yes  any: 5 new labels, 1 needed",
        "  yes  new_labels: 5 new labels, 1 needed",
        "  ?    not: no column's drift could be judged",
        "    ?    drift: no column's drift could be judged",
    ]


def config(condition: JsonObject) -> RetrainConfig:
    return RetrainConfig.model_validate({"when": condition, "cooldown": "1d"})


def test_a_condition_that_holds_fires_and_one_that_is_open_does_not() -> None:
    known = facts(new_labels=5)
    assert consider(config(LEAVES[True]), known, "bikes").fired
    assert not consider(config(LEAVES[False]), known, "bikes").fired
    assert not consider(config(LEAVES[None]), known, "bikes").fired


def test_within_the_cooldown_a_condition_that_holds_does_not_fire() -> None:
    known = dataclasses.replace(facts(new_labels=5), last_retrain_us=to_micros(NOW - DAY / 2))
    firing = consider(config(LEAVES[True]), known, "bikes")
    assert (firing.fired, firing.explanation.held) == (False, True)
    assert "cools down for another 12h" in firing.reason
    over = dataclasses.replace(known, last_retrain_us=to_micros(NOW - DAY))
    assert consider(config(LEAVES[True]), over, "bikes").fired
