"""``deployment_config.yaml``: where a model is served, and how carefully a new version takes over."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.enums import Answers
from trimtab.rollout.answering import AnsweringConfig
from trimtab.rollout.strategies import Strategy, default_strategy
from trimtab.serving.spec import OnFull

__all__ = ["ApprovalConfig", "DeploymentConfig", "SmokeConfig"]


class SmokeConfig(Strict):
    """What the golden rows must show on the staging endpoint."""

    max_abs_difference: float | None = Field(
        default=None,
        ge=0,
        description="Largest difference allowed between a golden row's answer and the expected one; "
        "null: the tolerance to which the bundle was proved.",
    )


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
    strategy: Strategy | None = Field(
        default=None,
        description="How traffic moves to a new version; null: by steps (canary), or for a model that answers in "
        "batches (see answers in model.yaml) beside the old one (shadow).",
    )
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

    def strategy_for(self, answers: Answers) -> Strategy:
        """Return the strategy, or the usual one of a model that ``answers`` so."""
        return self.strategy if self.strategy is not None else default_strategy(answers)

    def endpoint_of(self, model: str) -> str:
        """Return the production endpoint of ``model``."""
        return self.endpoint or model

    def staging_of(self, model: str) -> str:
        """Return the endpoint on which versions of ``model`` are tried before production."""
        return self.staging_endpoint or f"{self.endpoint_of(model)}-staging"
