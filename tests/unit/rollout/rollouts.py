"""Specs and observations for tests of rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trimtab.rollout.settings import CanaryConfig, CanaryLimits, CanaryStep, RecreateConfig, Strategy
from trimtab.rollout.state import Observation, RolloutSpec, StagingObservation, VariantObservation, VersionRef

START = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = CanaryLimits(max_error_rate=0.01, max_latency_p95_ms=200)
READY = Observation(staging=StagingObservation(ready=True, smoke_rows=64, smoke_max_abs_difference=1e-7))


def version(number: int) -> VersionRef:
    return VersionRef(number=number, bundle_path=f"/bundles/{number}", bundle_digest=f"{number:064d}")


def canary(*weights: int, limits: CanaryLimits = LIMITS) -> CanaryConfig:
    steps = tuple(
        CanaryStep(weight_pct=Decimal(weight), duration=10 * MINUTE, min_requests=100) for weight in weights or (10, 50)
    )
    return CanaryConfig(type="canary", steps=steps, limits=limits, max_hold=60 * MINUTE)


def spec(strategy: Strategy | None = None, *, stable: int | None = 1) -> RolloutSpec:
    return RolloutSpec(
        endpoint="bikes",
        staging_endpoint="bikes-staging",
        model="bikes",
        candidate=version(2),
        stable=None if stable is None else version(stable),
        strategy=strategy or canary(),
    )


def recreate() -> RecreateConfig:
    return RecreateConfig(type="recreate")


def seen(
    weight_pct: int | Decimal,
    *,
    requests: int = 200,
    errors: int = 0,
    p95_ms: float | None = 20.0,
    labelled: int = 0,
    new: Mapping[str, float] | None = None,
    old: Mapping[str, float] | None = None,
    served: bool = True,
) -> Observation:
    weight = Decimal(weight_pct)
    return Observation(
        production_generation_served=served,
        variants={
            "v2": VariantObservation(requests, errors, p95_ms, weight, labelled, new),
            "v1": VariantObservation(1000, 0, 20.0, 100 - weight, labelled, old),
        },
    )
