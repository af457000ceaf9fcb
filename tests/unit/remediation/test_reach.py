from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.remediation.cases import START
from tests.unit.remediation.test_policy import read, rule

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.remediation.decision import Proposal, decide
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level, Origin, Ruling
from trimtab.remediation.policy import PolicyConfig, PolicyRule
from trimtab.remediation.reach import covering, severities, unreachable

_DIAGNOSES = [DiagnosisKind.UNIT_CHANGE, DiagnosisKind.LATENCY]
_ACTIONS = [ActionKind.RETRAIN, ActionKind.ROLL_BACK]
_BOUNDS = [0.0, 1 / 3, 0.5, 1.0]


def some(of: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), min_size=1, max_size=2, unique=True)


@st.composite
def drawn_rules(draw: st.DrawFn) -> list[PolicyRule]:
    """Rules that each can match by themselves, over few values, so that they often cover each other."""
    found: list[PolicyRule] = []
    for place in range(draw(st.integers(1, 6))):
        low, high = sorted(draw(st.tuples(st.sampled_from(_BOUNDS), st.sampled_from(_BOUNDS))))
        when = draw(
            st.fixed_dictionaries(
                {"min_severity": st.just(low), "max_severity": st.just(high)},
                optional={
                    "origin": some([one.value for one in Origin]),
                    "diagnosis": some([one.value for one in _DIAGNOSES]),
                    "open_diagnosis": some([one.value for one in _DIAGNOSES]),
                    "models": some(["a"]),
                    "level": some([one.value for one in Level]),
                    "action": some([one.value for one in _ACTIONS]),
                },
            )
        )
        then: dict[str, object] = {"tier": "approval"}
        if "action" not in when or draw(st.booleans()):
            then["actions"] = when.get("action") or draw(some([one.value for one in _ACTIONS]))
        try:
            found.append(PolicyRule.model_validate({"name": f"rule {place}", "when": when, "then": then}))
        except ValidationError:
            # A level that lies beyond the limits.
            assume(False)
    return found


@settings(max_examples=30, deadline=None)
@given(drawn_rules())
def test_it_agrees_with_asking_about_every_proposal(rules: list[PolicyRule]) -> None:
    policy = PolicyConfig.model_construct(rules=tuple(rules))
    some_open = [(), *((one,) for one in _DIAGNOSES), tuple(_DIAGNOSES)]
    axes: tuple[Iterable[Any], ...] = (
        Origin,
        ["a", "b"],
        [None, *_ACTIONS],
        [None, *_DIAGNOSES],
        severities(rules),
        some_open,
        [False, True],
    )
    deciding = {decide(policy, Proposal(*one), [], START).rule for one in product(*axes)}
    told = {rules[place].name for place in unreachable(rules)}
    assert told == {one.name for one in rules} - deciding
    for place in unreachable(rules):
        above = covering(rules, place)
        assert above
        assert max(above) < place


def test_a_rule_that_several_above_take_together_is_found_at_its_line() -> None:
    text = (
        "rules:\n"
        + rule("{origin: incident, max_severity: 0.5}", "{actions: [log], tier: automatic}", "mild")
        + rule("{origin: incident, min_severity: 0.5}", "{actions: [log], tier: automatic}", "grave")
        + rule("{origin: incident, action: log}", "{tier: refuse}", "never")
    )
    with pytest.raises(ConfigError) as refused:
        read(text)
    assert str(refused.value) == (
        "policy.yaml:4: rules.2: rule 'never' can never match: 'mild', 'grave' above it always do; "
        "reorder or remove one"
    )


def test_levels_and_severities_are_held_against_each_other() -> None:
    high = rule("{level: high}", "{actions: [escalate], tier: automatic}", "high")
    with pytest.raises(ConfigError, match="'grave' can never match: 'high'"):
        read("rules:\n" + high + rule("{min_severity: 0.7}", "{actions: [escalate], tier: automatic}", "grave"))
    read("rules:\n" + high + rule("{min_severity: 0.6}", "{actions: [escalate], tier: automatic}", "grave"))
    with pytest.raises(ConfigError, match=r"no severity 0\.5\.\.1 is low"):
        read("rules:\n" + rule("{level: low, min_severity: 0.5}", "{tier: refuse}", "impossible"))


def test_a_rule_for_an_approver_who_goes_back_is_reached_below_one_for_everybody() -> None:
    everybody = rule("{action: roll_back}", "{tier: approval}", "everybody")
    read("rules:\n" + everybody + rule("{action: roll_back, origin: person}", "{tier: approval}", "people"))
    with pytest.raises(ConfigError, match="'triggers' can never match: 'everybody'"):
        read("rules:\n" + everybody + rule("{action: roll_back, origin: trigger}", "{tier: approval}", "triggers"))


def test_a_policy_for_one_model_decides_as_the_whole_does() -> None:
    text = (
        "rules:\n"
        + rule("{models: [a]}", "{actions: [log], tier: automatic}", "only a")
        + rule("{models: [a, b]}", "{actions: [log], tier: approval}", "both")
        + rule("{}", "{actions: [log], tier: person_only}", "all")
    )
    policy = read(text)
    for model, tier in (("a", Ruling.AUTOMATIC), ("b", Ruling.APPROVAL), ("c", Ruling.PERSON_ONLY)):
        narrowed = policy.for_model(model)
        asked = Proposal(Origin.INCIDENT, model)
        assert decide(policy, asked, [], START).tier is tier
        assert decide(narrowed, asked, [], START).tier is tier
        again = parse_yaml(narrowed.model_dump_json(exclude_unset=True).encode(), PolicyConfig, source="policy.yaml")
        assert again == narrowed
