"""Whatever is observed, whatever people do, however the clock jumps: a rollout stays legal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.rollout.machine import Operation, operate, production_weights, step
from trimtab.rollout.phases import MOVES, Phase
from trimtab.rollout.plan import production_spec, staging_spec
from trimtab.rollout.settings import CanaryConfig, CanaryLimits, CanaryStep, RecreateConfig
from trimtab.rollout.state import (
    Observation,
    RolloutSpec,
    RolloutState,
    StagingObservation,
    Transition,
    VariantObservation,
    VersionRef,
)

START = datetime(2030, 1, 1, tzinfo=UTC)
LEGAL = {(move.source, move.target) for move in MOVES}

numbers = st.one_of(st.none(), st.floats(min_value=0, max_value=1000), st.just(float("nan")), st.just(float("inf")))
stagings = st.builds(
    StagingObservation,
    ready=st.booleans(),
    smoke_rows=st.integers(0, 64),
    smoke_max_abs_difference=st.sampled_from([0.0, 1e-6, 1.0, float("nan")]),
    error=st.none() | st.just("does not load"),
)
variants = st.builds(
    VariantObservation,
    requests=st.integers(0, 300),
    errors=st.sampled_from([0, 0, 0, 1, 2, 50]),
    p95_ms=numbers,
    weight_pct=st.sampled_from([Decimal(10), Decimal(50), Decimal(100), Decimal(0)]),
    labelled=st.integers(0, 100),
    quality=st.none() | st.fixed_dictionaries({"mape": st.floats(0, 2) | st.just(float("nan"))}),
)
observations = st.builds(
    Observation,
    staging=st.none() | stagings | st.just(StagingObservation(ready=True, smoke_rows=8)),
    production_generation_served=st.booleans(),
    variants=st.dictionaries(st.sampled_from(["v1", "v2"]), variants),
)
strategies = st.sampled_from(
    [
        RecreateConfig(type="recreate"),
        CanaryConfig(
            type="canary",
            steps=tuple(
                CanaryStep(weight_pct=Decimal(weight), duration=timedelta(minutes=5), min_requests=20)
                for weight in (10, 50, 100)
            ),
            limits=CanaryLimits(max_latency_p95_ms=500, max_degradation={"mape": 0.2}),
            max_hold=timedelta(hours=1),
        ),
    ]
)


class RolloutMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.generation = 1

    @initialize(strategy=strategies, has_stable=st.booleans())
    def begin(self, strategy: CanaryConfig | RecreateConfig, has_stable: bool) -> None:
        self.spec = RolloutSpec(
            endpoint="bikes",
            staging_endpoint="bikes-staging",
            model="bikes",
            candidate=VersionRef(2, "/bundles/2", "b" * 64),
            stable=VersionRef(1, "/bundles/1", "a" * 64) if has_stable else None,
            strategy=strategy,
        )
        self.state = RolloutState.initial(to_micros(START))

    @rule(minutes=st.integers(-600, 600))
    def clock_jumps(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def crash_and_restart(self) -> None:
        self.state = RolloutState.from_json(self.state.to_json())
        self.spec = RolloutSpec.from_json(self.spec.to_json())

    @rule(observation=observations)
    def tick(self, observation: Observation) -> None:
        decided = step(self.spec, self.state, observation, self.now)
        again = step(self.spec, self.state, observation, self.now)
        assert decided.state == again.state
        if decided.state.phase is Phase.PROMOTED and self.state.phase is not Phase.PROMOTED:
            assert decided.verdict is Verdict.OK
        if decided.verdict is Verdict.INCONCLUSIVE:
            assert decided.weights is None
        if decided.state.phase is Phase.CANARY and decided.state != self.state:
            assert step(self.spec, decided.state, observation, self.now).state.step_index == decided.state.step_index
        self._accept(decided)

    @rule(operation=st.sampled_from(Operation))
    def person_acts(self, operation: Operation) -> None:
        try:
            decided = operate(self.spec, self.state, operation, self.now, "")
        except IllegalTransitionError:
            return
        self._accept(decided)

    def _accept(self, decided: Transition) -> None:
        if decided.state.phase is not self.state.phase:
            assert (self.state.phase, decided.state.phase) in LEGAL
        before = production_weights(self.spec, self.state)
        after = production_weights(self.spec, decided.state)
        assert (decided.weights is None) == (before == after)
        assert decided.weights is None or decided.weights == after
        self.state = decided.state

    @invariant()
    def weights_sum_to_100_and_specs_are_servable(self) -> None:
        if not hasattr(self, "spec"):
            return
        weights = production_weights(self.spec, self.state)
        assert sum(weights.values()) in ({100} if weights else {0})
        assert weights or self.spec.stable is None
        self.generation += 1
        assert production_spec(self.spec, self.state, generation=self.generation).generation == self.generation
        staged = staging_spec(self.spec, self.state, generation=self.generation)
        assert bool(staged.variants) is not self.state.phase.is_final


TestRolloutStaysLegal = RolloutMachine.TestCase
TestRolloutStaysLegal.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
