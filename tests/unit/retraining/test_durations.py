from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.retraining.conditions import Firing, step
from trimtab.retraining.durations import TriggerState
from trimtab.retraining.facts import Facts
from trimtab.retraining.gain import Advice, Cause, GainReading
from trimtab.retraining.settings import RetrainConfig

START = datetime(2030, 1, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = ("0 * * * *",)
BAD, GOOD, UNKNOWN = 0.5, 0.1, None
CONFIG = RetrainConfig.model_validate(
    {"when": {"for": "3d", "of": {"performance": {"metric": "mape", "above": 0.2}}}, "cooldown": "0s"}
)


def facts(after: timedelta, value: float | None, *, seen: timedelta | None = None, version: int = 1) -> Facts:
    """Return what is known so long after the start, of a window that ended when it was ``seen``."""
    end_us = to_micros(START + (after if seen is None else seen))
    check = Check(
        monitor="model_quality",
        kind="model_quality",
        model="bikes",
        endpoint="bikes",
        variant="v1",
        model_version=version,
        column=None,
        window=Window(end_us - 1, end_us),
        value=value,
        threshold=0.2,
        effect=None,
        verdict=Verdict.OK,
        severity=Severity.HIGH,
        explanation="why",
        detail={"metric": "mape"},
    )
    return Facts(checks=(check,), now=START + after, champion=version, schedules=HOURLY)


def told(course: Sequence[tuple[timedelta, float | None]], config: RetrainConfig = CONFIG) -> list[Firing]:
    state, firings = TriggerState(), []
    for after, value in course:
        firing, state = step(config, facts(after, value), state, "bikes")
        firings.append(firing)
    return firings


def hours(first: int, last: int, value: float | None) -> list[tuple[timedelta, float | None]]:
    return [(number * HOUR, value) for number in range(first, last + 1)]


def test_three_bad_days_fire_at_the_hour_when_they_are_over_and_not_before() -> None:
    fired = [firing.fired for firing in told(hours(0, 73, BAD))]
    assert fired == [False] * 72 + [True, True]


def test_one_good_hour_begins_the_days_anew() -> None:
    course = [*hours(0, 70, BAD), *hours(71, 71, GOOD), *hours(72, 143, BAD)]
    assert not any(firing.fired for firing in told(course))
    assert told([*course, *hours(144, 144, BAD)])[-1].fired


def test_hours_that_could_not_tell_neither_break_nor_count() -> None:
    answers = told([*hours(0, 70, BAD), *hours(71, 72, UNKNOWN), *hours(73, 73, BAD)])
    assert [firing.explanation.held for firing in answers[-3:]] == [None, None, True]
    assert [firing.fired for firing in answers[-3:]] == [False, False, True]
    only_once = told([*hours(0, 0, BAD), *hours(1, 80, UNKNOWN)])
    assert not any(firing.fired for firing in only_once)


def test_a_long_time_in_which_nothing_could_be_said_begins_the_days_anew() -> None:
    course = [*hours(0, 0, BAD), *hours(1, 89, UNKNOWN), *hours(90, 90, BAD)]
    answer = told(course)[-1].explanation
    assert (answer.held, answer.value) == (False, "0s")
    assert told([*course, *hours(91, 162, BAD)])[-1].fired, "three days later"


def test_looks_at_one_labelled_period_are_no_further_evidence_of_gain() -> None:
    config = RetrainConfig.model_validate({"when": {"for": "3h", "of": {"gain": {"over_cost": 1.0}}}})
    state = TriggerState()

    def look(after: timedelta, period_end: timedelta) -> bool:
        nonlocal state
        reading = GainReading(
            Advice.RETRAIN, Cause.STALE, "saved", 4, saved=90.0, needed=60.0, as_of_us=to_micros(START + period_end)
        )
        firing, state = step(config, dataclasses.replace(facts(after, GOOD), gain=reading), state, "bikes")
        return firing.fired

    assert not any(look(number * HOUR, timedelta(0)) for number in range(6))
    assert look(6 * HOUR, 5 * HOUR), "the second labelled period"


def test_a_pause_begins_the_days_anew_and_a_short_one_does_not() -> None:
    assert not told([*hours(0, 30, BAD), *hours(60, 73, BAD)])[-1].fired
    assert told([*hours(0, 30, BAD), *hours(48, 73, BAD)])[-1].fired


def test_one_window_looked_at_for_days_is_one_window() -> None:
    state = TriggerState()
    for number in range(24 * 7):
        firing, state = step(CONFIG, facts(number * HOUR, BAD, seen=timedelta(0)), state, "bikes")
        assert not firing.fired
    firing, state = step(CONFIG, facts(7 * DAY, BAD), state, "bikes")
    assert firing.fired, "the next week's window is the second"
    assert firing.explanation.value == "7d"


def test_what_the_last_version_did_is_not_held_against_the_next() -> None:
    state = TriggerState()
    for after, value in hours(0, 71, BAD):
        _, state = step(CONFIG, facts(after, value), state, "bikes")
    firing, _ = step(CONFIG, facts(72 * HOUR, BAD, version=2), state, "bikes")
    assert not firing.fired
    assert step(CONFIG, facts(72 * HOUR, BAD), state, "bikes")[0].fired


def test_conditions_that_were_rewritten_remember_nothing() -> None:
    state = TriggerState()
    for after, value in hours(0, 71, BAD):
        _, state = step(CONFIG, facts(after, value), state, "bikes")
    milder = CONFIG.model_dump(mode="json", by_alias=True)
    milder["when"]["of"]["performance"]["above"] = 0.3
    assert not step(RetrainConfig.model_validate(milder), facts(72 * HOUR, BAD), state, "bikes")[0].fired


def test_an_evaluation_is_stored_when_an_answer_changes_and_once_a_day() -> None:
    state, stored = TriggerState(), []
    for after, value in [*hours(0, 30, GOOD), *hours(31, 32, BAD)]:
        before = state.stored_us
        firing, state = step(CONFIG, facts(after, value), state, "bikes")
        if state.stored_us != before:
            stored.append((after // HOUR, firing.explanation.children[0].held))
    assert stored == [(0, False), (24, False), (31, True)]


def test_each_answer_says_since_when_it_has_been_the_same() -> None:
    answers = told([*hours(0, 5, GOOD), *hours(6, 9, BAD)])
    [child] = answers[-1].explanation.children
    assert child.since_us == to_micros(START + 6 * HOUR)
    assert answers[-1].explanation.since_us == to_micros(START)


def test_news_that_are_older_than_what_is_remembered_change_nothing() -> None:
    state = TriggerState()
    for after, value in hours(0, 40, BAD):
        _, state = step(CONFIG, facts(after, value), state, "bikes")
    assert step(CONFIG, facts(3 * HOUR, GOOD), state, "bikes")[1] == state


@pytest.mark.parametrize("version", [1, 2])
def test_news_of_a_breach_that_may_be_over_fire_nothing(version: int) -> None:
    config = RetrainConfig.model_validate({"when": {"performance": {"metric": "mape", "above": 0.2}}})
    _, state = step(config, facts(5 * HOUR, GOOD), TriggerState(), "bikes")
    firing, after = step(config, facts(3 * HOUR, BAD, version=version), state, "bikes")
    assert (firing.fired, firing.explanation.held, after == state) == (False, True, True)
    assert firing.reason == "mape 0.5 is above 0.2; but that is older than the evaluation of 2030-01-08T05:00+00:00"


@pytest.mark.parametrize("when", [{"any": [{"age": {"longer_than": "1d"}}, CONFIG.when]}, CONFIG.when])
def test_a_state_survives_json(when: JsonObject) -> None:
    config, state = RetrainConfig.model_validate({"when": when}), TriggerState()
    for after, value in [*hours(0, 3, BAD), *hours(4, 4, UNKNOWN)]:
        _, state = step(config, dataclasses.replace(facts(after, value), trained_us=0), state, "bikes")
    assert state.held
    assert TriggerState.from_json(state.to_json()) == state
