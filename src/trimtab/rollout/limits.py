"""What a candidate must not exceed: limits as ``deployment_config.yaml`` says them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator

from trimtab.config.loading import Strict
from trimtab.measures.metrics import METRICS

__all__ = ["AbsoluteLimits", "Family", "Limits", "QualityLimits", "family_of"]


class Family(StrEnum):
    """A group of limits that are required together, or not."""

    ERRORS = "errors"
    LATENCY = "latency"
    ABSOLUTE = "absolute"
    QUALITY = "quality"


class AbsoluteLimits(Strict):
    """Limits that hold for the candidate alone, whatever the version beside it does. One left out is not judged."""

    max_error_rate: float | None = Field(default=0.01, ge=0, le=1, description="Errors per request, 0..1.")
    max_refusal_rate: float | None = Field(
        default=None, ge=0, le=1, description="Refusals (4xx) per request, 0..1; null: any."
    )
    max_latency_p95_ms: float | None = Field(default=None, gt=0, description="95th percentile of latency, in ms.")
    alpha: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="Chance that a candidate which is within all limits is taken back, over the whole rollout.",
    )
    alpha_ok: float = Field(
        default=0.05, gt=0, le=0.2, description="Chance that a candidate which is beyond a limit is found within it."
    )


class QualityLimits(AbsoluteLimits):
    """Limits on how good the answers are, beside those of `AbsoluteLimits`."""

    max_degradation: dict[str, float] = Field(
        default_factory=dict,
        description="Metric of model.yaml → how much worse than the stable version it may be, as a share "
        "(0.1 is 10 %).",
    )
    min_labels: int = Field(default=30, ge=1, description="Labelled rows that each version needs for max_degradation.")
    required: dict[Family, bool] = Field(
        default_factory=dict,
        description="Group of limits → whether a step waits until they are known to hold; with false a breach still "
        "counts. 'quality' is required where labels come while versions are compared, else not; the others are.",
    )

    @field_validator("max_degradation")
    @classmethod
    def _known_metrics(cls, limits: dict[str, float]) -> dict[str, float]:
        for metric, share in limits.items():
            if metric not in METRICS:
                raise ValueError(f"metric {metric!r} is unknown; expected one of {', '.join(METRICS)}")
            if not share >= 0:
                raise ValueError(f"{metric}: {share} is below 0; write the share that may be lost, e.g. 0.1")
        return limits


class Limits(QualityLimits):
    """Limits for a candidate that takes a part of the traffic: those relative to the stable version come in."""

    max_prediction_shift: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="By how much its distribution of predictions may differ from the stable version's: of each class "
        "the share of answers, of numbers the share above the stable version's median (0.1 is 10 points); null: any. "
        "Beyond it a person is asked; nothing is taken back for it, and no step waits for it.",
    )

    max_error_ratio: float | None = Field(
        default=1.5, ge=1, le=50, description="How many times the errors of the stable version it may have; null: any."
    )
    max_latency_increase: float | None = Field(
        default=0.2,
        ge=0,
        le=50,
        description="How much slower than the stable version it may be, as a share (0.2 is 20 %), at the median and "
        "the 95th percentile, and in the model's run time; null: any.",
    )


def family_of(name: str) -> Family | None:
    """Return the group that the limit behind a piece of evidence belongs to.

    >>> family_of("latency_p95_ms"), family_of("latency_p95"), family_of("degradation:mape"), family_of("requests")
    (<Family.ABSOLUTE: 'absolute'>, <Family.LATENCY: 'latency'>, <Family.QUALITY: 'quality'>, None)
    """
    if name in {"error_rate", "refusal_rate", "latency_p95_ms"}:
        return Family.ABSOLUTE
    if name == "errors":
        return Family.ERRORS
    if name.startswith(("latency_", "run_")):
        return Family.LATENCY
    return Family.QUALITY if name.startswith("degradation:") else None
