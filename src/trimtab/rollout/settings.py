"""``deployment_config.yaml``: where a model is served, and how carefully a new version takes over."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.measures.metrics import METRICS
from trimtab.rollout.answering import AnsweringConfig
from trimtab.serving.spec import OnFull

__all__ = [
    "ApprovalConfig",
    "CanaryConfig",
    "CanaryLimits",
    "CanaryStep",
    "DeploymentConfig",
    "RecreateConfig",
    "SmokeConfig",
    "Strategy",
]


class SmokeConfig(Strict):
    """What the golden rows must show on the staging endpoint."""

    max_abs_difference: float | None = Field(
        default=None,
        ge=0,
        description="Largest difference allowed between a golden row's answer and the expected one; "
        "null: the tolerance to which the bundle was proved.",
    )


class CanaryStep(Strict):
    """A share of the traffic, and what must have passed before the next step."""

    weight_pct: Decimal = Field(gt=0, le=100, decimal_places=4, description="Share of the candidate, in percent.")
    duration: Duration = Field(description="How long the step lasts at least.")
    min_requests: int = Field(default=100, ge=1, description="Requests that the candidate must have answered in it.")

    @field_validator("duration")
    @classmethod
    def _lasts(cls, duration: timedelta) -> timedelta:
        if duration <= timedelta(0):
            raise ValueError("a step needs some time to be watched in; write a duration above 0s, e.g. '30m'")
        return duration


class CanaryLimits(Strict):
    """What the candidate must not exceed. A limit that is left out is not judged."""

    max_error_rate: float | None = Field(default=0.01, ge=0, le=1, description="Errors per request, 0..1.")
    max_latency_p95_ms: float | None = Field(default=None, gt=0, description="95th percentile of latency, in ms.")
    max_degradation: dict[str, float] = Field(
        default_factory=dict,
        description="Metric → how much worse than the stable version it may be, as a share (0.1 is 10 %).",
    )
    min_labels: int = Field(default=30, ge=1, description="Labelled rows that each version needs for max_degradation.")

    @field_validator("max_degradation")
    @classmethod
    def _known_metrics(cls, limits: dict[str, float]) -> dict[str, float]:
        for metric, share in limits.items():
            if metric not in METRICS:
                raise ValueError(f"metric {metric!r} is unknown; expected one of {', '.join(METRICS)}")
            if not share >= 0:
                raise ValueError(f"{metric}: {share} is below 0; write the share that may be lost, e.g. 0.1")
        return limits


class CanaryConfig(Strict):
    """Traffic moves to the candidate in steps; a breach of a limit takes it back at once."""

    type: Literal["canary"]
    steps: tuple[CanaryStep, ...] = Field(min_length=1, description="Rising weights; after the last one: 100 %.")
    limits: CanaryLimits = CanaryLimits()
    max_hold: Duration = Field(
        default="1d",
        validate_default=True,
        description="How long a step may stay without a verdict past its duration before a person is asked.",
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for position, (before, after) in enumerate(pairwise(self.steps), start=1):
            if after.weight_pct <= before.weight_pct:
                raise ValueError(
                    f"steps[{position}].weight_pct {after.weight_pct} does not rise above {before.weight_pct}; "
                    "order the steps by weight"
                )
        return self


class RecreateConfig(Strict):
    """The candidate takes all traffic as soon as its smoke test has passed."""

    type: Literal["recreate"]
    max_hold: Duration = Field(
        default="1d", validate_default=True, description="How long staging may take before a person is asked."
    )


Strategy = Annotated[CanaryConfig | RecreateConfig, Field(discriminator="type")]


class ApprovalConfig(Strict):
    """Whether somebody must agree before a version goes out."""

    required: bool = Field(default=True, description="False: a version may be deployed while it is pending.")


class DeploymentConfig(AnsweringConfig):
    """Where a model is served, and how carefully a new version takes over."""

    endpoint: Name | None = Field(default=None, description="Stable address of the model; its name by default.")
    staging_endpoint: Name | None = Field(default=None, description="Where it is smoke-tested: '<endpoint>-staging'.")
    sticky_key: str | None = Field(
        default=None, description="Field of a request that keeps a caller on one version while weights stand."
    )
    on_full: OnFull = Field(
        default=OnFull.REFUSE,
        description=(
            "What becomes of an answer that cannot be recorded: 'refuse' (503, try again), or 'shed': it is given, "
            "counted and told, and never learnt from."
        ),
    )
    smoke: SmokeConfig = SmokeConfig()
    strategy: Strategy = Field(description="How traffic moves to a new version.")
    approval: ApprovalConfig = ApprovalConfig()

    @model_validator(mode="after")
    def _two_endpoints(self) -> Self:
        if self.endpoint is not None and self.endpoint == self.staging_endpoint:
            raise ValueError(f"staging_endpoint {self.staging_endpoint!r} is the endpoint itself; name another one")
        return self

    @property
    def answering(self) -> AnsweringConfig:
        """How the endpoint answers, alone."""
        return AnsweringConfig(**{name: getattr(self, name) for name in AnsweringConfig.model_fields})

    def endpoint_of(self, model: str) -> str:
        """Return the production endpoint of ``model``."""
        return self.endpoint or model

    def staging_of(self, model: str) -> str:
        """Return the endpoint on which versions of ``model`` are tried before production."""
        return self.staging_endpoint or f"{self.endpoint_of(model)}-staging"
