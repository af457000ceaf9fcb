"""Whatever is observed, whatever people do, however the clock jumps: a rollout stays legal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trimtab.core.clock import to_micros
from trimtab.core.enums import Task, Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.block import Block, Tally
from trimtab.rollout.judgement import judge
from trimtab.rollout.machine import Operation, operate, step
from trimtab.rollout.phases import MOVES, Phase
from trimtab.rollout.plan import production_spec, staging_spec
from trimtab.rollout.state import (
    Evidence,
    Observation,
    RolloutSpec,
    RolloutState,
    ServedState,
    StagingObservation,
    Transition,
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
from trimtab.rollout.strategy_plan import plan_for
from trimtab.rollout.traffic import production_shadows, production_weights

START = datetime(2030, 1, 1, tzinfo=UTC)
LEGAL = {(move.source, move.target) for move in MOVES}

stagings = st.builds(
    StagingObservation,
    ready=st.booleans(),
    smoke_rows=st.integers(0, 64),
    smoke_max_abs_difference=st.sampled_from([0.0, 1e-6, 1.0, float("nan")]),
    error=st.none() | st.just("does not load"),
)
evidence = st.builds(
    Evidence,
    name=st.sampled_from(["errors", "error_rate", "agreement", "degradation:mape", "prediction_shift"]),
    verdict=st.sampled_from(Verdict),
    value=st.none(),
    limit=st.none(),
    why=st.just("seen"),
    required=st.booleans(),
)
observations = st.builds(
    Observation,
    staging=st.none() | stagings | st.just(StagingObservation(ready=True, smoke_rows=8)),
    production=st.sampled_from([*ServedState, ServedState.SERVED, ServedState.SERVED]),
    production_error=st.none() | st.just("no space left"),
    requests=st.integers(0, 300),
    evidence=st.lists(evidence, max_size=3).map(tuple) | st.just((Evidence("agreement", Verdict.OK, None, None, ""),)),
)
minutes = timedelta(minutes=1)
strategies: st.SearchStrategy[Strategy] = st.sampled_from(
    [
        RecreateConfig(type="recreate"),
        BlueGreenConfig(type="blue_green", bake=5 * minutes, min_requests=20, max_hold=60 * minutes),
        ShadowConfig(type="shadow", max_hold=60 * minutes),
        ShadowConfig(type="shadow", copy_pct=Decimal(20), bake=5 * minutes, min_requests=20, max_hold=60 * minutes),
        ABConfig(type="ab", weight_pct=Decimal("12.5"), max_duration=300 * minutes),
        *(
            CanaryConfig(
                type="canary",
                steps=tuple(
                    CanaryStep(weight_pct=Decimal(weight), duration=5 * minutes, min_requests=20) for weight in weights
                ),
                max_hold=60 * minutes,
            )
            for weights in ((10, 50, 100), (5, 20), (100,))
        ),
    ]
)


class RolloutMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.generation = 1
        self.segment = 0
        self.analysis = AnalysisState()
        self.is_proved = False

    @initialize(strategy=strategies, has_stable=st.sampled_from([True, True, True, False]), sticky=st.booleans())
    def begin(self, strategy: Strategy, has_stable: bool, sticky: bool) -> None:
        self.sticky = sticky
        self.analysis = AnalysisState()
        self.counted: dict[int, tuple[int, int]] = {}
        self.is_proved = False
        self.spec = RolloutSpec(
            endpoint="bikes",
            staging_endpoint="bikes-staging",
            model="bikes",
            candidate=VersionRef(2, "/bundles/2", "b" * 64),
            stable=VersionRef(1, "/bundles/1", "a" * 64) if has_stable else None,
            strategy=strategy,
        )
        self.state = RolloutState.initial(to_micros(self.now))

    @precondition(lambda self: self.state.phase.is_final)
    @rule(strategy=strategies, sticky=st.booleans())
    def another_one_begins(self, strategy: Strategy, sticky: bool) -> None:
        self.generation += 1
        self.begin(strategy=strategy, has_stable=True, sticky=sticky)

    @property
    def is_judged(self) -> bool:
        return self.spec.stable is not None and not isinstance(self.spec.strategy, RecreateConfig)

    @precondition(lambda self: self.state.phase in {Phase.STAGING, Phase.SMOKE})
    @rule()
    def it_loads_and_proves_itself(self) -> None:
        while self.state.phase in {Phase.STAGING, Phase.SMOKE}:
            self.tick(observation=Observation(StagingObservation(ready=True, smoke_rows=8)), lag=0)

    @rule(minutes=st.sampled_from([1, 6, 6, 6, 61, 600, -6, -600]))
    def clock_jumps(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def crash_and_restart(self) -> None:
        self.state = RolloutState.from_json(self.state.to_json())
        self.spec = RolloutSpec.from_json(self.spec.to_json())
        self.analysis = AnalysisState.from_json(self.analysis.to_json())

    @rule()
    def a_server_counts_anew(self) -> None:
        self.segment += 1

    @precondition(lambda self: self.state.stage.has_traffic and self.is_judged)
    @rule(
        requests=st.integers(0, 2_000) | st.just(50_000),
        fails=st.sampled_from([0.0, 0.0, 0.02, 1.0]),
        dies=st.booleans(),
    )
    def look_at_what_callers_got(self, requests: int, fails: float, dies: bool) -> None:
        """Judge real counts; the process may die before what was decided is stored."""
        stage, share = self.state.stage, float(self.state.weight_pct) / 100
        plan = plan_for(self.spec.strategy, Task.BINARY, sticky=self.sticky, baking=stage is Phase.BAKING)
        assert plan is not None
        mine = round(requests * share)
        block = Block(
            generation=self.generation,
            probability=share,
            candidate=_answered(mine, round(mine * fails)),
            stable=_answered(requests - mine, 0),
            segment=self.segment if self.sticky else 0,
            sticky=self.sticky,
            agreement=(1.0 - fails,) * requests if stage is Phase.SHADOW else (),
        )
        analysis = accumulate(plan, self.analysis, block)
        evidence = judge(plan, analysis)
        assert judge(plan, AnalysisState.from_json(analysis.to_json())) == evidence
        self.state = replace(self.state, generation=self.generation)
        observation = Observation(
            None, ServedState.SERVED, generation=self.generation, requests=analysis.drawn[0], evidence=evidence
        )
        decided = step(self.spec, self.state, observation, self.now)
        answered, failed = self.counted.get(self.generation, (0, 0))
        answered, failed = answered + mine, failed + round(mine * fails)
        if failed >= 100 and 2 * failed >= answered and stage in {Phase.CANARY, Phase.SPLIT, Phase.BAKING}:
            assert decided.state.phase is Phase.ROLLED_BACK, "it failed half of its callers since the step began"
        if not dies:
            self.analysis = analysis
            self.counted[self.generation] = (answered, failed)
            self._accept(decided)

    @rule(observation=observations, lag=st.sampled_from([0, 0, 0, 1]))
    def tick(self, observation: Observation, lag: int) -> None:
        observation = replace(observation, generation=self.generation - lag)
        self.state = replace(self.state, generation=self.generation)
        staging = observation.staging
        if staging is not None and self.state.phase is Phase.SMOKE:
            agrees = staging.smoke_rows > 0 and staging.smoke_max_abs_difference <= self.spec.smoke_max_abs_difference
            self.is_proved |= staging.error is None and agrees
        decided = step(self.spec, self.state, observation, self.now)
        again = step(self.spec, self.state, observation, self.now)
        assert decided.state == again.state
        if decided.state.phase is Phase.PROMOTED and self.state.phase is not Phase.PROMOTED:
            assert decided.verdict is Verdict.OK
            assert self.state.phase is not Phase.SPLIT, "who wins a split is a person's decision"
        if decided.verdict is Verdict.INCONCLUSIVE:
            assert decided.weights is None
        if decided.weights is not None and not decided.state.phase.is_final:
            assert step(self.spec, decided.state, observation, self.now).state == decided.state
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
        before, after = (_carried(self.spec, state) for state in (self.state, decided.state))
        assert (decided.weights is None) == (before == after)
        assert decided.weights is None or decided.weights == after[0]
        self.generation += decided.weights is not None
        self.state = decided.state

    @invariant()
    def weights_sum_to_100_and_specs_are_servable(self) -> None:
        if not hasattr(self, "spec"):
            return
        weights = production_weights(self.spec, self.state)
        assert sum(weights.values()) in ({100} if weights else {0})
        assert weights or self.spec.stable is None
        production = production_spec(self.spec, self.state, generation=self.generation)
        assert {variant.name: variant.weight_pct for variant in production.live} == weights
        for variant in production.variants:
            is_stable = self.spec.stable is not None and variant.name == self.spec.stable.variant
            assert is_stable or self.is_proved, "it meets callers, and was never loaded and proved on staging"
        staged = staging_spec(self.spec, self.state, generation=self.generation)
        assert bool(staged.variants) is not self.state.phase.is_final


def _answered(requests: int, failed: int) -> Tally:
    took = ((300, requests - failed), (1024, failed))
    return Tally(
        drawn=requests, failed=failed, latency=took, run=took, requests=requests, errors=failed, durations=took
    )


def _carried(spec: RolloutSpec, state: RolloutState) -> tuple[Mapping[str, Decimal], Mapping[str, Decimal]]:
    return production_weights(spec, state), production_shadows(spec, state)


TestRolloutStaysLegal = RolloutMachine.TestCase
TestRolloutStaysLegal.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
