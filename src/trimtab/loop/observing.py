"""Looks at rollouts: what staging and production say, and what the two versions' requests tell since the last look."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task, Verdict
from trimtab.core.errors import BackendError
from trimtab.loop.block_news import News, news_of, together
from trimtab.loop.outages import OutageWatch
from trimtab.loop.outcomes_watch import OutcomesWatch
from trimtab.loop.platform import Platform
from trimtab.loop.rollout_quality import LabelCursor, QualityUnits
from trimtab.loop.rollouts import Seen
from trimtab.loop.variant_counts import HttpDrawsReader
from trimtab.rollout import endpoint_store
from trimtab.rollout.analysis_plan import AnalysisPlan
from trimtab.rollout.analysis_state import AnalysisState, accumulate
from trimtab.rollout.analysis_store import Analysis
from trimtab.rollout.block import Block
from trimtab.rollout.copies import judge_copies, missed_beside, with_copies
from trimtab.rollout.draws_reader import CountCursor, DrawsReader, block_between
from trimtab.rollout.judgement import judge
from trimtab.rollout.phases import Phase
from trimtab.rollout.state import Evidence, Observation, ServedState, StagingObservation
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategy_plan import incomparable, plan_for
from trimtab.serving.draws import DrawsReading
from trimtab.serving.keys import read_own_key
from trimtab.serving.spec import EndpointStatus

__all__ = ["RolloutWatch"]

_STAGED: Final = frozenset({Phase.STAGING, Phase.SMOKE})
_COMPARED: Final = frozenset({Phase.SHADOW, Phase.CANARY, Phase.SPLIT, Phase.BAKING})
# A server tries again after two seconds.
_REFUSED_S: Final = 3.0
_REMEMBERED_S: Final = 3600.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """All that a look must know of those before it.

    ``news``: what was new since the look numbered ``looks``, the last one that was kept.
    """

    counts: CountCursor
    labels: LabelCursor
    state: AnalysisState
    looks: int
    news: News

    @staticmethod
    def of(analysis: Analysis, before_generation: int) -> _Known:
        """Return what is stored; at the first look, that nothing up to ``before_generation`` is the rollout's."""
        if not analysis.content:
            counts, labels = CountCursor(before_generation), LabelCursor(before_generation)
            return _Known(counts, labels, AnalysisState(), analysis.looks, [])
        content = analysis.content
        return _Known(
            CountCursor.from_json(content["counts"]),
            LabelCursor.from_json(content["labels"]),
            AnalysisState.from_json(content["state"]),
            analysis.looks,
            content["news"] if content["looks"] == analysis.looks else [],
        )

    def to_json(self) -> JsonObject:
        return {
            "counts": self.counts.to_json(),
            "labels": self.labels.to_json(),
            "state": self.state.to_json(),
            # Without news it is the same whenever it is stored: what has not changed need not be.
            "looks": self.looks if self.news else None,
            "news": self.news,
        }


class RolloutWatch:
    """Looks at rollouts. What was counted before is in the database: here is only what the lake and production said."""

    def __init__(
        self,
        platform: Platform,
        reader: DrawsReader | None = None,
        *,
        outcomes: OutcomesWatch | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``reader``: of the counts; None: over HTTP, from the platform's server. ``outcomes``: of the lake."""
        self._platform = platform
        self._reader = reader or HttpDrawsReader(platform.serving_url, lambda: read_own_key(platform.project.serving))
        self._outcomes = outcomes or OutcomesWatch(platform)
        self._monotonic_s = monotonic_s
        self._refused: dict[str, tuple[int | None, float]] = {}
        self._outages = OutageWatch(platform, monotonic_s)

    def look(self, rollout: Rollout, analysis: Analysis) -> Seen:
        """Return what is seen of ``rollout``, beyond what ``analysis`` says was seen before."""
        stage, wanted = rollout.state.stage, rollout.state.generation
        production = self._lasting(rollout, self._production(rollout))
        # Behind the smoke test nobody asks what staging says: a status that cannot be read must not keep a candidate.
        staging = self._staging(rollout) if stage in _STAGED else None
        seen = replace(production, staging=staging)
        generation = 0 if wanted is None else wanted
        task = rollout.spec.task
        if task is None:
            task = self._platform.files(rollout.spec.model).model.task
        known = _Known.of(analysis, generation - 1 if stage in _COMPARED else generation)
        plan = plan_for(
            rollout.spec.strategy,
            task,
            sticky=rollout.spec.sticky_key is not None or known.counts.sticky,
            baking=stage is Phase.BAKING,
        )
        reading, hindered = self._reading(rollout) if stage in _COMPARED else (None, None)
        if stage in _COMPARED:
            seen = replace(seen, outages=self._outages.of(rollout, reading, hindered))
        if stage not in _COMPARED or plan is None:
            # The first look says where the rollout's own generations begin: those after the present one.
            return Seen(seen, None if analysis.content or plan is None else known.to_json())
        return self._judged(rollout, task, plan, known, seen, generation, reading, hindered)

    def _staging(self, rollout: Rollout) -> StagingObservation | None:
        status = self._platform.deployer.observe(rollout.spec.staging_endpoint)
        with self._platform.database.reading() as connection:
            spec = endpoint_store.desired(connection, rollout.spec.staging_endpoint)
        return _staging(status, rollout, 0 if spec is None else spec.generation)

    def _production(self, rollout: Rollout) -> Observation:
        """Return what production makes of what is desired of it; where that cannot be read, why."""
        wanted = rollout.state.generation
        try:
            return _production(wanted, self._platform.deployer.observe(rollout.spec.endpoint))
        except BackendError as error:
            _log.warning("production.unread", rollout=rollout.id, error=str(error))
            return Observation(production_error=f"what production does cannot be read: {error}", generation=wanted)

    def _judged(
        self,
        rollout: Rollout,
        task: Task,
        plan: AnalysisPlan,
        known: _Known,
        seen: Observation,
        generation: int,
        reading: DrawsReading | None,
        hindered: str | None,
    ) -> Seen:
        counts, blocks = known.counts, tuple[Block, ...]()
        if reading is not None:
            counts, blocks = _counted(rollout, known.counts, reading)
        told = self._outcomes.since(rollout, plan, known.labels, sticky=counts.sticky)
        counts, added = _quality_blocks(counts, told.units)
        blocks = (*blocks, *added)
        if plan.paired:
            counts, missed = _missed(counts, added, generation)
            blocks = (*blocks, *missed)
        if counts.sticky and not plan.sticky:
            plan = replace(plan, sticky=True)
        state = known.state
        for block in blocks:
            state = accumulate(plan, state, block)
        tally = counts.tally_of(rollout.spec.candidate.variant, generation)
        observation = replace(
            seen,
            requests=tally.answered,
            refused=tally.refusals,
            failed=tally.errors,
            abandoned=tally.abandoned,
            evidence=(
                *judge(plan, state),
                *incomparable(rollout.spec.strategy, task),
                *((_unread(hindered),) if reading is None else ()),
                *(judge_copies(counts.copies) if plan.paired else ()),
                *_unread_quality(rollout, plan, told.fault),
            ),
        )
        # It may be stored without a look: then the next look that is kept tells of it, too.
        known = _Known(counts, told.after, state, known.looks, together(known.news, news_of(blocks)))
        return Seen(observation, known.to_json(), {"blocks": known.news})

    def _lasting(self, rollout: Rollout, seen: Observation) -> Observation:
        """Return what is seen of production; a refusal is one once it has lasted until after another try.

        For one worker that had no memory for a moment, while the others serve it, a version need not go back.
        """
        if seen.production is not ServedState.REFUSED:
            self._refused.pop(rollout.id, None)
            return seen
        now_s = self._monotonic_s()
        generation, since_s = self._refused.get(rollout.id, (None, now_s))
        if generation != seen.generation:
            since_s = now_s
            recent = {name: one for name, one in self._refused.items() if now_s - one[1] < _REMEMBERED_S}
            self._refused = {**recent, rollout.id: (seen.generation, now_s)}
        if now_s - since_s >= _REFUSED_S:
            return seen
        return replace(seen, production=ServedState.ARRIVING, production_error=None)

    def _reading(self, rollout: Rollout) -> tuple[DrawsReading | None, str | None]:
        """Return what production counted, None where that is not known; and what hinders a server from telling."""
        try:
            return self._reader.read(rollout.spec.endpoint), None
        except BackendError as error:
            _log.warning("counts.unread", rollout=rollout.id, error=str(error))
            return None, str(error)


def _counted(rollout: Rollout, cursor: CountCursor, reading: DrawsReading) -> tuple[CountCursor, tuple[Block, ...]]:
    """Return what was counted since ``cursor``: of a shadow what became of its copies, else what was drawn."""
    candidate, stable = rollout.spec.candidate.variant, rollout.spec.stable
    if rollout.state.stage is Phase.SHADOW:
        since = cursor.after_generation
        copies = with_copies(cursor.copies, reading.copies, variant=candidate, after_generation=since)
        return replace(cursor, copies=copies), ()
    return block_between(cursor, reading, candidate=candidate, stable=None if stable is None else stable.variant)


def _missed(counts: CountCursor, compared: tuple[Block, ...], generation: int) -> tuple[CountCursor, tuple[Block, ...]]:
    """Return the failed copies that go with the ``compared`` ones, as requests to which no row was answered alike."""
    copies, missed = missed_beside(counts.copies, sum(len(block.agreement) for block in compared))
    counts = replace(counts, copies=copies)
    return counts, (Block(generation=generation, probability=0.0, agreement=(0.0,) * missed),) if missed else ()


def _unread(hindered: str | None) -> Evidence:
    """Return evidence that holds a rollout while nobody knows what its variants did."""
    why = hindered or "no server answers that could say what its variants did"
    return Evidence("counts", Verdict.INCONCLUSIVE, None, None, why)


def _unread_quality(rollout: Rollout, plan: AnalysisPlan, fault: str | None) -> tuple[Evidence, ...]:
    """Return evidence that holds a rollout which waits for outcomes, or agreement, while the lake cannot be read."""
    if fault is None:
        return ()
    awaited = rollout.state.stage is not Phase.BAKING and (plan.paired or plan.limits.quality_required)
    why = f"the answers' outcomes cannot be read: {fault}"
    return (Evidence("outcomes", Verdict.INCONCLUSIVE, None, None, why, required=awaited),)


def _quality_blocks(counts: CountCursor, units: QualityUnits) -> tuple[CountCursor, tuple[Block, ...]]:
    """Return blocks of losses and answers alone, in the segments of the counts of the same generation."""
    blocks = []
    for generation in units.generations:
        counts, segment = counts.segment_of(generation)
        losses = units.losses.get(generation, {})
        answered = units.predictions.get(generation, ())
        chances = [unit.probability for of_metric in losses.values() for unit in of_metric]
        drawn = next(iter([*chances, *(unit.probability for unit in answered)]), 0.0)
        blocks.append(
            Block(
                generation=generation,
                probability=drawn,
                segment=segment,
                sticky=counts.sticky,
                losses=losses,
                pairs=units.pairs.get(generation, {}),
                agreement=units.agreement.get(generation, ()),
                predictions=answered,
            )
        )
    return counts, tuple(blocks)


def _staging(status: EndpointStatus | None, rollout: Rollout, wanted: int) -> StagingObservation | None:
    """Return what staging makes of the generation ``wanted`` of it; of one before it nothing is held against it."""
    if status is None:
        return None
    if status.desired_generation < wanted:
        return StagingObservation(ready=False)
    if status.error is not None:
        return StagingObservation(ready=False, error=status.error)
    digest = rollout.spec.candidate.bundle_digest
    found = next((variant for variant in status.variants if variant.bundle_digest == digest), None)
    if found is None:
        return StagingObservation(ready=False)
    return StagingObservation(
        ready=found.ready,
        smoke_rows=found.smoke_rows,
        smoke_max_abs_difference=found.smoke_max_abs_difference,
        error=found.error,
    )


def _production(wanted: int | None, served: EndpointStatus | None) -> Observation:
    """Return what production makes of the generation ``wanted`` of it."""
    if wanted is None or served is None:
        return Observation()
    if served.generation == wanted:
        return Observation(production=ServedState.SERVED, generation=wanted)
    refused = served.error if served.desired_generation >= wanted else None
    state = ServedState.ARRIVING if refused is None else ServedState.REFUSED
    return Observation(production=state, production_error=refused, generation=wanted)
