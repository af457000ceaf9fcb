from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.rollout.answering import BatchingConfig, FeaturesConfig
from trimtab.rollout.settings import CanaryConfig, DeploymentConfig
from trimtab.serving.spec import BatchingSpec, EndpointSpec, FeaturesSpec, OnMissing

CANARY = """
strategy:
  type: canary
  steps:
    - {weight_pct: 10, duration: 30m, min_requests: 50}
    - {weight_pct: 50.5, duration: 1h}
  limits: {max_error_rate: 0.001, max_latency_p95_ms: 200, max_degradation: {mape: 0.02}}
  max_hold: 2h
"""
RECREATE = "strategy: {type: recreate}"
ANSWERING = """
batching: {max_rows: 64, max_wait_ms: 0.5}
features: {source: store, entity_keys: [id], names: [age], max_age_s: 3600, on_missing: refuse}
variant_choice: false
pinned: true
max_rows: 5
max_body_bytes: 2MB
"""


def read(text: str) -> DeploymentConfig:
    return parse_yaml(text.encode(), DeploymentConfig, source="deployment_config.yaml")


def test_a_canary_is_read_with_exact_weights() -> None:
    strategy = read(CANARY).strategy
    assert isinstance(strategy, CanaryConfig)
    assert [step.weight_pct for step in strategy.steps] == [Decimal(10), Decimal("50.5")]
    assert strategy.max_hold == timedelta(hours=2)


def test_a_deployment_says_how_its_endpoint_answers() -> None:
    answering = read(ANSWERING + RECREATE).answering
    assert answering.batching is not None
    assert answering.features is not None
    assert answering.batching.spec == BatchingSpec(max_rows=64, max_wait_ms=0.5)
    assert answering.features.spec == FeaturesSpec(
        source="store", entity_keys=("id",), names=("age",), max_age_s=3600.0, on_missing=OnMissing.REFUSE
    )
    assert (answering.variant_choice, answering.pinned) == (False, True)
    assert (answering.max_rows, answering.max_body_bytes) == (5, 2_000_000)


def test_an_endpoint_answers_as_a_spec_of_its_own_would_where_nothing_is_said() -> None:
    answering = read(RECREATE).answering
    bare = EndpointSpec(endpoint="heart", generation=1, variants=())
    assert {name: getattr(bare, name) for name in type(answering).model_fields} == answering.model_dump()
    assert BatchingConfig().spec == BatchingSpec()
    features = {"source": "store", "entity_keys": ("id",), "names": ("age",)}
    assert FeaturesConfig.model_validate(features).spec == FeaturesSpec(**features)  # type: ignore[arg-type]


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
        ("max_rows: 0\n" + RECREATE, "max_rows: found 0; input should be greater than or equal to 1"),
        ("max_body_bytes: 8 loaves\n" + RECREATE, "is no size"),
        ("batching: {max_rows: 10001}\n" + RECREATE, "less than or equal to 10000"),
        ("batching: {wait_ms: 2}\n" + RECREATE, "did you mean 'max_wait_ms'?"),
        ("features: {source: store, entity_keys: [id], names: []}\n" + RECREATE, "features.names: [], expected one"),
        ("features: {source: store, entity_keys: [id], names: [id]}\n" + RECREATE, "key and feature at once"),
        ("features: {source: store, entity_keys: [id], names: [a], on_missing: skip}\n" + RECREATE, "'refuse'"),
        ("endpoint: a\nstaging_endpoint: a\nstrategy: {type: recreate}", "the endpoint itself"),
    ],
)
def test_what_cannot_be_rolled_out_is_refused_with_the_reason(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"deployment_config\.yaml:") as refused:
        read(text)
    assert expected in str(refused.value)
