from __future__ import annotations

from datetime import timedelta

import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.retraining.settings import (
    AgeCondition,
    AnyCondition,
    DriftCondition,
    GainCondition,
    NewLabelsCondition,
    NewRowsCondition,
    PerformanceCondition,
    RetrainConfig,
    ScheduleCondition,
    asks,
)

LEAVES = (
    *(AgeCondition, DriftCondition, GainCondition, NewLabelsCondition),
    *(NewRowsCondition, PerformanceCondition, ScheduleCondition),
)

TREE = """
when:
  any:
    - performance: {metric: mape, above: 0.4}
    - all:
        - drift: {min_share: 0.3}
        - not: {age: {longer_than: 30d}}
    - schedule: {cron: "0 3 * * 1"}
    - new_labels: {at_least: 50}
cooldown: 12h
release: {min_gain: 0.01}
"""


def read(text: str) -> RetrainConfig:
    return parse_yaml(text.encode(), RetrainConfig, source="retrain_config.yaml")


def test_a_tree_of_conditions_is_read() -> None:
    config = read(TREE)
    assert isinstance(config.when, AnyCondition)
    assert len(config.when.any) == 4
    assert (config.cooldown, config.recent_share, config.pool) == (timedelta(hours=12), None, None)


def test_what_a_tree_asks_for_is_found_however_deep_and_nothing_else() -> None:
    inner = "{for: 3d, of: {since_last: retrain, of: {any: [{gain: {over_cost: 2}}, {new_rows: {at_least: 5}}]}}}"
    config = read(f"when: {{all: [{{age: {{longer_than: 30d}}}}, {{not: {inner}}}]}}")
    found = [leaf for leaf in LEAVES if asks(config.when, leaf)]
    assert found == [AgeCondition, GainCondition, NewRowsCondition]


def test_the_decision_period_is_never_shorter_than_the_labels_take() -> None:
    config = RetrainConfig.model_validate({"when": {"age": {"longer_than": "1d"}}, "period": "3d"})
    assert config.decision_period(timedelta(days=1)) == timedelta(days=3)
    assert config.decision_period(timedelta(days=9)) == timedelta(days=9)
    with pytest.raises(ValueError, match="period must lie above 0s"):
        RetrainConfig.model_validate({"when": {"age": {"longer_than": "1d"}}, "period": "0s"})


def test_a_tree_survives_json_and_has_a_schema() -> None:
    config = read(TREE)
    assert RetrainConfig.model_validate(config.model_dump(mode="json", by_alias=True)) == config
    assert "longer_than" in str(RetrainConfig.model_json_schema())


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{}", "exactly one of the keys all, any, not, for, since_last, drift"),
        ("{dirft: {min_share: 0.3}}", "exactly one of the keys"),
        ("{drift: {min_share: 0.3}, age: {longer_than: 1d}}", "exactly one of the keys"),
        ("3", "exactly one of the keys"),
        ("{any: []}", "expected at least 1 of them"),
        ("{any: [{drift: {min_shar: 0.3}}]}", "did you mean 'min_share'"),
        ("{drift: {min_share: 3}}", "less than or equal to 1"),
        ("{schedule: {cron: noon}}", "is no cron expression"),
        ("{performance: {metric: mape}}", "either above or below"),
        ("{performance: {metric: mape, above: 1, below: 0}}", "either above or below"),
        ("{performance: {metric: mope, above: 1}}", "'mope' is unknown"),
        ("{new_labels: {at_least: 0}}", "greater than or equal to 1"),
        ("{not: " * 12 + "{age: {longer_than: 1d}}" + "}" * 12, "nested more than 10 deep"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused_with_the_reason(when: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"retrain_config\.yaml:1: when") as refused:
        read(f"when: {when}")
    assert expected in str(refused.value)
