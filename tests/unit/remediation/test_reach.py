from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.remediation.cases import START
from tests.unit.remediation.test_policy import read, rule

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.remediation.decision import Proposal, decide, mismatches
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level, Origin, Ruling
from trimtab.remediation.policy import PolicyConfig, PolicyRule
from trimtab.remediation.proposed import COVERED, PROPOSED, Form
from trimtab.remediation.reach import covering, severities, unreachable

_DIAGNOSES = [DiagnosisKind.UNIT_CHANGE, DiagnosisKind.LATENCY]
_ACTIONS = [ActionKind.RETRAIN, ActionKind.ROLL_BACK, ActionKind.DEPLOY]
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


def forms_as_proposals(forms: Iterable[Form], rules: list[PolicyRule]) -> Iterable[Proposal]:
    """Every proposal of ``forms``, as far as rules over `_DIAGNOSES` can tell them apart."""
    told_apart = [*_DIAGNOSES, DiagnosisKind.UNKNOWN]
    for form in forms:
        bounds = severities(rules) if form.severity is None else [form.severity]
        beside = [(), *((one,) for one in _DIAGNOSES), tuple(_DIAGNOSES)]
        known = [one for one in form.diagnoses() if one[0] is None or one[0] in told_apart]
        approvers = [False, True] if form.origin is Origin.PERSON else [False]
        for model, (own, opened), severity, more, may in product(["a", "b"], known, bounds, beside, approvers):
            yield Proposal(form.origin, model, form.action, own, severity, tuple({*opened, *more}), may)


@settings(max_examples=30, deadline=None)
@given(drawn_rules())
def test_it_agrees_with_asking_about_all_that_is_ever_proposed(rules: list[PolicyRule]) -> None:
    policy = PolicyConfig.model_construct(rules=tuple(rules))
    deciding = {decide(policy, one, [], START).rule for one in forms_as_proposals(PROPOSED, rules)}
    naming = [rule for rule in rules if ActionKind.DEPLOY in {*rule.when.action, *rule.then.actions}]
    for one in forms_as_proposals(COVERED, rules):
        deciding.add(next((rule.name for rule in naming if next(mismatches(rule, one), None) is None), None))
    told = {rules[place].name for place in unreachable(rules)}
    assert told == {one.name for one in rules} - deciding
    for place in unreachable(rules):
        assert all(above < place for above in covering(rules, place))


@pytest.mark.parametrize(
    ("above", "below"),
    [
        (["{origin: incident}"], "{origin: incident, diagnosis: unit_change}"),
        (["{level: [low, medium, high]}"], "{origin: incident, diagnosis: unit_change}"),
        (["{level: [low, medium]}", "{level: high}"], "{origin: incident, diagnosis: unit_change}"),
        # The case that asks is open itself.
        (["{origin: incident, open_diagnosis: unit_change}"], "{origin: incident, diagnosis: unit_change}"),
    ],
)
def test_a_rule_with_other_actions_is_covered_too_since_a_case_leaves_them_open(above: list[str], below: str) -> None:
    upper = [rule(when, "{actions: [log], tier: automatic}", f"upper {n}") for n, when in enumerate(above)]
    with pytest.raises(ConfigError, match=r"'lower' can never match: 'upper 0'"):
        read("rules:\n" + "".join(upper) + rule(below, "{actions: [quarantine_feed], tier: automatic}", "lower"))


@pytest.mark.parametrize(
    "when",
    [
        "{origin: incident, action: retrain}",
        "{origin: trigger, action: deploy, diagnosis: latency}",
        "{origin: trigger, action: scale}",
        "{origin: person, diagnosis: latency, action: retrain}",
        "{origin: person, level: high, action: deploy}",
        "{action: delete_data}",
    ],
)
def test_a_rule_for_what_nobody_proposes_is_refused_and_told_who_proposes_what(when: str) -> None:
    with pytest.raises(
        ConfigError, match=r"'vain' can never match: nothing that is ever proposed is so .a case leaves"
    ):
        read("rules:\n" + rule(when, "{tier: approval}", "vain"))


def test_a_rule_for_what_an_agreement_covers_is_reached() -> None:
    everything = rule("{}", "{actions: [log, retrain, reinstate, roll_back], tier: automatic}", "everything else")
    read("rules:\n" + everything + rule("{origin: incident, action: deploy}", "{tier: refuse}", "releases"))


def test_a_rule_that_several_above_take_together_is_found_at_its_line() -> None:
    text = (
        "rules:\n"
        + rule("{origin: incident, max_severity: 0.5}", "{actions: [log], tier: automatic}", "mild")
        + rule("{origin: incident, min_severity: 0.5}", "{actions: [log], tier: automatic}", "grave")
        + rule("{origin: incident, diagnosis: latency}", "{actions: [scale], tier: approval}", "never")
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
    with pytest.raises(ConfigError, match="'cases' can never match: 'everybody'"):
        read("rules:\n" + everybody + rule("{action: roll_back, origin: incident}", "{tier: approval}", "cases"))


def test_a_policy_for_one_model_decides_as_the_whole_does() -> None:
    text = (
        "rules:\n"
        + rule("{models: [a]}", "{actions: [scale], tier: automatic}", "only a")
        + rule("{models: [a, b]}", "{actions: [scale], tier: approval}", "both")
        + rule("{}", "{actions: [scale], tier: person_only}", "all")
    )
    policy = read(text)
    for model, tier in (("a", Ruling.AUTOMATIC), ("b", Ruling.APPROVAL), ("c", Ruling.PERSON_ONLY)):
        narrowed = policy.for_model(model)
        asked = Proposal(Origin.INCIDENT, model)
        assert decide(policy, asked, [], START).tier is tier
        assert decide(narrowed, asked, [], START).tier is tier
        again = parse_yaml(narrowed.model_dump_json(exclude_unset=True).encode(), PolicyConfig, source="policy.yaml")
        assert again == narrowed
