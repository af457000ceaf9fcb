from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import indent

import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.enums import Answers, Task
from trimtab.core.errors import ConfigError
from trimtab.rollout.answering import BatchingConfig, FeaturesConfig
from trimtab.rollout.limits import Family
from trimtab.rollout.settings import DeploymentConfig
from trimtab.rollout.strategies import (
    CanaryConfig,
    CanaryStep,
    ShadowConfig,
    default_strategy,
    planned_duration,
    with_requirements,
)
from trimtab.rollout.strategy_plan import plan_for
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


def test_a_limit_on_shifted_predictions_is_a_share_of_what_two_versions_answer() -> None:
    text = "strategy: {{type: {}, limits: {{max_prediction_shift: {}}}}}"
    strategy = read(text.format("ab", 0.1)).strategy
    assert strategy is not None
    plan = plan_for(strategy, Task.BINARY, sticky=False)
    assert plan is not None
    assert plan.limits.max_prediction_shift == 0.1
    assert sum(plan.alphas.values()) == pytest.approx(0.01)
    assert "prediction_shift" in plan.alphas
    for kind, share in (("canary", 0), ("canary", 1), ("blue_green", 0.1), ("shadow", 0.1)):
        with pytest.raises(ConfigError, match="max_prediction_shift"):
            read(text.format(kind, share))


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


def test_where_no_strategy_is_named_it_follows_from_how_the_model_answers() -> None:
    realtime = read("approval: {required: true}").strategy_for(Answers.REALTIME)
    assert isinstance(realtime, CanaryConfig)
    assert [(int(step.weight_pct), step.duration // timedelta(minutes=1)) for step in realtime.steps] == [
        (5, 60),
        (10, 30),
        (25, 30),
        (50, 30),
        (100, 30),
    ]
    batch = read("").strategy_for(Answers.BATCH)
    assert isinstance(batch, ShadowConfig)
    assert (batch.min_agreement, batch.min_rows) == (0.95, 1000)
    assert read(RECREATE).strategy_for(Answers.BATCH).type == "recreate"


@pytest.mark.parametrize(
    ("delay", "written", "required"),
    [
        (timedelta(0), "{}", True),
        (timedelta(hours=2), "{}", False),
        (timedelta(hours=2), "{quality: true}", True),
        (timedelta(0), "{quality: false}", False),
    ],
)
def test_quality_is_waited_for_where_labels_come_while_versions_are_compared(
    delay: timedelta, written: str, required: bool
) -> None:
    strategy = read(CANARY.replace("limits: {", f"limits: {{required: {written}, ")).strategy
    assert strategy is not None
    settled = with_requirements(strategy, delay)
    assert isinstance(settled, CanaryConfig)
    assert settled.limits.required == {Family.QUALITY: required}
    assert with_requirements(settled, timedelta(days=9)) == settled, "settled once, when the rollout starts"


def test_a_bake_is_no_time_in_which_versions_are_compared() -> None:
    baked = CanaryConfig(type="canary", steps=(*default_steps()[:1], *default_steps()[-1:]))
    settled = with_requirements(baked, timedelta(minutes=70))
    assert isinstance(settled, CanaryConfig)
    assert settled.limits.required == {Family.QUALITY: False}
    assert planned_duration(baked) == timedelta(minutes=90)


def default_steps() -> tuple[CanaryStep, ...]:
    usual = default_strategy(Answers.REALTIME)
    assert isinstance(usual, CanaryConfig)
    return usual.steps


def test_endpoints_default_to_the_models_name() -> None:
    config = read("strategy: {type: recreate}")
    assert (config.endpoint_of("heart"), config.staging_of("heart")) == ("heart", "heart-staging")
    named = read("endpoint: clinic\nstrategy: {type: recreate}")
    assert (named.endpoint_of("heart"), named.staging_of("heart")) == ("clinic", "clinic-staging")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("strategy: {type: bluegreen}", "expected one of canary, blue_green, shadow, ab, recreate"),
        ("strategy: {type: canary, steps: []}", "expected at least 1 of them"),
        ("strategy: {type: blue_green, bake: 0s}", "above 0s"),
        ("strategy: {type: blue_green, limits: {max_error_ratio: 2}}", "which blue_green never has; remove it"),
        ("strategy: {type: blue_green, limits: {max_degradation: {mape: 1}}}", "max_degradation compares"),
        ("strategy: {type: shadow, limits: {max_latency_increase: 1}}", "which shadow never has; remove it"),
        ("strategy: {type: blue_green, limits: {max_eror_rate: 2}}", "did you mean 'max_error_rate'?"),
        ("strategy: {type: ab, weight_pct: 100}", "less than 100"),
        ("strategy: {type: shadow, min_agreement: 1}", "less than 1"),
        (CANARY.replace("limits: {", "limits: {max_error_ratio: 0.9, "), "greater than or equal to 1"),
        (CANARY.replace("limits: {", "limits: {alpha: 0, "), "greater than 0"),
        (
            CANARY.replace("limits: {", "limits: {required: {speed: false}, "),
            "'errors', 'latency', 'absolute' or 'quality'",
        ),
        (CANARY.replace("50.5", "10"), "does not rise above 10"),
        (CANARY.replace("50.5", "101"), "less than or equal to 100"),
        (CANARY.replace("weight_pct: 10,", "weight_pct: 0,"), "greater than 0"),
        (CANARY.replace("30m", "0s"), "above 0s"),
        (CANARY.replace("mape", "mope"), "'mope' is unknown; expected one of"),
        (CANARY.replace("0.02", "-1"), "below 0"),
        (CANARY.replace("0.02", ".nan"), "limits.max_degradation.mape: found nan; input should be a finite number"),
        (CANARY.replace("0.02", ".inf"), "limits.max_degradation.mape: found inf; input should be a finite number"),
        (CANARY.replace("0.02", "1.0e+400"), "limits.max_degradation.mape: found inf"),
        (CANARY.replace("30m", "3654d"), "too long a duration; expected at most ten years"),
        ("strategy: {type: shadow, agreement_tolerance: .inf}", "agreement_tolerance: found inf"),
        ("strategy: {type: canary, limits: {max_latency_p95_ms: .inf}}", "max_latency_p95_ms: found inf"),
        ("smoke: {max_abs_difference: .inf}\n" + RECREATE, "smoke.max_abs_difference: found inf"),
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


def test_the_files_that_the_documentation_shows_are_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "rollouts.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(shown) >= 5
    for text in shown:
        read(f"strategy:\n  type: canary\n{indent(text, '  ')}" if text.startswith("limits:") else text)
