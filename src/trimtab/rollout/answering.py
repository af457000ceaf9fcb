"""How an endpoint answers, as ``deployment_config.yaml`` says it: the fields of `EndpointSpec` that a user settles."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trimtab.config.loading import Strict
from trimtab.config.sizes import Size
from trimtab.serving.spec import AutoscalingSpec, BatchingSpec, FeaturesSpec, OnMissing

__all__ = ["AnsweringConfig", "AutoscalingConfig", "BatchingConfig", "FeaturesConfig"]


class BatchingConfig(Strict):
    """How requests go through the model together. Worth it for models that take milliseconds."""

    max_rows: int = Field(default=32, ge=1, le=10_000, description="Rows that are put together at most.")
    max_wait_ms: float = Field(
        default=2.0, ge=0, le=1_000, description="How long a request waits for others that come at the same time."
    )

    @property
    def spec(self) -> BatchingSpec:
        """The same, as a server reads it."""
        return BatchingSpec(**self.model_dump())


class FeaturesConfig(Strict):
    """Which features come from an online store, where a request does not say them."""

    source: str = Field(
        min_length=1, description="A URL, or the name of an entry point of the group 'trimtab.feature_sources'."
    )
    entity_keys: tuple[str, ...] = Field(description="Fields of a row that say which entity it is about.")
    names: tuple[str, ...] = Field(description="Features that are asked for.")
    max_age_s: float | None = Field(default=None, gt=0, description="What is older counts as missing; null: any age.")
    timeout_ms: float = Field(default=50.0, gt=0, le=60_000, description="How long the store may take to answer.")
    on_missing: OnMissing = Field(
        default=OnMissing.NULL,
        description="What becomes of a feature that has no value: 'null', or 'refuse' the request.",
    )
    key_env: str | None = Field(
        default=None,
        description="Variable TRIMTAB_FEATURES_… of the server's environment that holds the key which a URL asks for.",
    )
    key_header: str = Field(
        default="authorization", description="Header that the key is sent in: a bearer token, or in any other as it is."
    )
    cache_s: float | None = Field(
        default=None, gt=0, le=86_400, description="How long what was read serves further requests; null: not at all."
    )
    cache_entities: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Of how many entities that is kept at most, in each worker."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        _ = self.spec
        return self

    @property
    def spec(self) -> FeaturesSpec:
        """The same, as a server reads it.

        Raises:
            ConfigError: nothing is asked for, or a name stands twice.
        """
        return FeaturesSpec(**self.model_dump())


class AutoscalingConfig(Strict):
    """How many workers the endpoint wants, as its load changes."""

    min_workers: int = Field(default=1, ge=1, le=1_000, description="Workers that there are at least.")
    max_workers: int = Field(default=1, ge=1, le=1_000, description="Workers that there are at most.")
    target_in_flight: float = Field(
        default=8.0, gt=0, le=100_000, description="Requests that each shall have to answer at a time, on average."
    )

    @model_validator(mode="after")
    def _bounds_do_not_cross(self) -> Self:
        _ = self.spec
        return self

    @property
    def spec(self) -> AutoscalingSpec:
        """The same, as a platform reads it.

        Raises:
            ConfigError: the bounds cross.
        """
        return AutoscalingSpec(**self.model_dump())


class AnsweringConfig(Strict):
    """How an endpoint answers. A field means what the same field of `EndpointSpec` means."""

    batching: BatchingConfig | None = Field(
        default=None, description="Null: each request goes through the model by itself, at once."
    )
    features: FeaturesConfig | None = Field(default=None, description="Null: a request says all features itself.")
    autoscaling: AutoscalingConfig | None = Field(
        default=None, description="Null: as many workers as the server has; see `serving.workers` in trimtab.yaml."
    )
    variant_choice: bool = Field(
        default=True, description="Whether a caller may name the version that answers, for testing."
    )
    pinned: bool = Field(default=False, description="Never unloaded to keep to the server's memory budget.")
    max_rows: int = Field(default=10_000, ge=1, description="Rows that one request may have.")
    max_body_bytes: Size = Field(default=8_000_000, ge=1, description="Bytes that one request may have ('8MB').")
