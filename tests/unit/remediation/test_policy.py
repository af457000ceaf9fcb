from __future__ import annotations

import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.remediation.kinds import ActionKind, Origin, Ruling
from trimtab.remediation.policy import PolicyConfig

POLICY = """
autonomy: on
limits: {cooldown: 1h, actions_per_day: 3}
rules:
  - name: what a broken feed sends is not learnt
    when: {origin: trigger, action: retrain, open_diagnosis: [unit_change]}
    then: {tier: refuse}
  - name: a feed that changed its units is set aside and its owner told
    when: {diagnosis: unit_change}
    then: {actions: [quarantine_feed, notify_owner], tier: automatic}
  - name: retraining against drift needs approval, which covers the release
    when: {diagnosis: [covariate_drift, concept_drift], min_severity: 0.2}
    then: {actions: [retrain], tier: approval, covers: [deploy], expires: 12h}
  - name: a trigger's retraining needs approval
    when: {origin: trigger, action: retrain}
    then: {tier: approval, covers: deploy}
  - name: people may ask for anything that can be undone
    when: {origin: person, action: [retrain, deploy, roll_back, release_feed]}
    then: {tier: approval}
"""


def read(text: str) -> PolicyConfig:
    return parse_yaml(text.encode(), PolicyConfig, source="policy.yaml")


def test_a_policy_is_read_with_single_values_as_lists() -> None:
    policy = read(POLICY)
    assert policy.autonomy
    assert policy.rules[0].when.origin == (Origin.TRIGGER,)
    assert policy.rules[3].then.covers == (ActionKind.DEPLOY,)
    assert not read("autonomy: off").autonomy


def rule(when: str, then: str, name: str = "some rule") -> str:
    return f"  - {{name: {name}, when: {when}, then: {then}}}\n"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (rule("{}", "{actions: [reboot], tier: automatic}"), "'log', 'notify_owner'"),
        (rule("{}", "{actions: [log]}"), "tier: missing"),
        (rule("{}", "{tier: sometimes, actions: [log]}"), "'automatic', 'approval', 'person_only' or 'refuse'"),
        (rule("{diagnosis: gremlins}", "{tier: refuse}"), "gremlins"),
        (rule("{}", "{tier: approval}"), "does not say what to do"),
        (rule("{action: retrain}", "{actions: [deploy], tier: approval}"), "can never match"),
        (rule("{}", "{tier: refuse, actions: [log]}"), "takes no actions"),
        (rule("{min_severity: 0.8, max_severity: 0.2}", "{tier: refuse}"), "swap them"),
        (rule("{}", "{tier: approval, actions: [log], expires: 0s}"), "above 0s"),
        (rule("{}", "{tier: refuse}") + rule("{}", "{tier: refuse}"), "stands twice"),
        (
            rule("{}", "{tier: refuse}") + rule("{origin: person}", "{tier: approval, actions: [scale]}", "other"),
            "rule 'other' can never match: 'some rule' above it always does",
        ),
        (
            rule("{diagnosis: [unit_change, unknown]}", "{tier: approval, actions: [retrain, deploy]}")
            + rule("{diagnosis: unknown, min_severity: 0.5}", "{tier: approval, actions: [deploy]}", "other"),
            "can never match",
        ),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_the_reason(rules: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.yaml:") as refused:
        read(f"rules:\n{rules}")
    assert expected in str(refused.value)


def test_rules_that_overlap_but_can_both_match_are_accepted() -> None:
    read(
        "rules:\n"
        + rule("{diagnosis: unit_change}", "{tier: approval, actions: [retrain]}")
        + rule("{}", "{tier: approval, actions: [retrain]}", "general")
        + rule("{action: deploy}", "{tier: approval}", "others")
    )


def test_deleting_data_can_never_be_automatic() -> None:
    with pytest.raises(ConfigError, match="only a person"):
        read("allow_automatic: [delete_data]")
    assert read("allow_automatic: [retrain]").floor_of(ActionKind.RETRAIN) is Ruling.AUTOMATIC
    assert read("").floor_of(ActionKind.DELETE_DATA) is Ruling.PERSON_ONLY
