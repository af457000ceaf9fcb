"""Evaluating conditions: twice equals once, the order of siblings does not matter, and logic is Kleene's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trimtab.core.canonical import JsonObject
from trimtab.retraining.conditions import evaluate, step
from trimtab.retraining.durations import TriggerState
from trimtab.retraining.facts import Facts
from trimtab.retraining.settings import RetrainConfig

START = datetime(2030, 1, 1, tzinfo=UTC)
HOURLY = ("0 * * * *",)

LEAVES = st.one_of(
    st.integers(1, 6).map(lambda at: {"new_labels": {"at_least": at}}),
    st.integers(1, 6).map(lambda at: {"new_rows": {"at_least": at}}),
    st.integers(1, 72).map(lambda hours: {"age": {"longer_than": f"{hours}h"}}),
    st.just({"drift": {"any_column": True}}),
)


def grown(inner: st.SearchStrategy[JsonObject]) -> st.SearchStrategy[JsonObject]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda found: {"all": found}),
        several.map(lambda found: {"any": found}),
        inner.map(lambda found: {"not": found}),
        st.tuples(st.integers(1, 48), inner).map(lambda found: {"for": f"{found[0]}h", "of": found[1]}),
        inner.map(lambda found: {"since_last": "retrain", "of": found}),
    )


CONDITIONS = st.recursive(LEAVES, grown, max_leaves=6)
KNOWN = st.none() | st.integers(0, 7)
EVALUATIONS = st.lists(
    st.tuples(st.integers(1, 30), KNOWN, KNOWN, st.none() | st.integers(0, 40)), min_size=1, max_size=12
)


def course(evaluations: Sequence[tuple[int, int | None, int | None, int | None]]) -> list[Facts]:
    found, now = [], START
    for hours, labels, rows, trained in evaluations:
        now += timedelta(hours=hours)
        trained_us = None if trained is None else int(START.timestamp() - 3600 * trained) * 1_000_000
        found.append(
            Facts((), now, champion=1, trained_us=trained_us, new_labels=labels, new_rows=rows, schedules=HOURLY)
        )
    return found


@given(condition=CONDITIONS, evaluations=EVALUATIONS)
def test_twice_equals_once(
    condition: JsonObject, evaluations: list[tuple[int, int | None, int | None, int | None]]
) -> None:
    config, state = RetrainConfig.model_validate({"when": condition}), TriggerState()
    for facts in course(evaluations):
        firing, after = step(config, facts, state, "bikes")
        assert step(config, facts, after, "bikes") == (firing, after)
        assert TriggerState.from_json(after.to_json()) == after
        state = after


@given(condition=CONDITIONS, evaluations=EVALUATIONS)
def test_the_denial_of_a_denial_is_the_condition(
    condition: JsonObject, evaluations: list[tuple[int, int | None, int | None, int | None]]
) -> None:
    plain = RetrainConfig.model_validate({"when": condition})
    twice = RetrainConfig.model_validate({"when": {"not": {"not": condition}}})
    first, second = TriggerState(), TriggerState()
    for facts in course(evaluations):
        one, first = step(plain, facts, first, "bikes")
        other, second = step(twice, facts, second, "bikes")
        assert one.explanation.held is other.explanation.held


@given(
    conditions=st.lists(CONDITIONS, min_size=2, max_size=3),
    evaluations=EVALUATIONS,
    name=st.sampled_from(["all", "any"]),
)
def test_the_order_of_conditions_side_by_side_changes_no_answer(
    conditions: list[JsonObject], evaluations: list[tuple[int, int | None, int | None, int | None]], name: str
) -> None:
    there = RetrainConfig.model_validate({"when": {name: conditions}})
    back = RetrainConfig.model_validate({"when": {name: conditions[::-1]}})
    first, second = TriggerState(), TriggerState()
    for facts in course(evaluations):
        one, first = step(there, facts, first, "bikes")
        other, second = step(back, facts, second, "bikes")
        assert (one.fired, one.explanation.held) == (other.fired, other.explanation.held)


@given(left=LEAVES, right=LEAVES, evaluations=EVALUATIONS)
def test_both_fail_exactly_where_one_of_their_denials_holds(
    left: JsonObject, right: JsonObject, evaluations: list[tuple[int, int | None, int | None, int | None]]
) -> None:
    both = RetrainConfig.model_validate({"when": {"not": {"all": [left, right]}}}).when
    either = RetrainConfig.model_validate({"when": {"any": [{"not": left}, {"not": right}]}}).when
    for facts in course(evaluations):
        assert evaluate(both, facts).held is evaluate(either, facts).held
