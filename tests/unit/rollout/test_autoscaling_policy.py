"""The autoscaling policy of deployment_config.yaml reaches the platform, and only for what callers ask."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from tests.unit.rollout.rollouts import spec

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.rollout.phases import Phase
from trimtab.rollout.plan import production_spec, staging_spec
from trimtab.rollout.settings import DeploymentConfig
from trimtab.rollout.state import RolloutSpec, RolloutState
from trimtab.serving.spec import AutoscalingSpec, EndpointSpec

POLICY = "{min_workers: 2, max_workers: 6, target_in_flight: 12.5}"


def read(policy: str) -> DeploymentConfig:
    text = f"strategy: {{type: recreate}}\nautoscaling: {policy}\n"
    return parse_yaml(text.encode(), DeploymentConfig, source="deployment_config.yaml")


def test_the_policy_is_part_of_what_production_shall_be_and_not_of_staging() -> None:
    rollout = replace(spec(), answering=read(POLICY).answering)
    state = RolloutState(phase=Phase.PROMOTED, since_us=0, weight_pct=Decimal(100))
    wanted = AutoscalingSpec(min_workers=2, max_workers=6, target_in_flight=12.5)
    assert production_spec(rollout, state, generation=1).autoscaling == wanted
    assert staging_spec(rollout, RolloutState.initial(0), generation=1).autoscaling is None
    kept = RolloutSpec.from_json(rollout.to_json())
    told = msgspec.json.encode(production_spec(kept, state, generation=1))
    assert msgspec.json.decode(told, type=EndpointSpec).autoscaling == wanted


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            "{min_workers: 3, max_workers: 2}",
            r"yaml:2: autoscaling: .*min_workers 3 is above max_workers 2; correct one",
        ),
        ("{max_workers: 0}", r"yaml:2: autoscaling\.max_workers"),
        ("{target_in_flight: 0}", r"yaml:2: autoscaling\.target_in_flight"),
        ("{target_in_flight: .nan}", r"yaml:2: autoscaling\.target_in_flight"),
        ("{min_wokers: 1}", r"yaml:2: autoscaling\.min_wokers"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_where_it_stands(policy: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(policy)
