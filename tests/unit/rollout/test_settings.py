from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.rollout.settings import CanaryConfig, DeploymentConfig

CANARY = """
strategy:
  type: canary
  steps:
    - {weight_pct: 10, duration: 30m, min_requests: 50}
    - {weight_pct: 50.5, duration: 1h}
  limits: {max_error_rate: 0.001, max_latency_p95_ms: 200, max_degradation: {mape: 0.02}}
  max_hold: 2h
"""


def read(text: str) -> DeploymentConfig:
    return parse_yaml(text.encode(), DeploymentConfig, source="deployment_config.yaml")


def test_a_canary_is_read_with_exact_weights() -> None:
    strategy = read(CANARY).strategy
    assert isinstance(strategy, CanaryConfig)
    assert [step.weight_pct for step in strategy.steps] == [Decimal(10), Decimal("50.5")]
    assert strategy.max_hold == timedelta(hours=2)


def test_endpoints_default_to_the_models_name() -> None:
    config = read("strategy: {type: recreate}")
    assert (config.endpoint_of("heart"), config.staging_of("heart")) == ("heart", "heart-staging")
    named = read("endpoint: clinic\nstrategy: {type: recreate}")
    assert (named.endpoint_of("heart"), named.staging_of("heart")) == ("clinic", "clinic-staging")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("strategy: {type: bluegreen}", "'canary', 'recreate'"),
        ("strategy: {type: canary, steps: []}", "at least 1 item"),
        (CANARY.replace("50.5", "10"), "does not rise above 10"),
        (CANARY.replace("50.5", "101"), "less than or equal to 100"),
        (CANARY.replace("weight_pct: 10,", "weight_pct: 0,"), "greater than 0"),
        (CANARY.replace("30m", "0s"), "above 0s"),
        (CANARY.replace("mape", "mope"), "'mope' is unknown; expected one of"),
        (CANARY.replace("0.02", "-1"), "below 0"),
        (CANARY.replace("0.02", ".nan"), "below 0"),
        ("endpoint: a\nstaging_endpoint: a\nstrategy: {type: recreate}", "the endpoint itself"),
    ],
)
def test_what_cannot_be_rolled_out_is_refused_with_the_reason(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"deployment_config\.yaml:") as refused:
        read(text)
    assert expected in str(refused.value)
