"""Specs, states and observations for tests of rollouts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.rollout.limits import Limits
from trimtab.rollout.machine import step
from trimtab.rollout.state import (
    Evidence,
    Observation,
    RolloutSpec,
    RolloutState,
    ServedState,
    StagingObservation,
    VersionRef,
)
from trimtab.rollout.strategies import (
    ABConfig,
    BlueGreenConfig,
    CanaryConfig,
    CanaryStep,
    RecreateConfig,
    ShadowConfig,
    Strategy,
)

START = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = Limits(max_error_rate=0.01, max_latency_p95_ms=200)
READY = Observation(staging=StagingObservation(ready=True, smoke_rows=64, smoke_max_abs_difference=1e-7))
INITIAL = RolloutState.initial(to_micros(START))


def version(number: int) -> VersionRef:
    return VersionRef(number=number, bundle_path=f"/bundles/{number}", bundle_digest=f"{number:064d}")


def canary(*weights: int, limits: Limits = LIMITS) -> CanaryConfig:
    steps = tuple(
        CanaryStep(weight_pct=Decimal(weight), duration=10 * MINUTE, min_requests=100) for weight in weights or (10, 50)
    )
    return CanaryConfig(type="canary", steps=steps, limits=limits, max_hold=60 * MINUTE)


def recreate() -> RecreateConfig:
    return RecreateConfig(type="recreate")


def blue_green() -> BlueGreenConfig:
    return BlueGreenConfig(type="blue_green", bake=10 * MINUTE, min_requests=100, max_hold=60 * MINUTE)


def shadow(bake: timedelta | None = None) -> ShadowConfig:
    return ShadowConfig(type="shadow", copy_pct=Decimal(25), bake=bake, max_hold=60 * MINUTE)


def split() -> ABConfig:
    return ABConfig(type="ab", weight_pct=Decimal(30), max_duration=100 * MINUTE)


def spec(strategy: Strategy | None = None, *, stable: int | None = 1) -> RolloutSpec:
    return RolloutSpec(
        endpoint="bikes",
        staging_endpoint="bikes-staging",
        model="bikes",
        candidate=version(2),
        stable=None if stable is None else version(stable),
        strategy=strategy or canary(),
    )


def judged(verdict: Verdict, why: str = "as judged", *, name: str = "errors", required: bool = True) -> Evidence:
    """One limit that was judged."""
    return Evidence(name, verdict, 0.0, 0.01, why, required=required)


GOOD = judged(Verdict.OK)
BAD = judged(Verdict.BREACH, "3 times the errors")
OPEN = judged(Verdict.INCONCLUSIVE, "too few errors to say")


def seen(
    state: RolloutState,
    *evidence: Evidence,
    requests: int = 200,
    production: ServedState = ServedState.SERVED,
) -> Observation:
    """What is observed of production under the generation that ``state`` desires."""
    return Observation(production=production, generation=state.generation, requests=requests, evidence=evidence)


def desired(state: RolloutState) -> RolloutState:
    """The same state once its spec was desired, which is what the loop does."""
    return replace(state, generation=state.step_index + 5)


def after_smoke(rollout: RolloutSpec, now: datetime = START) -> RolloutState:
    """Where a rollout stands once its smoke test has passed, and production was told."""
    smoke = step(rollout, INITIAL, READY, now).state
    return desired(step(rollout, smoke, READY, now).state)
