"""How traffic moves to a new version: the strategies that ``deployment_config.yaml`` may name."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.core.enums import Answers
from trimtab.rollout.limits import AbsoluteLimits, Family, Limits, QualityLimits

__all__ = [
    "ABConfig",
    "Bake",
    "BlueGreenConfig",
    "CanaryConfig",
    "CanaryStep",
    "RecreateConfig",
    "ShadowConfig",
    "Strategy",
    "bake_of",
    "default_strategy",
    "planned_duration",
    "with_requirements",
]


def _above_zero(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("some time is needed to watch in; write a duration above 0s, e.g. '30m'")
    return duration


def _comparable(limits: Any, strategy: str, allowed: type[AbsoluteLimits]) -> Any:
    """Refuse limits that need both versions to answer callers, in a sentence."""
    for name in limits if isinstance(limits, dict) else ():
        if name in Limits.model_fields and name not in allowed.model_fields:
            raise ValueError(
                f"{name} compares two versions that both answer callers, which {strategy} never has; remove it, "
                f"or use canary or ab (here: {', '.join(sorted(allowed.model_fields))})"
            )
    return limits


class CanaryStep(Strict):
    """A share of the traffic, and what must have passed before the next step."""

    weight_pct: Decimal = Field(gt=0, le=100, decimal_places=4, description="Share of the candidate, in percent.")
    duration: Duration = Field(description="How long the step lasts at least.")
    min_requests: int = Field(default=100, ge=1, description="Requests that the candidate must have answered in it.")

    @field_validator("duration")
    @classmethod
    def _lasts(cls, duration: timedelta) -> timedelta:
        return _above_zero(duration)


def _usual_steps() -> tuple[CanaryStep, ...]:
    half = timedelta(minutes=30)
    durations = {5: timedelta(hours=1), 10: half, 25: half, 50: half, 100: half}
    return tuple(CanaryStep(weight_pct=Decimal(weight), duration=lasts) for weight, lasts in durations.items())


class CanaryConfig(Strict):
    """Traffic moves to the candidate in steps; a breach of a limit takes it back at once."""

    type: Literal["canary"]
    steps: tuple[CanaryStep, ...] = Field(
        default=_usual_steps(),
        min_length=1,
        description="Rising weights; after the last one all traffic. A last step of 100 % is a bake: the stable "
        "version stays loaded beside it. By default 5 % for 1 h, then 10, 25, 50 and 100 % for 30 min each.",
    )
    limits: Limits = Limits()
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


class BlueGreenConfig(Strict):
    """The candidate takes all traffic after its smoke test; the stable version stays loaded, for an instant way back.

    Nothing is left to compare with: absolute limits alone are judged.
    """

    type: Literal["blue_green"]
    bake: Duration = Field(
        default="30m", validate_default=True, description="How long the candidate is watched before the other one goes."
    )
    min_requests: int = Field(default=100, ge=1, description="Requests that the candidate must have answered in it.")
    limits: AbsoluteLimits = AbsoluteLimits()
    max_hold: Duration = Field(
        default="1d",
        validate_default=True,
        description="How long it may stay without a verdict past the bake before a person is asked.",
    )

    @field_validator("limits", mode="before")
    @classmethod
    def _nothing_to_compare_with(cls, limits: Any) -> Any:
        return _comparable(limits, "blue_green", AbsoluteLimits)

    @field_validator("bake")
    @classmethod
    def _lasts(cls, bake: timedelta) -> timedelta:
        return _above_zero(bake)


class ShadowConfig(Strict):
    """The candidate gets copies of requests, and nobody gets its answers; where they agree, it takes over."""

    type: Literal["shadow"]
    copy_pct: Decimal = Field(
        default=Decimal(100),
        gt=0,
        le=100,
        decimal_places=4,
        description="Share of the requests that it gets a copy of.",
    )
    min_agreement: float = Field(
        default=0.95, gt=0, lt=1, description="Share of the rows that both versions must answer alike."
    )
    min_rows: int = Field(default=1_000, ge=1, description="Rows that both must have answered.")
    agreement_tolerance: float = Field(
        default=0.05, ge=0, description="Numbers that differ by no more than this share are alike."
    )
    bake: Duration | None = Field(
        default=None,
        description="How long it is then watched with all traffic, the stable version still loaded; null: not at all.",
    )
    min_requests: int = Field(default=100, ge=1, description="Requests that it must have answered in the bake.")
    limits: QualityLimits = QualityLimits()
    max_hold: Duration = Field(
        default="7d", validate_default=True, description="How long agreement may stay open before a person is asked."
    )

    @field_validator("limits", mode="before")
    @classmethod
    def _pairs_alone(cls, limits: Any) -> Any:
        return _comparable(limits, "shadow", QualityLimits)

    @field_validator("bake")
    @classmethod
    def _lasts(cls, bake: timedelta | None) -> timedelta | None:
        return None if bake is None else _above_zero(bake)


class ABConfig(Strict):
    """Both versions answer, with fixed shares, until a person decides; a breach of a limit ends it at once."""

    type: Literal["ab"]
    weight_pct: Decimal = Field(
        default=Decimal(10), gt=0, lt=100, decimal_places=4, description="Share of the candidate, in percent."
    )
    max_duration: Duration = Field(
        default="14d", validate_default=True, description="How long it lasts at most before a person is asked."
    )
    limits: Limits = Limits()
    max_hold: Duration = Field(
        default="1d", validate_default=True, description="How long staging may take before a person is asked."
    )

    @field_validator("max_duration")
    @classmethod
    def _lasts(cls, max_duration: timedelta) -> timedelta:
        return _above_zero(max_duration)


class RecreateConfig(Strict):
    """The candidate takes all traffic as soon as its smoke test has passed."""

    type: Literal["recreate"]
    max_hold: Duration = Field(
        default="1d", validate_default=True, description="How long staging may take before a person is asked."
    )


Strategy = Annotated[
    CanaryConfig | BlueGreenConfig | ShadowConfig | ABConfig | RecreateConfig, Field(discriminator="type")
]


class Bake(Strict):
    """The time in which a candidate has all of the traffic, and the stable version is still loaded."""

    duration: timedelta
    min_requests: int


def bake_of(strategy: Strategy) -> Bake | None:
    """Return the bake that ``strategy`` ends with, None where it has none; recreate's lasts until it is served.

    >>> bake_of(default_strategy(Answers.REALTIME)).duration
    datetime.timedelta(seconds=1800)
    """
    match strategy:
        case CanaryConfig(steps=(*_, last)) if last.weight_pct == 100:
            return Bake(duration=last.duration, min_requests=last.min_requests)
        case BlueGreenConfig() | ShadowConfig() if strategy.bake is not None:
            return Bake(duration=strategy.bake, min_requests=strategy.min_requests)
        case RecreateConfig():
            return Bake(duration=timedelta(0), min_requests=0)
    return None


def default_strategy(answers: Answers) -> Strategy:
    """Return the strategy of a model whose ``deployment_config.yaml`` names none."""
    if answers is Answers.BATCH:
        return ShadowConfig(type="shadow")
    return CanaryConfig(type="canary")


def planned_duration(strategy: Strategy) -> timedelta:
    """Return how long a rollout takes real traffic or copies of it, when each verdict comes in time."""
    match strategy:
        case CanaryConfig():
            return sum((step.duration for step in strategy.steps), timedelta(0))
        case BlueGreenConfig():
            return strategy.bake
        case ShadowConfig():
            return strategy.max_hold + (strategy.bake or timedelta(0))
        case ABConfig():
            return strategy.max_duration
        case RecreateConfig():
            return timedelta(0)


def with_requirements(strategy: Strategy, label_delay: timedelta) -> Strategy:
    """Return ``strategy`` with what it leaves open settled: whether quality is waited for.

    It is, where labels come before the last comparison ends. A rollout keeps what was settled when it started.
    """
    if not isinstance(strategy, CanaryConfig | ShadowConfig | ABConfig) or Family.QUALITY in strategy.limits.required:
        return strategy
    required = {**strategy.limits.required, Family.QUALITY: label_delay < _compared_for(strategy)}
    return strategy.model_copy(update={"limits": strategy.limits.model_copy(update={"required": required})})


def _compared_for(strategy: Strategy) -> timedelta:
    bake = bake_of(strategy)
    return planned_duration(strategy) - (timedelta(0) if bake is None else bake.duration)
