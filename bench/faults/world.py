"""Plays one fault in a running loop, day by day, and writes down what the loop saw, said, asked for and did."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from bench.faults.base import MODEL, SOUND, Base, day, planted_world
from bench.faults.catalogue import AFTER, Fault
from bench.faults.draw import Setting
from bench.faults.grounds import DAY_US
from bench.faults.plan import Plan
from bench.faults.releases import altered_result
from bench.faults.rows import Span, stream_of, timeline
from bench.faults.serving import PlantedJobs

from trimtab.core.enums import Role, Tier, Verdict
from trimtab.db.engine import Connection
from trimtab.loop.actor import Actor
from trimtab.loop.operations.approvals import DecideAction, decide
from trimtab.loop.outside_alerts import OutsideAlert, files_named, take_alerts
from trimtab.loop.releases import decide_version, start_rollout
from trimtab.loop.simulation.inline_jobs import InlineJobs
from trimtab.loop.simulation.world import World
from trimtab.loop.trainings import request_training
from trimtab.monitoring.store import recent_checks
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.diagnosis import Diagnosis
from trimtab.remediation.kinds import ActionKind, DiagnosisKind
from trimtab.remediation.store import list_incidents

__all__ = ["BY_CASES", "Asked", "Named", "Seen", "play_fault"]

_ACTOR = Actor(name="simulation", role=Role.ADMIN)
_SOMEBODY = "somebody"
BY_CASES = "policy"
"""Who asks for what follows from a case."""
_NEVER_US = 2**62


@dataclass(frozen=True, slots=True)
class Named:
    """What a case was called, since when (windows after the fault began), and why."""

    incident_id: str
    kind: DiagnosisKind
    columns: tuple[str, ...]
    window: float
    severity: float
    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that was asked for by ``origin``, and who had to agree."""

    kind: ActionKind
    tier: Tier
    origin: str
    window: float
    state: ActionState
    diagnosis: str | None


@dataclass(slots=True)
class Seen:
    """What happened after a fault began. Windows are counted from then on."""

    plan: Plan
    opened: float | None = None
    closed: float | None = None
    named: list[Named] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    breaches: dict[str, str] = field(default_factory=dict)
    """The first breach of each kind and column, in words."""
    quality_fell: bool = False


def play_fault(base: Base, fault: Fault, seed: int, work: Path, jobs: InlineJobs) -> Seen:
    """Play ``fault`` with parameters of ``seed`` in a copy of ``base`` below ``work``, and return what happened.

    Raises:
        Unfit: the data set has nothing that the fault could befall.
    """
    ground = base.ground
    rng = np.random.default_rng([seed, *fault.name.encode()])
    since_us = base.at_us + int(rng.uniform(0.25, 0.75) * ground.window_us)
    ends_us = base.at_us + (fault.lasts + 1) * ground.window_us
    plan = fault.plan(Setting(base, Span(since_us, ends_us if fault.ends else _NEVER_US), ends_us, rng))
    windows = SOUND + fault.lasts + 1 + AFTER
    stream = stream_of(ground, plan.rows(timeline(ground, seed, sound=SOUND, windows=windows)))
    folder = work / "world"
    shutil.rmtree(folder, ignore_errors=True)
    project = base.copied(folder / "project")
    planted = PlantedJobs(jobs, project.logs / "trainings.txt")
    seen = Seen(plan)
    with planted_world(project, base.at_us, plan, planted) as world:
        watch = _Watch(world, seen, since_us, ground.window_us, fault.expected.actions)
        outside = _Outside(world, plan, planted, Span(since_us, ends_us), base)
        for moment_us in range(base.at_us, base.at_us + (windows - SOUND) * ground.window_us, DAY_US):
            outside.before(moment_us)
            day(world, stream, moment_us, folder / "answers")
            outside.after(moment_us + DAY_US)
            if watch.look(moment_us + DAY_US) and moment_us + DAY_US >= (ends_us if fault.ends else since_us):
                break
    return seen


@dataclass(slots=True)
class _Outside:
    """Does what is no matter of rows: releases, alerts of others, trainings."""

    world: World
    plan: Plan
    jobs: PlantedJobs
    span: Span
    base: Base
    begun: bool = False
    ended: bool = False

    def before(self, _moment_us: int) -> None:
        """Let go out what the fault releases, when the day has begun in which it begins."""
        if self.begun or not self.plan.releases:
            return
        self.begun = True
        platform = self.world.platform
        self.jobs.instead = lambda out_dir: altered_result(
            self.base.first_job, out_dir, self.plan.alteration, told=self.plan.drawn
        )
        with platform.database.transaction() as connection:
            request_training(connection, platform, MODEL, key="planted", actor=_SOMEBODY, until_us=None)
        self.world.settle()
        self.jobs.instead = None
        with platform.database.transaction() as connection:
            decide_version(connection, platform, MODEL, 2, approved=True, by=_SOMEBODY, reason="planted")
            start_rollout(connection, platform, self.world.files, 2, by=_SOMEBODY, reason="planted")
        self.world.settle()

    def after(self, moment_us: int) -> None:
        """Let others tell what they see, and let trainings die, as of the end of the day."""
        if not self.begun and moment_us > self.span.since_us:
            self.begun = True
            self._tell(firing=True)
            self._train()
        if not self.ended and moment_us >= self.span.until_us:
            self.ended, self.jobs.die = True, False
            self._tell(firing=False)

    def _train(self) -> None:
        if not self.plan.training:
            return
        self.jobs.die = True
        platform = self.world.platform
        with platform.database.transaction() as connection:
            request_training(connection, platform, MODEL, key="planted", actor=_SOMEBODY, until_us=None)
        self.world.settle()

    def _tell(self, *, firing: bool) -> None:
        platform = self.world.platform
        alerts = [
            OutsideAlert(
                name=one.name,
                fingerprint=f"{number:016x}",
                firing=firing,
                starts_us=self.span.since_us,
                ends_us=None if firing else platform.now_us(),
                labels=one.labels,
                annotations={"summary": one.name},
                model=MODEL if one.model else None,
                endpoint=self.world.endpoint if one.model else None,
                severity=one.severity,
            )
            for number, one in enumerate(self.plan.notices)
        ]
        if alerts:
            files = files_named(platform, alerts)
            with platform.database.transaction() as connection:
                take_alerts(connection, platform, "alertmanager", alerts, files)
            self.world.settle()


@dataclass(slots=True)
class _Watch:
    """Looks at what the loop has stored, and answers for the person who has to agree."""

    world: World
    seen: Seen
    since_us: int
    window_us: int
    right: frozenset[ActionKind]
    known: set[str] = field(default_factory=set)
    called: dict[str, DiagnosisKind] = field(default_factory=dict)
    asked_as: dict[str, DiagnosisKind | None] = field(default_factory=dict)

    def look(self, at_us: int) -> bool:
        """Write down what is new at ``at_us``; return whether all cases have closed again."""
        while self._noted(at_us):
            self.world.settle()
        return self.seen.closed is not None

    def _noted(self, at_us: int) -> bool:
        window = (at_us - self.since_us) / self.window_us
        with self.world.platform.database.reading() as connection:
            self._cases(connection, window)
            waiting = self._actions(connection, window)
            self._checks(connection)
        for action_id, agree in waiting:
            reason = "this is what has happened" if agree else "nothing of that has happened"
            decide(self.world.platform, _ACTOR, DecideAction(action_id=action_id, approve=agree, reason=reason))
        return bool(waiting)

    def _cases(self, connection: Connection, window: float) -> None:
        cases = [one for one in list_incidents(connection, limit=100) if one.opened_us >= self.since_us]
        for case in cases:
            diagnosis: Diagnosis | None = case.diagnosis
            if diagnosis is not None and self.called.get(case.id) is not diagnosis.kind:
                self.called[case.id] = diagnosis.kind
                self.seen.named.append(
                    Named(case.id, diagnosis.kind, diagnosis.columns, window, diagnosis.severity, diagnosis.explanation)
                )
        if cases and self.seen.opened is None:
            self.seen.opened = window
        is_over = bool(cases) and not any(one.state.is_open for one in cases)
        self.seen.closed = (window if self.seen.closed is None else self.seen.closed) if is_over else None

    def _actions(self, connection: Connection, window: float) -> Sequence[tuple[str, bool]]:
        waiting = []
        self.seen.asked = []
        for one in sorted(list_actions(connection, limit=1_000), key=lambda one: one.created_us):
            if one.created_us < self.since_us:
                continue
            asked_at = (one.created_us - self.since_us) / self.window_us
            named = self.asked_as.setdefault(one.id, self.called.get(one.incident_id or ""))
            self.seen.asked.append(Asked(one.kind, one.tier, one.requested_by, asked_at, one.state, named))
            if one.state is ActionState.WAITING_APPROVAL:
                waiting.append((one.id, one.kind in self.right | {ActionKind.RELEASE_FEED}))
        return waiting

    def _checks(self, connection: Connection) -> None:
        breaches = recent_checks(connection, MODEL, verdict=Verdict.BREACH, since_us=self.since_us, limit=None)
        for check in (stored.check for stored in reversed(breaches)):
            if check.window.end_us > self.since_us:
                self.seen.breaches.setdefault(f"{check.monitor}:{check.column or ''}", check.explanation)
                self.seen.quality_fell |= check.kind == "model_quality"
