from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.retraining.conditions import Firing, evaluate, step
from trimtab.retraining.durations import TriggerState
from trimtab.retraining.facts import Explanation, Facts
from trimtab.retraining.gain import Advice, Cause, GainReading
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


def test_an_old_window_that_was_judged_again_says_nothing_of_now() -> None:
    detail = {"metric": "mape", "late": True}
    old = dataclasses.replace(check("model_quality", BREACH, value=0.9, days=90), detail=detail)
    now = check("model_quality", INCONCLUSIVE)
    leaf = {"performance": {"metric": "mape", "above": 0.1}}
    for known in (facts(old), facts(old, now)):
        assert ask(leaf, known).held is None
    assert ask(leaf, facts(old, check("model_quality", OK, value=0.05, days=1))).held is False


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


def test_an_age_is_told_by_the_second() -> None:
    assert "trained 7m31s ago" in ask({"age": {"longer_than": "30d"}}, facts(trained_days_ago=451.0624 / 86_400)).why


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
        "  ?    not: no drift monitor has judged the version that serves",
        "    ?    drift: no drift monitor has judged the version that serves",
    ]


def consider(config: RetrainConfig, known: Facts) -> Firing:
    return step(config, known, TriggerState(), "bikes")[0]


def config(condition: JsonObject) -> RetrainConfig:
    return RetrainConfig.model_validate({"when": condition, "cooldown": "1d"})


def test_a_condition_that_holds_fires_and_one_that_is_open_does_not() -> None:
    known = facts(new_labels=5)
    assert consider(config(LEAVES[True]), known).fired
    assert not consider(config(LEAVES[False]), known).fired
    assert not consider(config(LEAVES[None]), known).fired


def test_within_the_cooldown_a_condition_that_holds_does_not_fire() -> None:
    known = dataclasses.replace(facts(new_labels=5), last_retrain_us=to_micros(NOW - DAY / 2))
    firing = consider(config(LEAVES[True]), known)
    assert (firing.fired, firing.explanation.held, firing.cause) == (False, True, None)
    assert "cools down for another 12h" in firing.reason
    over = dataclasses.replace(known, last_retrain_us=to_micros(NOW - DAY))
    assert consider(config(LEAVES[True]), over).fired


@pytest.mark.parametrize(
    ("reading", "over_cost", "held"),
    [
        (None, 1.0, None),
        (GainReading(Advice.UNKNOWN, None, "no labelled period", 0), 1.0, None),
        (GainReading(Advice.RETRAIN, Cause.STALE, "saved", 4, saved=61.0, needed=60.0), 1.0, True),
        (GainReading(Advice.WAIT, None, "saved", 4, saved=60.0, needed=60.0), 1.0, False),
        (GainReading(Advice.RETRAIN, Cause.STALE, "saved", 4, saved=61.0, needed=60.0), 2.0, False),
        (GainReading(Advice.WAIT, None, "saved", 4, saved=31.0, needed=60.0), 0.5, True),
        (GainReading(Advice.RETRAIN, Cause.PROBE, "harder", 9, needed=60.0, probe=1.5), 1.0, True),
        (GainReading(Advice.RETRAIN, Cause.PROBE, "harder", 9, needed=60.0, probe=1.5), 2.0, False),
        (GainReading(Advice.RETRAIN, Cause.STALE, "both", 9, saved=90.0, needed=60.0, probe=2.5), 2.0, True),
        (GainReading(Advice.WAIT, None, "harder", 9, needed=60.0, probe=0.6), 0.5, True),
    ],
)
def test_gain_holds_beyond_the_cost_or_for_a_probe_and_says_nothing_without_periods(
    reading: GainReading | None, over_cost: float, held: bool | None
) -> None:
    known = dataclasses.replace(facts(), gain=reading)
    found = ask({"gain": {"over_cost": over_cost}}, known)
    assert found.held is held
    if reading is not None:
        assert found.why == reading.why


def test_a_probe_is_named_where_staleness_alone_would_not_do() -> None:
    both = GainReading(Advice.RETRAIN, Cause.STALE, "both", 9, saved=90.0, needed=60.0, probe=2.5)
    known = dataclasses.replace(facts(), gain=both)
    assert [ask({"gain": {"over_cost": times}}, known).name for times in (1.0, 2.0)] == ["gain", "probe"]


def named(monitor: str, *checks: Check) -> tuple[Check, ...]:
    return tuple(dataclasses.replace(check, monitor=monitor) for check in checks)


def overall(p_value: float | None, verdict: Verdict = OK) -> Check:
    found = check("data_drift", verdict)
    return dataclasses.replace(found, detail={} if p_value is None else {"p_value": p_value})


@pytest.mark.parametrize(
    ("checks", "held"),
    [
        ((overall(0.01),), True),
        ((overall(0.05),), False),
        ((overall(None),), None),
        ((overall(0.01, INCONCLUSIVE),), None),
        (drifted(BREACH), None),
    ],
)
def test_drift_by_p_value_is_that_of_the_whole_window(checks: tuple[Check, ...], held: bool | None) -> None:
    assert ask({"drift": {"p_value": 0.05}}, facts(*checks)).held is held


def test_any_column_is_enough_where_that_is_asked() -> None:
    assert ask({"drift": {"any_column": True}}, facts(*drifted(BREACH, *[OK] * 40))).held is True
    assert ask({"drift": {"any_column": True}}, facts(*drifted(OK, INCONCLUSIVE))).held is False


def test_each_drift_monitor_speaks_of_its_own_newest_window() -> None:
    weekly = named("weekly", check("data_drift", BREACH, column="c1", days=3))
    known = facts(*weekly, *drifted(OK, OK))
    assert ask({"drift": {"any_column": True, "monitor": "weekly"}}, known).held is True
    assert ask({"drift": {"any_column": True, "monitor": "data_drift"}}, known).held is False
    assert ask({"drift": {"min_share": 0.6}}, known).held is True, "the share is not mixed with the other's columns"
    assert ask({"drift": {"any_column": True, "monitor": "monthly"}}, known).held is None


@pytest.mark.parametrize("turned", [False, True])
def test_each_quality_monitor_speaks_for_itself_in_whatever_order(turned: bool) -> None:
    daily = named("daily", check("model_quality", OK, value=0.1))
    monthly = named("monthly", check("model_quality", BREACH, value=0.9))
    inconclusive = named("hourly", check("model_quality", INCONCLUSIVE))
    checks = (*monthly, *daily, *inconclusive)
    known = facts(*(checks[::-1] if turned else checks))
    found = ask({"performance": {"metric": "mape", "above": 0.5}}, known)
    assert (found.held, found.why) == (True, "monthly: mape 0.9 is above 0.5")
    milder = ask({"performance": {"metric": "mape", "above": 0.95}}, known)
    assert (milder.held, milder.why) == (False, "daily: mape 0.1 is not above 0.95")
    assert ask({"performance": {"metric": "mape", "above": 0.5, "monitor": "daily"}}, known).held is False


def test_what_was_scored_in_batches_is_not_mixed_with_what_was_asked_live() -> None:
    live = drifted(OK, OK, OK)
    batch = tuple(dataclasses.replace(one, variant="batch") for one in drifted(BREACH))
    found = ask({"drift": {"min_share": 0.6}}, facts(*live, *batch))
    assert (found.held, found.value) == (True, "100%")
    assert found.why.startswith("data_drift of batch: 1 of 1 columns drifted")


def test_a_monitor_of_answers_tells_where_it_is_named_and_only_there() -> None:
    moved = named("answers", check("prediction_drift", BREACH, column="@prediction"))
    assert ask({"drift": {"any_column": True, "monitor": "answers"}}, facts(*moved)).held is True
    assert ask({"drift": {"any_column": True}}, facts(*moved)).held is None


def quality(value: float, **detail: object) -> Check:
    found = check("model_quality", OK, value=value)
    return dataclasses.replace(found, detail={"metric": "mape", **detail})


@pytest.mark.parametrize(
    ("detail", "held"),
    [
        ({"low": 0.41, "high": 0.6}, True),
        ({"low": 0.39, "high": 0.6}, None),
        ({}, None),
        ({"low": 0.41, "high": 0.6, "too_selective": True}, None),
    ],
)
def test_surely_worse_is_what_no_resample_puts_down_to_chance(detail: JsonObject, held: bool | None) -> None:
    leaf = {"metric": "mape", "above": 0.4}
    assert ask({"performance": {**leaf, "surely": True}}, facts(quality(0.5, **detail))).held is held
    plainly = None if "too_selective" in detail else True
    assert ask({"performance": leaf}, facts(quality(0.5, **detail))).held is plainly


def test_surely_is_no_question_of_what_is_good_enough() -> None:
    leaf = {"metric": "mape", "above": 0.4, "surely": True}
    assert ask({"performance": leaf}, facts(quality(0.3, low=0.2, high=0.45))).held is False


def test_why_quality_is_not_known_is_told() -> None:
    few = dataclasses.replace(check("model_quality", INCONCLUSIVE), detail={}, explanation="3 labelled rows, 50 needed")
    found = ask({"performance": {"metric": "mape", "above": 0.1}}, facts(few))
    assert found.why == "mape is not known: 3 labelled rows, 50 needed"


@pytest.mark.parametrize(("rows", "held"), [(1000, True), (999, False), (None, None)])
def test_new_rows_are_counted(rows: int | None, held: bool | None) -> None:
    known = dataclasses.replace(facts(), new_rows=rows)
    assert ask({"new_rows": {"at_least": 1000}}, known).held is held


@pytest.mark.parametrize(("trained_days_ago", "held"), [(2.0, True), (0.5, None), (None, None)])
def test_since_the_last_training_windows_before_it_count_for_nothing(
    trained_days_ago: float | None, held: bool | None
) -> None:
    day_old = dataclasses.replace(
        check("data_drift", BREACH, column="c1"), window=Window(to_micros(NOW - DAY), 1 << 60)
    )
    known = facts(day_old, trained_days_ago=trained_days_ago)
    assert ask({"since_last": "retrain", "of": {"drift": {"min_share": 0.3}}}, known).held is held
    assert ask({"drift": {"min_share": 0.3}}, known).held is True


def test_a_training_that_was_turned_down_is_no_training() -> None:
    known = dataclasses.replace(facts(trained_days_ago=40), last_retrain_us=to_micros(NOW - 10 * DAY))
    assert ask({"age": {"longer_than": "30d"}}, known).held is True
    assert ask({"schedule": {"cron": "0 3 29 12 *"}}, known).held is False, "that moment was used"


def test_while_a_request_is_open_the_conditions_ask_for_no_second_one() -> None:
    known = dataclasses.replace(facts(new_labels=5), asked="retraining 7 waits for approval already")
    firing = consider(config(LEAVES[True]), known)
    assert (firing.fired, firing.explanation.held) == (False, True)
    assert firing.reason.endswith("; but retraining 7 waits for approval already")


@pytest.mark.parametrize(
    ("condition", "cause"),
    [
        ({"any": [LEAVES[True], {"age": {"longer_than": "9d"}}]}, "new_labels"),
        ({"all": [LEAVES[True], {"not": LEAVES[False]}]}, "new_labels + not new_labels"),
        ({"any": [LEAVES[None], {"age": {"longer_than": "1d"}}, LEAVES[True]]}, "age + new_labels"),
    ],
)
def test_the_cause_names_what_made_it_fire(condition: JsonObject, cause: str) -> None:
    assert consider(config(condition), facts(new_labels=5, trained_days_ago=3)).cause == cause
